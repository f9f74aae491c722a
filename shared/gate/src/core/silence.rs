//! Which rows of replicas may be deleted (revocation.md 5.3, GC): those whose lease has run out
//! though nobody took it back.

use std::collections::BTreeMap;

use domain::ids::IncarnationId;

use super::barrier::LeaseRow;
use super::clocks::{WaitPoint, wait_bound};
use super::mutant::Mutant;

/// Watches the rows of a table from one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Silence {
    /// The renewal that each row showed, and when it was first seen.
    seen: BTreeMap<IncarnationId, (i64, WaitPoint)>,
}

/// A row to delete, if its renewal is still this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Silent {
    /// Which run of a process.
    pub incarnation: IncarnationId,
    /// The last renewal it was seen with.
    pub renew_seq: i64,
}

impl Silence {
    /// Takes all rows; `now` was read after they were. Names those that stood still for longer
    /// than their lease can last.
    pub fn observe(&mut self, rows: &[LeaseRow], now: WaitPoint) -> Vec<Silent> {
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for row in rows {
            let since = match before.get(&row.incarnation) {
                Some((renew_seq, since)) if *renew_seq == row.renew_seq => *since,
                _ => now,
            };
            self.seen.insert(row.incarnation, (row.renew_seq, since));
            if since.elapsed(now) >= wait_bound(row.term) || Mutant::GcByWallClock.is_active() {
                silent.push(Silent {
                    incarnation: row.incarnation,
                    renew_seq: row.renew_seq,
                });
            }
        }
        silent
    }

    /// The renewal that a row showed when the rows were last taken.
    pub fn shown(&self, incarnation: IncarnationId) -> Option<i64> {
        let (renew_seq, _) = self.seen.get(&incarnation)?;
        Some(*renew_seq)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::ids::{GlobalPosition, LogEpoch};
    use runtime::clock::{Monotonic, MonotonicRaw};
    use uuid::Uuid;

    use super::*;

    fn at(millis: u64) -> WaitPoint {
        WaitPoint {
            mono: Monotonic::from_nanos(millis * 1_000_000),
            raw: MonotonicRaw::from_nanos(millis * 1_000_000),
        }
    }

    fn row(number: u128, renew_seq: i64) -> LeaseRow {
        LeaseRow {
            incarnation: IncarnationId::from_uuid(Uuid::from_u128(number)),
            term: Duration::from_secs(2),
            renew_seq,
            applied: GlobalPosition::ZERO,
            epoch: LogEpoch::from_uuid(Uuid::nil()),
        }
    }

    #[test]
    fn only_a_row_that_stood_still_for_the_whole_bound_is_silent() {
        let mut silence = Silence::default();
        assert!(silence.observe(&[row(1, 5), row(2, 5)], at(0)).is_empty());
        assert!(
            silence
                .observe(&[row(1, 5), row(2, 6)], at(2_474))
                .is_empty()
        );
        let silent = silence.observe(&[row(1, 5), row(2, 6)], at(2_475));
        let expected = Silent {
            incarnation: row(1, 5).incarnation,
            renew_seq: 5,
        };
        assert_eq!(silent, [expected]);
        let shown = |number| silence.shown(row(number, 0).incarnation);
        assert_eq!([shown(1), shown(2), shown(3)], [Some(5), Some(6), None]);
        // Two clocks, and the slower one counts.
        let mut slow = at(10_000);
        slow.raw = at(4_948).raw;
        assert_eq!(silence.observe(&[row(2, 6)], slow), []);
        // Who was away for a look begins anew.
        assert_eq!(silence.observe(&[], at(20_000)), []);
        assert_eq!(silence.observe(&[row(1, 5)], at(30_000)), []);
    }
}
