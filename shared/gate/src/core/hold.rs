//! Hold until settled (revocation.md 5.4): a denial takes effect at once, but nobody is told before
//! it holds everywhere.
//!
//! Whether it does is known of positions, not of keys. A settlement covers every denial below it.
//! And whoever saw the head of the log at a position knows that everything up to there was
//! committed by then: once W has passed since, all of it holds everywhere, settled or not.

use std::collections::VecDeque;
use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};

use super::clocks::{WaitPoint, wait_bound};
use super::mutant::Mutant;

/// Heads that were seen within so long count as one, seen at the last of these times.
const APART: Duration = Duration::from_millis(50);

/// The event that a refusal rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RestsOn {
    /// The log in which the position counts.
    pub epoch: LogEpoch,
    /// The newest event that took away what was asked for; zero: none did, so there is nothing to
    /// keep back.
    pub position: GlobalPosition,
}

/// What this process knows of denials that hold everywhere, in one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Settlements {
    epoch: Option<LogEpoch>,
    settled: GlobalPosition,
    bound: Duration,
    /// The oldest first, positions and times growing.
    seen: VecDeque<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seen {
    head: GlobalPosition,
    first: WaitPoint,
    last: WaitPoint,
}

impl Settlements {
    /// Everything up to `position` of the log `epoch` holds everywhere. Of another log it says
    /// nothing. Returns whether that is news.
    pub fn settle(&mut self, epoch: LogEpoch, position: GlobalPosition) -> bool {
        let is_news = self.epoch == Some(epoch) && position > self.settled;
        if is_news {
            self.settled = position;
        }
        is_news
    }

    /// The primary showed its newest auth event, `head`, by the time `at`; no lease lasts longer
    /// than `longest_term`. Another log makes all that was known void.
    pub fn see(
        &mut self,
        epoch: LogEpoch,
        head: GlobalPosition,
        longest_term: Duration,
        at: WaitPoint,
    ) {
        if self.epoch != Some(epoch) {
            *self = Self {
                epoch: Some(epoch),
                ..Self::default()
            };
        }
        let bound = if Mutant::HoldShort.is_active() {
            longest_term
        } else {
            wait_bound(longest_term)
        };
        self.bound = self.bound.max(bound);
        match self.seen.back_mut() {
            Some(newest) if newest.head >= head => {}
            Some(newest) if newest.first.elapsed(at) < APART => {
                newest.head = head;
                newest.last = at;
            }
            _ => self.seen.push_back(Seen {
                head,
                first: at,
                last: at,
            }),
        }
        self.age(at);
    }

    /// Up to where every denial of the log `epoch` holds everywhere by `now`.
    pub fn settled(&mut self, epoch: LogEpoch, now: WaitPoint) -> GlobalPosition {
        self.age(now);
        let is_known = self.epoch == Some(epoch);
        if is_known {
            self.settled
        } else {
            GlobalPosition::ZERO
        }
    }

    /// Whether what a refusal rests on holds everywhere by `now`.
    pub fn cover(&mut self, rests_on: RestsOn, now: WaitPoint) -> bool {
        self.age(now);
        let is_known = self.epoch == Some(rests_on.epoch) && rests_on.position <= self.settled;
        rests_on.position == GlobalPosition::ZERO || is_known || Mutant::NoHold.is_active()
    }

