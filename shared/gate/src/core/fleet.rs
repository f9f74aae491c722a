//! What a request reads of the other processes that admit the same keys: how far it may rely on
//! what was heard of them (shared/gate/README.md, "The window across processes").

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ids::IncarnationId;
use runtime::clock::Boottime;

/// Between two messages of a process (g).
pub const TICK: Duration = Duration::from_millis(50);
/// Between two messages of a process that has admitted much of a limit since the last one.
pub const URGENT_TICK: Duration = Duration::from_millis(5);
/// Beyond this age what was heard of another process is no longer relied on (τ).
pub const SILENCE: Duration = Duration::from_secs(1);
/// Until then after a process went over to its share it may hear what others admitted before they
/// did; what it hears later they took from their own shares.
const LATE: Duration = SILENCE.saturating_mul(2);

/// The process's own part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whatever nobody has taken.
    Whole,
    /// A share of it.
    Share(Share),
}

/// A share of what was left when the processes lost sight of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Among how many it is divided.
    pub among: u32,
    /// Since when: what the process itself admitted from then on is taken from its share.
    pub since: Boottime,
    /// What it heard of others up to then was taken from the whole.
    pub heard_until: Boottime,
}

/// How the process stands with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There are none.
    Alone,
    /// It knows enough of all of them until then, and has its share from then on.
    Sees {
        /// When the oldest of what it knows is too old.
        until: Boottime,
        /// How many they are, itself included.
        fleet: u32,
    },
    /// It began a moment ago, and does not know yet what they admitted before.
    Begins {
        /// How many they are, itself included.
        fleet: u32,
    },
}

/// A cell with the standing, and what the task that keeps it must know of requests.
#[derive(Debug)]
pub struct Fleet {
    /// Milliseconds of `until` in the upper 48 bits; then whether it begins; then how many.
    standing: AtomicU64,
    /// A key was used and there was no room to note which.
    unnoted: AtomicBool,
    /// The lease's row that stands for this process.
    row: Mutex<Option<IncarnationId>>,
}

const FLEET_BITS: u32 = 15;
const FLEET_MAX: u32 = (1 << FLEET_BITS) - 1;
const BEGINS: u64 = 1 << FLEET_BITS;
const UNTIL_SHIFT: u32 = FLEET_BITS + 1;
/// No fleet at all.
const ALONE: u64 = 0;
/// Nobody has looked yet.
const UNKNOWN: u64 = BEGINS;

impl Default for Fleet {
    fn default() -> Self {
        Self {
            standing: AtomicU64::new(UNKNOWN),
            unnoted: AtomicBool::new(false),
            row: Mutex::default(),
        }
    }
}

impl Fleet {
    /// The part of every window that is the process's own at `now`; none if it is alone.
    pub fn part(&self, now: Boottime) -> Option<Part> {
        let packed = self.standing.load(Ordering::Relaxed);
        if packed == ALONE {
            return None;
        }
        let fleet = u32::try_from(packed & u64::from(FLEET_MAX)).unwrap_or(FLEET_MAX);
        if packed & BEGINS != 0 {
            return Some(Part::Share(Share {
                // Half of its share: nobody has told it yet what is left.
                among: fleet.max(1) * 2,
                since: Boottime::default(),
                heard_until: Boottime::from_nanos(u64::MAX),
            }));
        }
        let until = Boottime::from_nanos((packed >> UNTIL_SHIFT).saturating_mul(1_000_000));
        Some(if now < until {
            Part::Whole
        } else {
            Part::Share(Share {
                among: fleet,
                since: until,
                heard_until: until + LATE,
            })
        })
    }

    /// Whether anybody has looked yet how the process stands.
    pub fn is_known(&self) -> bool {
        self.standing.load(Ordering::Relaxed) != UNKNOWN
    }

    /// For the task that hears the others.
    pub fn stands(&self, standing: Standing) {
        let packed = match standing {
            Standing::Alone => ALONE,
            Standing::Sees { until, fleet } => {
                let millis = until.as_nanos() / 1_000_000;
                (millis << UNTIL_SHIFT) | u64::from(fleet.clamp(1, FLEET_MAX))
            }
            Standing::Begins { fleet } => BEGINS | u64::from(fleet.clamp(1, FLEET_MAX)),
        };
        self.standing.store(packed, Ordering::Relaxed);
    }

