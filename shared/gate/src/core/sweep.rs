//! Which denials nobody settles (revocation.md 5.3, SWEEP): whoever committed them is gone.

use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};

use super::clocks::{WaitPoint, wait_bound};

/// Watches the denials of a log from one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Sweep {
    epoch: Option<LogEpoch>,
    /// Every denial up to here is settled, or among the unsettled.
    known: GlobalPosition,
    unsettled: Option<Unsettled>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Unsettled {
    denials: Denials,
    since: WaitPoint,
}

/// Denials of one log that are settled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Denials {
    /// The oldest, or something before it.
    pub first: GlobalPosition,
    /// The newest.
    pub last: GlobalPosition,
}

impl Sweep {
    /// Takes up to where the primary has everything settled. Says after which auth event denials
    /// are to be looked for.
    pub fn settled(
        &mut self,
        epoch: LogEpoch,
        settled: GlobalPosition,
        now: WaitPoint,
    ) -> GlobalPosition {
        if self.epoch != Some(epoch) {
            *self = Self {
                epoch: Some(epoch),
                ..Self::default()
            };
        }
        self.known = self.known.max(settled);
        self.unsettled = self.unsettled.filter(|left| left.denials.last > settled);
        if let Some(left) = &mut self.unsettled
            && left.denials.first <= settled
        {
            // What is left came later than what was seen first.
            left.denials.first = settled.next();
            left.since = now;
        }
        self.known
    }

    /// Takes what was found: the denials of all auth events up to `through`.
    pub fn found(&mut self, denials: &[GlobalPosition], through: GlobalPosition, now: WaitPoint) {
        for &denial in denials {
            let left = self.unsettled.get_or_insert(Unsettled {
                denials: Denials {
                    first: denial,
                    last: denial,
                },
                since: now,
            });
            left.denials.last = left.denials.last.max(denial);
        }
        self.known = self.known.max(through);
    }

    /// What to settle: denials of which the oldest is known for longer than 2 W of the longest
    /// term. They are given once; if they are not settled by then, again after as long.
    pub fn due(&mut self, longest_term: Duration, now: WaitPoint) -> Option<Denials> {
        let left = self.unsettled.as_mut()?;
        let is_due = left.since.elapsed(now) >= 2 * wait_bound(longest_term);
        is_due.then(|| {
            left.since = now;
            left.denials
        })
    }
}

#[cfg(test)]
mod tests {
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

    fn denials(first: u64, last: u64) -> Denials {
        let (first, last) = (position(first), position(last));
        Denials { first, last }
    }

    /// Has seen denials at 12 and 15 of 20 auth events, at 1 s.
    fn watching() -> Sweep {
        let mut sweep = Sweep::default();
        assert_eq!(
            sweep.settled(epoch(1), position(10), at(1_000)),
            position(10)
        );
        sweep.found(&[position(12), position(15)], position(20), at(1_000));
        sweep
    }

    #[test]
    fn what_nobody_settles_is_due_after_twice_the_bound() {
        let mut sweep = watching();
        assert_eq!(
            sweep.settled(epoch(1), position(10), at(5_949)),
            position(20)
        );
        assert_eq!(sweep.due(TERM, at(5_949)), None);
        assert_eq!(sweep.due(TERM, at(5_950)), Some(denials(12, 15)));
        assert_eq!(sweep.due(TERM, at(5_951)), None, "given once");
        assert_eq!(sweep.due(TERM, at(10_900)), Some(denials(12, 15)));
    }

    #[test]
    fn what_is_settled_meanwhile_is_not_due() {
        let mut sweep = watching();
        sweep.settled(epoch(1), position(15), at(2_000));
        assert_eq!(sweep.due(TERM, at(9_000)), None);
        let mut sweep = watching();
        sweep.settled(epoch(1), position(12), at(2_000));
        assert_eq!(sweep.due(TERM, at(6_949)), None, "the rest is younger");
        assert_eq!(sweep.due(TERM, at(6_950)), Some(denials(13, 15)));
    }

    #[test]
    fn another_log_is_looked_through_anew() {
        let mut sweep = watching();
        assert_eq!(sweep.settled(epoch(2), position(3), at(2_000)), position(3));
        assert_eq!(sweep.due(TERM, at(9_000)), None);
    }
}
