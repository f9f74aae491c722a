//! May this entry be used for this request? (revocation.md 5.1, R4)

use super::clocks::{Deadlines, FencePoint};
use super::mutant::Mutant;
use super::stamp::{Mark, Stamp, Tomb};

/// What was read of the cache and the tombstones, after the deadlines and before the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facts {
    /// What the entry rests on.
    pub stamp: Stamp,
    /// Whether every request of the credential is checked on the primary.
    pub strict: bool,
    /// The newest event about the credential.
    pub credential: Tomb,
    /// The newest event about the person behind it.
    pub owner: Tomb,
    /// The newest event about its org.
    pub org: Tomb,
}

/// What a request may do with the cached entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The entry holds.
    Accept,
    /// The credential was ended for good.
    DenyCredential,
    /// The org was suspended.
    DenyOrg,
    /// Only the primary can tell.
    Verify,
}

/// Judges an entry. `floor` is the oldest stamp that counts, `now` was read last of all.
pub fn decide(facts: &Facts, floor: Stamp, lease: Deadlines, now: FencePoint) -> Verdict {
    if facts.stamp < floor {
        return Verdict::Verify;
    }
    let credential = facts.credential.says_to(facts.stamp);
    let owner = facts.owner.says_to(facts.stamp);
    let org = facts.org.says_to(facts.stamp);
    if credential == Some(Mark::Ended) {
        Verdict::DenyCredential
    } else if facts.strict {
        Verdict::Verify
    } else if credential.is_some() || owner.is_some() {
        // Scopes, addresses or expiry may be others, and they are checked before the org.
        Verdict::Verify
    } else if !holds(lease, now) {
        // Without one no event need arrive any more, not even one that lifts a suspension.
        Verdict::Verify
    } else {
        match org {
            None => Verdict::Accept,
            Some(Mark::Ended) => Verdict::DenyOrg,
            Some(_) => Verdict::Verify,
        }
    }
}