    /// A key's count changed, and there was no room to note which.
    pub fn could_not_note(&self) {
        self.unnoted.store(true, Ordering::Release);
    }

    /// Whether that happened since the last look.
    pub fn take_unnoted(&self) -> bool {
        self.unnoted.swap(false, Ordering::AcqRel)
    }

    /// The lease's row that stands for this process from now on.
    pub fn register(&self, row: Option<IncarnationId>) {
        *self.row.lock().unwrap_or_else(PoisonError::into_inner) = row;
    }

    /// That row does not stand for it any more.
    pub fn leave(&self, row: IncarnationId) {
        let mut own = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        own.take_if(|own| *own == row);
    }

    /// The lease's row that stands for this process.
    pub fn row(&self) -> Option<IncarnationId> {
        *self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(millis: u64) -> Boottime {
        Boottime::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn what_is_too_old_is_not_relied_on_whether_anybody_looks_or_not() {
        let fleet = Fleet::default();
        fleet.stands(Standing::Sees {
            until: at(7_000),
            fleet: 3,
        });
        assert_eq!(fleet.part(at(6_999)), Some(Part::Whole));
        let share = Share {
            among: 3,
            since: at(7_000),
            heard_until: at(9_000),
        };
        assert_eq!(fleet.part(at(7_000)), Some(Part::Share(share)));
        assert_eq!(fleet.part(at(90_000)), Some(Part::Share(share)));
        fleet.stands(Standing::Alone);
        assert_eq!(fleet.part(at(90_000)), None);
    }

    #[test]
    fn who_begins_has_half_of_a_share_and_so_has_who_does_not_know_yet() {
        let fleet = Fleet::default();
        let share = |fleet: &Fleet| match fleet.part(at(5)) {
            Some(Part::Share(share)) => share,
            part => panic!("{part:?}"),
        };
        assert!(!fleet.is_known());
        assert_eq!(share(&fleet).among, 2);
        for (among, standing) in [(2, 1), (6, 3)] {
            fleet.stands(Standing::Begins { fleet: standing });
            assert!(fleet.is_known());
            let share = share(&fleet);
            assert_eq!(share.among, among);
            assert!(share.since < at(1) && at(1_000_000) < share.heard_until);
        }
    }

    #[test]
    fn a_fleet_is_of_one_at_least_and_of_as_many_as_can_be_told() {
        let fleet = Fleet::default();
        let until = at(u64::from(u32::MAX) * 1_000);
        for (told, counted) in [(0, 1), (1, 1), (32_767, 32_767), (40_000, 32_767)] {
            fleet.stands(Standing::Sees { until, fleet: told });
            let share = Share {
                among: counted,
                since: until,
                heard_until: until + LATE,
            };
            assert_eq!(fleet.part(until), Some(Part::Share(share)));
            fleet.stands(Standing::Begins { fleet: told });
            let share = Share {
                among: counted * 2,
                since: Boottime::default(),
                heard_until: Boottime::from_nanos(u64::MAX),
            };
            assert_eq!(fleet.part(until), Some(Part::Share(share)));
        }
    }

    /// Rounded to the millisecond, down: never later than it was told.
    #[test]
    fn what_is_known_is_relied_on_no_longer_than_was_told() {
        let fleet = Fleet::default();
        let until = Boottime::from_nanos(7_001_999_999);
        fleet.stands(Standing::Sees { until, fleet: 2 });
        let before = Boottime::from_nanos(7_000_999_999);
        assert_eq!(fleet.part(before), Some(Part::Whole));
        assert_ne!(fleet.part(at(7_001)), Some(Part::Whole));
    }

    #[test]
    fn what_could_not_be_noted_is_told_once() {
        let fleet = Fleet::default();
        assert!(!fleet.take_unnoted());
        fleet.could_not_note();
        assert!(fleet.take_unnoted());
        assert!(!fleet.take_unnoted());
    }

    /// A row that was left late does not take away the one that came after it.
    #[test]
    fn a_process_leaves_the_row_that_stands_for_it_and_no_other() {
        let row = |number| IncarnationId::from_uuid(Uuid::from_u128(number));
        let fleet = Fleet::default();
        assert_eq!(fleet.row(), None);
        fleet.register(Some(row(2)));
        fleet.leave(row(1));
        assert_eq!(fleet.row(), Some(row(2)));
        fleet.leave(row(2));
        assert_eq!(fleet.row(), None);
    }
}
