//! What the command service waits for after a deny event (revocation.md 5.3, B2 to B6).

use std::collections::BTreeMap;
use std::time::Duration;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};

use super::clocks::{WaitPoint, wait_bound};

/// A replica's row, as one snapshot shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseRow {
    /// Which run of a process.
    pub incarnation: IncarnationId,
    /// Its lease term D.
    pub term: Duration,
    /// Grows with each renewal.
    pub renew_seq: i64,
    /// What it had applied when it last renewed.
    pub applied: GlobalPosition,
    /// The log it follows; positions of another one say nothing.
    pub epoch: LogEpoch,
}

/// Up to where a replica says that it applied everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ack {
    /// Which log it follows.
    pub epoch: LogEpoch,
    /// The position.
    pub applied: GlobalPosition,
}

/// Why a replica need not be waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It applied the event.
    Acked,
    /// Its lease ran out.
    Expired,
    /// It left: its row is gone.
    Left,
}

/// One replica in a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settled {
    /// Which run of a process.
    pub incarnation: IncarnationId,
    /// Why it is settled.
    pub state: State,
    /// After how long.
    pub after: Duration,
}

/// What the barrier did, for the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// Every replica that had to be waited for, in the order of their rows.
    pub replicas: Vec<Settled>,
    /// How long it took.
    pub waited: Duration,
    /// How long it could have taken: W for the longest lease.
    pub bound: Duration,
}

impl Report {
    /// How many replicas were settled in that way.
    pub fn count(&self, state: State) -> usize {
        self.replicas
            .iter()
            .filter(|one| one.state == state)
            .count()
    }
}

/// Waits for every replica that was registered when it began.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Barrier {
    position: GlobalPosition,
    epoch: LogEpoch,
    start: WaitPoint,
    bound: Duration,
    replicas: Vec<(IncarnationId, Option<(State, Duration)>)>,
}

impl Barrier {
    /// `start` was read after the commit was known, `rows` in a new snapshot after that (pitfall 4).
    pub fn new(
        position: GlobalPosition,
        epoch: LogEpoch,
        start: WaitPoint,
        rows: &[LeaseRow],
        now: WaitPoint,
    ) -> Self {
        let longest = rows.iter().map(|row| row.term).max();
        let mut barrier = Self {
            position,
            epoch,
            start,
            bound: longest.map_or(Duration::ZERO, wait_bound),
            replicas: rows.iter().map(|row| (row.incarnation, None)).collect(),
        };
        barrier.rows(rows, now);
        barrier
    }

    /// Takes an acknowledgement.
    pub fn ack(&mut self, incarnation: IncarnationId, ack: Ack, now: WaitPoint) {
        if ack.epoch == self.epoch && ack.applied >= self.position {
            self.settle(incarnation, State::Acked, now);
        }
    }

    /// Takes all rows of a later snapshot. New ones registered after the commit and need no wait.
    pub fn rows(&mut self, rows: &[LeaseRow], now: WaitPoint) {
        let rows: BTreeMap<_, _> = rows.iter().map(|row| (row.incarnation, row)).collect();
        for incarnation in self.waiting().collect::<Vec<_>>() {
            match rows.get(&incarnation) {
                Some(row) => {
                    let ack = Ack {
                        epoch: row.epoch,
                        applied: row.applied,
                    };
                    self.ack(incarnation, ack, now);
                }
                None => self.settle(incarnation, State::Left, now),
            }
        }
    }

    /// Lets time pass; says how long is left, none once nobody has to be waited for.
    pub fn remaining(&mut self, now: WaitPoint) -> Option<Duration> {
        let left = self.bound.saturating_sub(self.start.elapsed(now));
        if left.is_zero() {
            for incarnation in self.waiting().collect::<Vec<_>>() {
                self.settle(incarnation, State::Expired, now);
            }
        }
        self.waiting().next().map(|_| left)
    }

    /// Who is still waited for.
    pub fn waiting(&self) -> impl Iterator<Item = IncarnationId> {
        let waiting = self
            .replicas
            .iter()
            .filter(|(_, settled)| settled.is_none());
        waiting.map(|(incarnation, _)| *incarnation)
    }

    /// What it did; none while somebody is waited for.
    pub fn report(&self, now: WaitPoint) -> Option<Report> {
        let replicas: Option<Vec<_>> = self
            .replicas
            .iter()
            .map(|(incarnation, settled)| {
                settled.map(|(state, after)| Settled {
                    incarnation: *incarnation,
                    state,
                    after,
                })
            })
            .collect();
        replicas.map(|replicas| Report {
            replicas,
            waited: self.start.elapsed(now),
            bound: self.bound,
        })
    }