fn holds(lease: Deadlines, now: FencePoint) -> bool {
    lease.cover(now) || (Mutant::TimerFlag.is_active() && lease != Deadlines::default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::ids::GlobalPosition;
    use proptest::prelude::*;
    use runtime::clock::{Boottime, MonotonicRaw};

    use super::*;
    use crate::core::stamp::Generation;

    fn at(position: u64) -> Stamp {
        let first = Generation::NONE.next().expect("the first");
        first.at(GlobalPosition::new(position))
    }

    fn now(nanos: u64) -> FencePoint {
        FencePoint {
            boot: Boottime::from_nanos(nanos),
            raw: MonotonicRaw::from_nanos(nanos),
        }
    }

    fn fresh() -> Facts {
        Facts {
            stamp: at(10),
            strict: false,
            credential: Tomb::NONE,
            owner: Tomb::NONE,
            org: Tomb::NONE,
        }
    }

    fn judge(facts: Facts) -> Verdict {
        let lease = Deadlines::after(now(0), Duration::from_nanos(100));
        decide(&facts, at(0), lease, now(99))
    }

    #[test]
    fn an_untouched_entry_is_accepted_while_the_lease_runs() {
        assert_eq!(judge(fresh()), Verdict::Accept);
        let lease = Deadlines::after(now(0), Duration::from_nanos(100));
        assert_eq!(decide(&fresh(), at(0), lease, now(100)), Verdict::Verify);
        let none = Deadlines::default();
        assert_eq!(decide(&fresh(), at(0), none, now(0)), Verdict::Verify);
    }

    #[test]
    fn what_is_below_the_floor_counts_for_nothing() {
        let lease = Deadlines::after(now(0), Duration::from_nanos(100));
        let judge = |floor| decide(&fresh(), at(floor), lease, now(99));
        assert_eq!([10, 11].map(judge), [Verdict::Accept, Verdict::Verify]);
    }

    #[test]
    fn whoever_has_no_lease_may_have_missed_that_a_suspension_was_lifted() {
        let suspended = Facts {
            org: Tomb::new(at(11), Mark::Ended),
            ..fresh()
        };
        assert_eq!(judge(suspended), Verdict::DenyOrg);
        let none = Deadlines::default();
        assert_eq!(decide(&suspended, at(0), none, now(0)), Verdict::Verify);
    }

    #[test]
    fn an_end_is_told_and_a_change_is_verified() {
        let ended = |position| Tomb::new(at(position), Mark::Ended);
        let changed = |position| Tomb::new(at(position), Mark::Changed);
        for (facts, verdict) in [
            (
                Facts {
                    credential: ended(11),
                    ..fresh()
                },
                Verdict::DenyCredential,
            ),
            (
                Facts {
                    credential: ended(10),
                    ..fresh()
                },
                Verdict::Accept,
            ),
            (
                Facts {
                    credential: changed(11),
                    ..fresh()
                },
                Verdict::Verify,
            ),
            (
                Facts {
                    owner: changed(11),
                    ..fresh()
                },
                Verdict::Verify,
            ),
            (
                Facts {
                    org: changed(11),
                    ..fresh()
                },
                Verdict::Verify,
            ),
            (
                Facts {
                    org: ended(11),
                    ..fresh()
                },
                Verdict::DenyOrg,
            ),
            (
                Facts {
                    org: ended(9),
                    ..fresh()
                },
                Verdict::Accept,
            ),
            (
                Facts {
                    org: ended(11),
                    credential: changed(11),
                    ..fresh()
                },
                Verdict::Verify,
            ),
            (
                Facts {
                    org: ended(11),
                    credential: ended(12),
                    ..fresh()
                },
                Verdict::DenyCredential,
            ),
            (
                Facts {
                    strict: true,
                    ..fresh()
                },
                Verdict::Verify,
            ),
            (
                Facts {
                    strict: true,
                    org: ended(11),
                    ..fresh()
                },
                Verdict::Verify,
            ),
            (
                Facts {
                    strict: true,
                    credential: ended(11),
                    ..fresh()
                },
                Verdict::DenyCredential,
            ),
        ] {
            assert_eq!(judge(facts), verdict, "{facts:?}");
            let fenced = decide(&facts, at(0), Deadlines::default(), now(0));
            assert_ne!(fenced, Verdict::Accept, "{facts:?}");
        }
    }

    #[test]
    fn an_entry_of_an_earlier_generation_is_as_good_as_none() {
        let next = Generation::NONE.next().and_then(Generation::next);
        let floor = next.expect("the second").floor();
        let facts = Facts {
            credential: Tomb::new(at(11), Mark::Ended),
            ..fresh()
        };
        let lease = Deadlines::after(now(0), Duration::from_nanos(100));
        assert_eq!(decide(&facts, floor, lease, now(1)), Verdict::Verify);
    }

    proptest! {
        #[test]
        fn nothing_with_a_newer_event_is_accepted(
            stamp in 0..20_u64, tombs in prop::array::uniform3((0..20_u64, any::<bool>())),
            floor in 0..20_u64, strict: bool, until in 0..3_u64,
        ) {
            let tomb = |(position, ended)| match position {
                0 => Tomb::NONE,
                _ => Tomb::new(at(position), if ended { Mark::Ended } else { Mark::Changed }),
            };
            let [credential, owner, org] = tombs.map(tomb);
            let facts = Facts { stamp: at(stamp), strict, credential, owner, org };
            let lease = Deadlines::after(now(0), Duration::from_nanos(until));
            let verdict = decide(&facts, at(floor), lease, now(1));
            let untouched = tombs.iter().all(|(position, _)| *position <= stamp);
            prop_assert_eq!(
                verdict == Verdict::Accept,
                untouched && !strict && stamp >= floor && until > 1
            );
        }
    }
}