    fn age(&mut self, now: WaitPoint) {
        while let Some(oldest) = self.seen.front()
            && oldest.last.elapsed(now) >= self.bound
        {
            self.settled = self.settled.max(oldest.head);
            self.seen.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use runtime::clock::{Monotonic, MonotonicRaw};
    use uuid::Uuid;

    use super::*;

    const TERM: Duration = Duration::from_secs(2);

    fn epoch(number: u128) -> LogEpoch {
        LogEpoch::from_uuid(Uuid::from_u128(number))
    }

    fn position(number: u64) -> GlobalPosition {
        GlobalPosition::new(number)
    }

    fn at(millis: u64) -> WaitPoint {
        WaitPoint {
            mono: Monotonic::from_nanos(millis * 1_000_000),
            raw: MonotonicRaw::from_nanos(millis * 1_000_000),
        }
    }

    fn covers(settlements: &mut Settlements, denial: u64, now: WaitPoint) -> bool {
        covers_of(settlements, 1, denial, now)
    }

    fn covers_of(settlements: &mut Settlements, log: u128, denial: u64, now: WaitPoint) -> bool {
        let (epoch, position) = (epoch(log), position(denial));
        settlements.cover(RestsOn { epoch, position }, now)
    }

    /// Has seen position 10 at 1 s.
    fn seen() -> Settlements {
        let mut settlements = Settlements::default();
        settlements.see(epoch(1), position(10), TERM, at(1_000));
        settlements
    }

    #[test]
    fn a_settlement_covers_what_is_below_it() {
        let mut settlements = seen();
        assert!(!covers(&mut settlements, 9, at(1_001)));
        assert!(settlements.settle(epoch(1), position(9)));
        for known in [8, 9] {
            assert!(!settlements.settle(epoch(1), position(known)), "no news");
        }
        assert_eq!(settlements.settled(epoch(1), at(1_001)), position(9));
        assert_eq!(settlements.settled(epoch(2), at(1_001)), position(0));
        assert!(covers(&mut settlements, 8, at(1_001)));
        assert!(covers(&mut settlements, 9, at(1_001)));
        assert!(!covers(&mut settlements, 10, at(1_001)));
        assert!(covers(&mut settlements, 0, at(1_001)));
    }

    #[test]
    fn what_was_seen_holds_after_the_bound_on_the_slower_clock() {
        let mut settlements = seen();
        assert!(!covers(&mut settlements, 10, at(3_474)));
        let mut fast = at(9_000);
        fast.raw = at(3_474).raw;
        assert!(!covers(&mut settlements, 10, fast));
        assert!(covers(&mut settlements, 10, at(3_475)));
        assert_eq!(settlements.settled(epoch(1), at(3_475)), position(10));
        assert!(!covers(&mut settlements, 11, at(9_000)), "never seen");
    }

    #[test]
    fn the_longest_term_that_was_allowed_counts() {
        let mut settlements = seen();
        settlements.see(epoch(1), position(10), 2 * TERM, at(1_500));
        settlements.see(epoch(1), position(10), TERM, at(1_600));
        assert!(!covers(&mut settlements, 10, at(3_475)));
        assert!(covers(&mut settlements, 10, at(1_000 + 4_919)));
    }

    #[test]
    fn another_log_begins_with_nothing() {
        let mut settlements = seen();
        settlements.settle(epoch(1), position(10));
        assert!(!settlements.settle(epoch(2), position(20)));
        settlements.see(epoch(2), position(5), TERM, at(2_000));
        assert!(!covers_of(&mut settlements, 2, 3, at(2_000)));
        assert!(settlements.settle(epoch(2), position(3)));
        assert!(covers_of(&mut settlements, 2, 3, at(2_000)));
        assert!(!covers(&mut settlements, 3, at(2_000)), "of the former log");
    }

    #[test]
    fn a_log_that_moves_all_the_time_is_kept_in_few_places() {
        let mut settlements = Settlements::default();
        for millis in 0..10_000 {
            settlements.see(epoch(1), position(millis), TERM, at(millis));
        }
        assert!(settlements.seen.len() <= 51, "{}", settlements.seen.len());
        assert!(covers(&mut settlements, 9_999 - 2_475 - 50, at(9_999)));
        assert!(!covers(&mut settlements, 9_999 - 2_475 + 1, at(9_999)));
    }

    proptest! {
        /// Whatever is called held was settled, or was in the log for at least the bound.
        #[test]
        fn nothing_is_told_too_early(
            steps in prop::collection::vec((0..400_u64, 0..3_u64, 0..8_u64), 1..60),
        ) {
            let mut settlements = Settlements::default();
            let (mut now, mut head) = (0, 0);
            let mut committed = vec![0];
            let mut settled = 0;
            for (passed, appended, asked) in steps {
                now += passed;
                head += appended;
                committed.extend((0..appended).map(|_| now));
                settlements.see(epoch(1), position(head), TERM, at(now));
                if asked == 0 {
                    settled = head.saturating_sub(2).max(settled);
                    settlements.settle(epoch(1), position(settled));
                }
                for denial in 1..=head {
                    let index = usize::try_from(denial).expect("small");
                    let holds = covers(&mut settlements, denial, at(now));
                    prop_assert!(!holds || denial <= settled || now - committed[index] >= 2_475);
                }
            }
        }
    }
}