    fn settle(&mut self, incarnation: IncarnationId, state: State, now: WaitPoint) {
        let after = self.start.elapsed(now);
        let replica = self.replicas.iter_mut().find(|(id, _)| *id == incarnation);
        if let Some((_, settled @ None)) = replica {
            *settled = Some((state, after));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use runtime::clock::{Monotonic, MonotonicRaw};
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> IncarnationId {
        IncarnationId::from_uuid(Uuid::from_u128(number))
    }

    fn epoch(number: u128) -> LogEpoch {
        LogEpoch::from_uuid(Uuid::from_u128(number))
    }

    fn at(millis: u64) -> WaitPoint {
        WaitPoint {
            mono: Monotonic::from_nanos(millis * 1_000_000),
            raw: MonotonicRaw::from_nanos(millis * 1_000_000),
        }
    }

    fn row(number: u128, applied: u64) -> LeaseRow {
        LeaseRow {
            incarnation: id(number),
            term: Duration::from_secs(2),
            renew_seq: 0,
            applied: GlobalPosition::new(applied),
            epoch: epoch(1),
        }
    }

    fn ack(applied: u64) -> Ack {
        Ack {
            epoch: epoch(1),
            applied: GlobalPosition::new(applied),
        }
    }

    fn barrier(rows: &[LeaseRow]) -> Barrier {
        Barrier::new(GlobalPosition::new(10), epoch(1), at(0), rows, at(1))
    }

    #[test]
    fn without_replicas_there_is_nothing_to_wait_for() {
        let mut barrier = barrier(&[]);
        assert_eq!(barrier.remaining(at(1)), None);
        let report = barrier.report(at(1)).unwrap();
        assert_eq!(report.bound, Duration::ZERO);
        assert!(report.replicas.is_empty());
    }

    #[test]
    fn each_replica_is_settled_in_its_own_way() {
        let mut barrier = barrier(&[row(1, 9), row(2, 10), row(3, 9), row(4, 9)]);
        barrier.ack(id(1), ack(9), at(2));
        assert_eq!(barrier.waiting().collect::<Vec<_>>(), [id(1), id(3), id(4)]);
        barrier.ack(id(1), ack(11), at(3));
        barrier.ack(id(7), ack(11), at(3));
        barrier.rows(&[row(1, 9), row(4, 9), row(9, 0)], at(50));
        assert_eq!(barrier.remaining(at(2_474)), Some(Duration::from_millis(1)));
        assert!(barrier.report(at(2_474)).is_none());
        assert_eq!(barrier.remaining(at(2_475)), None);
        let report = barrier.report(at(2_475)).unwrap();
        let told: Vec<_> = report
            .replicas
            .iter()
            .map(|one| (one.incarnation, one.state, one.after.as_millis()))
            .collect();
        assert_eq!(
            told,
            [
                (id(1), State::Acked, 3),
                (id(2), State::Acked, 1),
                (id(3), State::Left, 50),
                (id(4), State::Expired, 2_475),
            ]
        );
        let count = |state| report.count(state);
        assert_eq!(
            [State::Acked, State::Left, State::Expired].map(count),
            [2, 1, 1]
        );
        assert_eq!(
            (report.waited.as_millis(), report.bound.as_millis()),
            (2_475, 2_475)
        );
    }

    #[test]
    fn the_longest_term_of_the_set_is_waited_for() {
        let long = LeaseRow {
            term: Duration::from_secs(5),
            ..row(2, 0)
        };
        let mut barrier = barrier(&[row(1, 0), long]);
        assert_eq!(barrier.remaining(at(0)), Some(Duration::from_millis(6_142)));
    }

    #[test]
    fn positions_of_another_log_say_nothing() {
        let other = LeaseRow {
            epoch: epoch(2),
            ..row(1, 99)
        };
        let mut barrier = barrier(&[other]);
        barrier.ack(
            id(1),
            Ack {
                epoch: epoch(2),
                ..ack(99)
            },
            at(1),
        );
        assert!(barrier.remaining(at(1)).is_some());
        barrier.ack(id(1), ack(10), at(1));
        assert_eq!(barrier.remaining(at(1)), None);
    }

    proptest! {
        #[test]
        fn it_ends_exactly_when_everyone_is_settled_or_the_bound_is_over(
            rows in prop::collection::btree_map(0..6_u128, 0..20_u64, 0..6),
            steps in prop::collection::vec((0..6_u128, 0..20_u64, 0..300_u64), 0..40),
        ) {
            let set: Vec<_> = rows.iter().map(|(id, applied)| row(*id, *applied)).collect();
            let mut barrier = Barrier::new(GlobalPosition::new(10), epoch(1), at(0), &set, at(0));
            let mut best = rows.clone();
            let mut now = 0;
            for (replica, applied, passed) in steps {
                now += passed;
                barrier.ack(id(replica), ack(applied), at(now));
                best.entry(replica).and_modify(|known| *known = applied.max(*known));
                let open = best.values().any(|applied| *applied < 10) && now < 2_475;
                prop_assert_eq!(barrier.remaining(at(now)).is_some(), open);
                prop_assert_eq!(barrier.report(at(now)).is_none(), open);
            }
        }
    }
}
