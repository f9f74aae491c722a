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
