//! Who asks to connect waits for a turn: after a restart of NATS all subscribers come at once, and
//! each of them is answered.

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most that are looked at at once.
const AT_ONCE: usize = 64;
/// Most that are looked at or wait; beyond them nobody answers, and the server refuses.
const IN_ALL: usize = 1_024;
/// How long one waits for a turn. A server waits 2 s for an answer, and a look has to fit in.
const WAITS: Duration = Duration::from_secs(1);

/// Those who ask.
pub struct Queue {
    all: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    clock: Clock,
}

/// One who asks, and waits.
pub struct Waiting {
    place: OwnedSemaphorePermit,
    turns: Arc<Semaphore>,
    clock: Clock,
}

/// One who is looked at, until it is dropped.
pub struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Queue {
    /// One in which nobody waits.
    pub fn new(clock: Clock) -> Self {
        Self {
            all: Arc::new(Semaphore::new(IN_ALL)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            clock,
        }
    }

    /// Takes one more; none if it is full.
    pub fn join(&self) -> Option<Waiting> {
        Some(Waiting {
            place: Arc::clone(&self.all).try_acquire_owned().ok()?,
            turns: Arc::clone(&self.turns),
            clock: self.clock.clone(),
        })
    }
}

impl Waiting {
    /// Its turn, in the order in which they came; none if it waited too long.
    pub async fn turn(self) -> Option<Turn> {
        let Self {
            place,
            turns,
            clock,
        } = self;
        let turn = clock.timeout(WAITS, turns.acquire_owned()).await;
        Some(Turn {
            _place: place,
            _turn: turn.ok()?.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt;

    use super::*;

    fn at_work(queue: &Queue) -> Vec<Turn> {
        let turns = (0..AT_ONCE).map(|_| queue.join().unwrap().turn().now_or_never());
        turns.map(|turn| turn.flatten().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_next_waits_until_another_is_done() {
        let (clock, _) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let queue = Queue::new(clock);
        let mut turns = at_work(&queue);
        let mut next = Box::pin(queue.join().unwrap().turn());
        assert!((&mut next).now_or_never().is_none());
        turns.pop();
        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_so() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let queue = Queue::new(clock);
        let _turns = at_work(&queue);
        let mut next = Box::pin(queue.join().unwrap().turn());
        assert!((&mut next).now_or_never().is_none());
        hand.advance(WAITS);
        assert!(next.await.is_none());
    }

    #[test]
    fn no_more_wait_than_are_said() {
        let (clock, _) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let queue = Queue::new(clock);
        let mut waiting: Vec<Waiting> = (0..IN_ALL).map(|_| queue.join().unwrap()).collect();
        assert!(queue.join().is_none());
        waiting.pop();
        assert!(queue.join().is_some());
    }
}
