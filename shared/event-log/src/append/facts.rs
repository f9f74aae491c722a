//! The facts that a batch depends on and the tail does not hold.

use chrono::{DateTime, Utc};

use super::NotCommitted;
use super::prepare::Prepared;
use super::queue::Queued;
use super::session::Session;
use super::settle::Answers;
use super::tail::{End, Tail};

/// Reads them into the tail; returns the answers that exist for the batch's idempotency keys.
pub async fn learn(
    tail: &mut Tail,
    session: &mut Session,
    batch: &[Queued],
    now: DateTime<Utc>,
) -> Result<Answers, NotCommitted> {
    let appends = || batch.iter().map(|queued| &queued.prepared);
    let streams = distinct(
        appends()
            .flat_map(Prepared::streams)
            .filter(|stream| !tail.knows_stream(stream)),
    );
    if !streams.is_empty() {
        let ends = session.streams(&streams, tail.head.position).await?;
        for stream in streams {
            tail.learn_stream(stream, End::EMPTY);
        }
        for (stream, end) in ends {
            tail.learn_stream(stream, end);
        }
    }
    let callers = distinct(
        appends()
            .filter_map(|append| Some(append.guard?.id()))
            .filter(|id| !tail.knows_caller(*id)),
    );
    if !callers.is_empty() {
        let known = session.callers(&callers).await?;
        for id in callers {
            tail.learn_caller(id, None);
        }
        for (id, caller) in known {
            tail.learn_caller(id, Some(caller));
        }
    }
    let keys: Vec<_> = appends()
        .filter_map(|append| append.idempotency.as_ref())
        .map(|record| (record.org_id, record.key.as_str()))
        .collect();
    if keys.is_empty() {
        return Ok(Answers::new());
    }
    session.answers(&keys, now).await
}

fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}
