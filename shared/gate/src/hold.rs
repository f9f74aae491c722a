//! Keeps a denial back until it holds everywhere, or says that it does not yet (revocation.md 5.4).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};
use metrics::{Counter, counter};
use runtime::clock::Clock;
use tokio::sync::{Semaphore, watch};

use crate::core::clocks::WaitPoint;
use crate::core::hold::{RestsOn, Settlements};
use crate::metrics as names;

/// How long a denial waits for its settlement (revocation.md 3).
const HOLD: Duration = Duration::from_millis(25);
/// Denials that may wait at once; beyond, each is told at once that it is not in force yet.
const WAITERS: usize = 4_096;

/// The denial is not known to hold everywhere: nobody may be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InProgress;

/// What a process knows of settled denials: its requests ask, whatever hears of them tells. One for
/// all its gates and its coordinator, since one that hears of a settlement has heard it for all.
pub struct Hold {
    known: Mutex<Settlements>,
    news: watch::Sender<()>,
    room: Semaphore,
    clock: Clock,
    told: Counter,
    kept_back: Counter,
}

impl Hold {
    /// Knows nothing yet.
    pub fn new(clock: Clock) -> Self {
        let outcome = |name: &'static str| counter!(names::HOLDS, "outcome" => name);
        Self {
            known: Mutex::default(),
            news: watch::Sender::new(()),
            room: Semaphore::new(WAITERS),
            clock,
            told: outcome("told"),
            kept_back: outcome("kept_back"),
        }
    }

    /// The primary showed that its newest auth event is `head`.
    pub(crate) fn see(&self, epoch: LogEpoch, head: GlobalPosition, longest_term: Duration) {
        let now = self.now();
        self.known().see(epoch, head, longest_term, now);
    }

    /// Every denial up to `position` of the log `epoch` holds everywhere.
    pub(crate) fn settle(&self, epoch: LogEpoch, position: GlobalPosition) {
        if self.known().settle(epoch, position) {
            self.news.send_replace(());
        }
    }

    /// Up to where every denial of the log `epoch` holds everywhere.
    pub(crate) fn settled(&self, epoch: LogEpoch) -> GlobalPosition {
        let now = self.now();
        self.known().settled(epoch, now)
    }

    /// Waits until a denial may be told.
    pub(crate) async fn pass(&self, rests_on: RestsOn) -> Result<(), InProgress> {
        if self.holds(rests_on) {
            return Ok(());
        }
        let passed = self.wait(rests_on).await;
        let outcome = if passed.is_ok() {
            &self.told
        } else {
            &self.kept_back
        };
        outcome.increment(1);
        passed
    }

