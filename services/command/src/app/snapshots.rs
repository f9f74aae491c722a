//! Snapshots, made behind the requests: a copy of the state is folded from the log, so that no
//! request ever waits for one to be written.

use std::collections::HashSet;

use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::org::{OrgState, SNAPSHOT_FORMAT};
use event_log::{EventLog, Snapshot};
use runtime::lifecycle::Tasks;
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use super::error::CommandError;
use super::load;
use crate::metrics;

/// Events after which an org gets a new snapshot.
const EVERY: u64 = 1_000;
/// For large orgs one event in so many instead, so that a snapshot's cost stays in proportion to
/// what happened since the last one.
const SHARE: u64 = 8;
/// Orgs that wait for their snapshot; beyond, the next event asks again.
const WAITING: usize = 1_024;

/// Whether an org of so many events needs a new snapshot.
pub(super) const fn is_due(events: u64, snapshot_at: u64) -> bool {
    let share = events / SHARE;
    let every = if share > EVERY { share } else { EVERY };
    events - snapshot_at >= every
}

/// Makes snapshots, one at a time.
pub struct Snapshotter {
    log: EventLog,
    asked: mpsc::Receiver<OrgId>,
}

impl Snapshotter {
    pub(super) fn new(log: EventLog) -> (mpsc::Sender<OrgId>, Self) {
        let (ask, asked) = mpsc::channel(WAITING);
        (ask, Self { log, asked })
    }

    /// Runs until the process stops. Nothing is lost if it never does.
    pub async fn run(mut self, tasks: Tasks) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = self.asked.recv_many(&mut batch, WAITING) => if count == 0 { return },
                () = tasks.stopping() => return,
            }
            for org in batch.drain(..).collect::<HashSet<_>>() {
                let made = self.make(org).await;
                metrics::count_snapshot(made.is_ok());
                if let Err(error) = made {
                    tracing::warn!(org.id = %org, error = %chain(&error), "no snapshot");
                }
            }
        }
    }

    async fn make(&self, org: OrgId) -> Result<(), CommandError> {
        let mut state = load::snapshot(&self.log, org).await?.unwrap_or_default();
        let before = state.events;
        let mut position = GlobalPosition::ZERO;
        loop {
            let after = StreamVersion::new(state.events);
            let page = load::page(&self.log, org, after).await?;
            let Some(last) = page.last() else { break };
            position = last.position;
            let folded = tokio::task::spawn_blocking(move || fold(state, &page)).await;
            state = folded.map_err(|_| CommandError::Died("folding"))??;
        }
        if state.events == before {
            return Ok(());
        }
        let version = StreamVersion::new(state.events);
        let written = tokio::task::spawn_blocking(move || serde_json::to_vec(&state)).await;
        let Ok(Ok(state)) = written else {
            return Err(CommandError::Died("writing a snapshot"));
        };
        let snapshot = Snapshot {
            version,
            position,
            state,
        };
        let stored = self
            .log
            .store_snapshot(org, SNAPSHOT_FORMAT, snapshot)
            .await;
        stored.map_err(CommandError::Unread)
    }
}

fn fold(mut state: OrgState, page: &[event_log::StoredEvent]) -> Result<OrgState, CommandError> {
    for stored in page {
        load::fold_one(&mut state, stored)?;
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_orgs_get_one_every_thousand_events_and_large_ones_in_proportion() {
        assert!(!is_due(999, 0));
        assert!(is_due(1_000, 0));
        assert!(!is_due(8_000, 7_001));
        assert!(is_due(8_000, 7_000));
        assert!(!is_due(1_000_000, 900_000));
        assert!(is_due(1_000_000, 875_000));
    }
}
