//! Brings an org's state up to the log: the newest snapshot, then the rest of the stream.

use std::sync::Arc;

use domain::event::Stream;
use domain::ids::{OrgId, StreamVersion};
use domain::org::{OrgState, Recorded, SNAPSHOT_FORMAT, evolve};
use event_log::{EventLog, Snapshot, StoredEvent};
use runtime::telemetry::chain;

use super::error::CommandError;
use super::orgs::{Folded, Org};

/// Events of one page.
const PAGE: u16 = 2_000;
/// Fewer than this are folded at once, more beside the executor.
const SHORT: usize = 100;

/// Reads what the log holds above the state and folds it; says whether there was anything.
///
/// Several may do this for one org at once: each event is folded by whoever comes first.
pub(super) async fn catch_up(log: &EventLog, org: &Org) -> Result<bool, CommandError> {
    let is_loaded = org.state.read().await.is_loaded;
    if !is_loaded {
        let snapshot = snapshot(log, org.id).await?;
        let mut folded = org.state.write().await;
        if let Some(state) = snapshot.filter(|state| state.events > folded.state.events) {
            folded.snapshot_at = state.events;
            folded.state = state;
        }
    }
    let mut moved = false;
    loop {
        let after = StreamVersion::new(org.state.read().await.state.events);
        let page = page(log, org.id, after).await?;
        let is_last = page.len() < usize::from(PAGE);
        let is_short = page.len() < SHORT;
        if !page.is_empty() || !is_loaded {
            let mut folded = Arc::clone(&org.state).write_owned().await;
            let mut fold = move || {
                let moved = fold_stored(&mut folded, &page)?;
                folded.is_loaded |= is_last;
                Ok::<_, CommandError>(moved)
            };
            moved |= if is_short {
                fold()?
            } else {
                let folded = tokio::task::spawn_blocking(fold).await;
                folded.map_err(|_| CommandError::Died("folding"))??
            };
        }
        if is_last {
            return Ok(moved);
        }
    }
}

/// The state as the newest snapshot has it, if there is one that reads.
pub(super) async fn snapshot(log: &EventLog, org: OrgId) -> Result<Option<OrgState>, CommandError> {
    let loaded = log.load_snapshot(org, SNAPSHOT_FORMAT).await;
    let Some(snapshot) = loaded.map_err(CommandError::Unread)? else {
        return Ok(None);
    };
    let read = tokio::task::spawn_blocking(move || read_snapshot(&snapshot)).await;
    match read {
        Ok(Ok(state)) => Ok(Some(state)),
        Ok(Err(error)) => {
            tracing::warn!(org.id = %org, error = %chain(&error), "snapshot does not read, ignored");
            Ok(None)
        }
        Err(_) => Err(CommandError::Died("reading a snapshot")),
    }
}

fn read_snapshot(snapshot: &Snapshot) -> Result<OrgState, serde_json::Error> {
    let state: OrgState = serde_json::from_slice(&snapshot.state)?;
    if state.events == snapshot.version.get() {
        Ok(state)
    } else {
        Err(serde::de::Error::custom(
            "it is of another version than its row says",
        ))
    }
}

pub(super) async fn page(
    log: &EventLog,
    org: OrgId,
    after: StreamVersion,
) -> Result<Vec<StoredEvent>, CommandError> {
    log.read_stream(org, Stream::Decisions, after, PAGE)
        .await
        .map_err(CommandError::Unread)
}

/// Folds those events of a page that follow; says whether there were any.
fn fold_stored(folded: &mut Folded, page: &[StoredEvent]) -> Result<bool, CommandError> {
    let mut moved = false;
    for stored in page {
        if stored.version.get() == folded.state.events + 1 {
            fold_one(&mut folded.state, stored)?;
            moved = true;
        }
    }
    Ok(moved)
}

pub(super) fn fold_one(state: &mut OrgState, stored: &StoredEvent) -> Result<(), CommandError> {
    let decoded = stored
        .decode()
        .map_err(|source| CommandError::Undecodable {
            position: stored.position,
            source,
        })?;
    evolve(state, &Recorded::from(&decoded));
    Ok(())
}
