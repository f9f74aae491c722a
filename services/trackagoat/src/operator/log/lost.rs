//! Which of a ledger's denials the log does not have.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use domain::ids::{EventId, GlobalPosition, LogEpoch};
use event_log::StoredEvent;

use super::Failure;
use crate::operator::connection::Operator;

/// Auth events of one read.
const PAGE: u16 = 5_000;
/// What the correlation id of a replayed denial begins with; the lost event's id follows. Stable: by
/// it a later run knows what an earlier one did.
const REPLAYED: &str = "restored-";

/// A denial that the log does not have.
#[derive(Debug)]
pub struct Lost(pub StoredEvent);

/// What became of all denials of a ledger.
pub struct Compared {
    /// Those that the log has, or that an earlier run dealt with.
    pub present: usize,
    /// The others, in the order in which they were recorded.
    pub lost: Vec<Lost>,
}

/// Looks for denials in the log, and for those of which an earlier run remembers that nothing was to
/// be done.
pub async fn of(
    operator: &Operator,
    denials: Vec<(LogEpoch, StoredEvent)>,
) -> Result<Compared, Failure> {
    let log = operator.commander.log();
    // Each once, whichever ledgers have it; positions of two lives cannot be compared, times can.
    let mut lost = BTreeMap::new();
    for (_, event) in denials {
        lost.insert((event.recorded_at, event.position, event.event_id), event);
    }
    let all = lost.len();
    let mut wanted: HashSet<EventId> = lost.values().map(|event| event.event_id).collect();
    let mut after = GlobalPosition::ZERO;
    while !wanted.is_empty() {
        let page = log.read_auth(after, PAGE).await?;
        for event in &page {
            wanted.remove(&event.event_id);
            if let Some(replayed) = replayed(&event.correlation_id) {
                wanted.remove(&replayed);
            }
        }
        match page.last() {
            Some(newest) => after = newest.position,
            None => break,
        }
    }
    let left: Vec<_> = wanted.iter().copied().collect();
    for page in left.chunks(usize::from(PAGE)) {
        for known in gate::replayed(&operator.pool, page).await? {
            wanted.remove(&known);
        }
    }
    lost.retain(|_, event| wanted.contains(&event.event_id));
    Ok(Compared {
        present: all - lost.len(),
        lost: lost.into_values().map(Lost).collect(),
    })
}

fn replayed(correlation_id: &str) -> Option<EventId> {
    correlation_id.strip_prefix(REPLAYED)?.parse().ok()
}

impl Lost {
    /// What the events that replay it are found by.
    pub fn correlation_id(&self) -> String {
        format!("{REPLAYED}{}", self.0.event_id)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.0;
        write!(
            f,
            "{} of {} in org {}, recorded {}",
            event.type_name, event.subject, event.org_id, event.recorded_at
        )
    }
}