    async fn wait(&self, rests_on: RestsOn) -> Result<(), InProgress> {
        let _room = self.room.try_acquire().map_err(|_| InProgress)?;
        let mut news = self.news.subscribe();
        let settled = async {
            while !self.holds(rests_on) {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = self.clock.timeout(HOLD, settled).await;
        // Time alone may have settled it.
        self.holds(rests_on).then_some(()).ok_or(InProgress)
    }

    fn holds(&self, rests_on: RestsOn) -> bool {
        let now = self.now();
        self.known().cover(rests_on, now)
    }

    fn known(&self) -> MutexGuard<'_, Settlements> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> WaitPoint {
        WaitPoint {
            mono: self.clock.monotonic(),
            raw: self.clock.raw(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::pin::pin;

    use chrono::DateTime;
    use futures_util::{FutureExt, poll};
    use runtime::clock::ManualClock;
    use uuid::Uuid;

    use super::*;

    const TERM: Duration = Duration::from_secs(2);
    const BOUND: Duration = Duration::from_millis(2_475);
    const MILLISECOND: Duration = Duration::from_millis(1);

    fn epoch(number: u128) -> LogEpoch {
        LogEpoch::from_uuid(Uuid::from_u128(number))
    }

    fn position(number: u64) -> GlobalPosition {
        GlobalPosition::new(number)
    }

    fn rests_on(number: u64) -> RestsOn {
        RestsOn {
            epoch: epoch(1),
            position: position(number),
        }
    }

    /// Saw position 10 of the first log just now.
    fn seen() -> (Hold, ManualClock) {
        let (clock, hand) = Clock::manual(DateTime::UNIX_EPOCH);
        let hold = Hold::new(clock);
        hold.see(epoch(1), position(10), TERM);
        (hold, hand)
    }

    fn at_once(hold: &Hold, denial: u64) -> Option<Result<(), InProgress>> {
        hold.pass(rests_on(denial)).now_or_never()
    }

    #[test]
    fn what_holds_everywhere_or_rests_on_nothing_is_told_at_once() {
        let (hold, _hand) = seen();
        assert_eq!(at_once(&hold, 0), Some(Ok(())));
        assert_eq!(at_once(&hold, 9), None);
        hold.settle(epoch(1), position(9));
        assert_eq!(at_once(&hold, 9), Some(Ok(())));
        assert_eq!(at_once(&hold, 10), None);
    }

    #[tokio::test]
    async fn a_denial_waits_25_ms_for_its_settlement_and_no_longer() {
        let (hold, hand) = seen();
        let mut waiting = pin!(hold.pass(rests_on(10)));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(MILLISECOND * 24);
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(MILLISECOND);
        assert_eq!(waiting.now_or_never(), Some(Err(InProgress)));
    }

    #[tokio::test]
    async fn the_settlement_of_the_denial_itself_ends_the_wait() {
        let (hold, _hand) = seen();
        let mut waiting = pin!(hold.pass(rests_on(10)));
        assert!(poll!(waiting.as_mut()).is_pending());
        hold.settle(epoch(1), position(9));
        assert!(poll!(waiting.as_mut()).is_pending(), "an older one");
        hold.settle(epoch(2), position(10));
        assert!(poll!(waiting.as_mut()).is_pending(), "another log's");
        hold.settle(epoch(1), position(10));
        assert_eq!(waiting.now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn time_alone_settles_what_was_seen() {
        let (hold, hand) = seen();
        hand.advance(BOUND.saturating_sub(HOLD * 2));
        let mut early = pin!(hold.pass(rests_on(10)));
        let mut late = pin!(hold.pass(rests_on(10)));
        assert!(poll!(early.as_mut()).is_pending());
        hand.advance(HOLD);
        assert_eq!(early.now_or_never(), Some(Err(InProgress)));
        // The bound ends while this one waits.
        assert!(poll!(late.as_mut()).is_pending());
        hand.advance(HOLD);
        assert_eq!(late.now_or_never(), Some(Ok(())));
        assert_eq!(at_once(&hold, 10), Some(Ok(())));
        assert_eq!(at_once(&hold, 11), None, "nobody saw it");
    }

    #[test]
    fn a_suspended_machine_has_not_waited() {
        let (hold, hand) = seen();
        hand.suspend(BOUND * 10);
        assert_eq!(at_once(&hold, 10), None);
    }

    #[tokio::test]
    async fn more_than_may_wait_are_told_at_once_that_it_is_not_in_force() {
        let (hold, hand) = seen();
        let others = u32::try_from(WAITERS).unwrap() - 1;
        let _others = hold.room.try_acquire_many(others).unwrap();
        let mut last = pin!(hold.pass(rests_on(10)));
        assert!(poll!(last.as_mut()).is_pending());
        assert_eq!(at_once(&hold, 10), Some(Err(InProgress)));
        assert_eq!(at_once(&hold, 0), Some(Ok(())), "it need not wait");
        hand.advance(HOLD);
        assert_eq!(last.now_or_never(), Some(Err(InProgress)));
        assert_eq!(at_once(&hold, 10), None, "there is room again");
    }
}
