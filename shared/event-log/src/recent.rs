//! What this process committed last, so that its mirror need not read it back.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use domain::ids::GlobalPosition;
use tokio::sync::watch;

use crate::stored::StoredEvent;

/// Most bytes of events that are kept.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// A bounded memory of committed events; positions may have gaps where other processes appended.
#[derive(Debug)]
pub struct Recent {
    kept: Mutex<Kept>,
    committed: watch::Sender<GlobalPosition>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<StoredEvent>,
    bytes: usize,
    /// Nobody asks for them yet, so nothing is kept.
    wanted: bool,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            committed: watch::Sender::new(GlobalPosition::ZERO),
        }
    }
}

impl Recent {
    /// Keeps the events of a commit and wakes who waits for them.
    pub fn push(&self, events: Vec<StoredEvent>) {
        let Some(last) = events.last().map(|event| event.position) else {
            return;
        };
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.wanted {
                kept.bytes += events.iter().map(StoredEvent::text_bytes).sum::<usize>();
                kept.events.extend(events);
                while kept.bytes > KEPT_BYTES
                    && let Some(oldest) = kept.events.pop_front()
                {
                    kept.bytes -= oldest.text_bytes();
                }
            }
        }
        self.committed.send_replace(last);
    }

    /// Keeps from now on: somebody will [`take`](Self::take).
    pub fn want(&self) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wanted = true;
    }

    /// Takes up to `limit` events with consecutive positions, the first of them after `after`, and
    /// drops those up to it. The first may lie further on if others appended in between.
    pub fn take(&self, after: GlobalPosition, limit: usize) -> Vec<StoredEvent> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<StoredEvent> = Vec::new();
        while let Some(oldest) = kept.events.front() {
            let follows = taken
                .last()
                .is_none_or(|last| oldest.position == last.position.next());
            if oldest.position > after && (taken.len() >= limit || !follows) {
                break;
            }
            let Some(oldest) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= oldest.text_bytes();
            if oldest.position > after {
                taken.push(oldest);
            }
        }
        taken
    }

    /// The newest position committed here.
    pub fn committed(&self) -> watch::Receiver<GlobalPosition> {
        self.committed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::event::{Actor, ChainHash, Stream};
    use domain::ids::{EventId, OrgId, StreamVersion};
    use domain::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn events(positions: &[u64], bytes: usize) -> Vec<StoredEvent> {
        let text: Arc<str> = "x".repeat(bytes).into();
        positions
            .iter()
            .map(|position| StoredEvent {
                position: GlobalPosition::new(*position),
                event_id: EventId::from_uuid(Uuid::nil()),
                org_id: OrgId::from_uuid(Uuid::nil()),
                stream: Stream::Decisions,
                version: StreamVersion::new(1),
                type_name: "project.removed".into(),
                schema_version: 1,
                subject: "".into(),
                actor: Actor::System,
                correlation_id: "".into(),
                recorded_at: Timestamp::from_datetime(chrono::DateTime::UNIX_EPOCH),
                auth_prev: None,
                prev_hash: ChainHash::ZERO,
                hash: ChainHash::ZERO,
                data: Arc::clone(&text),
            })
            .collect()
    }

    fn take(recent: &Recent, after: u64, limit: usize) -> Vec<u64> {
        let taken = recent.take(GlobalPosition::new(after), limit);
        taken.iter().map(|event| event.position.get()).collect()
    }

    #[test]
    fn runs_are_taken_in_order_and_known_ones_dropped() {
        let recent = Recent::default();
        recent.want();
        recent.push(events(&[3, 4, 5, 8, 9], 1));
        assert_eq!(take(&recent, 3, 10), [4, 5]);
        assert_eq!(take(&recent, 5, 1), [8]);
        recent.push(events(&[10], 1));
        assert_eq!(take(&recent, 8, 10), [9, 10]);
        assert_eq!(take(&recent, 10, 10), [0_u64; 0]);
        assert_eq!(recent.committed().borrow().get(), 10);
    }

    #[test]
    fn nothing_is_kept_for_nobody_and_not_without_bound() {
        let recent = Recent::default();
        recent.push(events(&[1], 1));
        assert_eq!(take(&recent, 0, 10), [0_u64; 0]);
        recent.want();
        for position in 2..=5 {
            recent.push(events(&[position], KEPT_BYTES / 3));
        }
        assert_eq!(take(&recent, 0, 10), [3, 4, 5]);
    }
}
