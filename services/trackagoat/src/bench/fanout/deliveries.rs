//! What a subscriber got and when, and whether that is what was sent.

use std::collections::HashMap;

use crate::bench::error::BenchError;
use crate::bench::stats::Histogram;

/// An event's position, and when it arrived: nanoseconds of the steady clock.
pub type Arrived = (u64, u64);

/// One append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub position: u64,
    /// Whose it is, by number.
    pub org: usize,
    /// When the append was begun and answered: nanoseconds of the steady clock.
    pub begun: u64,
    pub answered: u64,
}

/// All that was sent, in order of position.
pub struct Everything {
    by_org: Vec<Vec<u64>>,
    by_position: HashMap<u64, Sent>,
}

/// Over all deliveries.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From the return of the append, when it is known to be committed.
    pub from_answer: Histogram,
    /// From the append's begin.
    pub from_begin: Histogram,
    /// What was not delivered, or not in order.
    pub lost: u64,
}

impl Everything {
    pub fn new(orgs: usize, mut sent: Vec<Sent>) -> Self {
        sent.sort_unstable_by_key(|one| one.position);
        let mut by_org = vec![Vec::new(); orgs];
        for one in &sent {
            by_org[one.org].push(one.position);
        }
        let by_position = sent.into_iter().map(|one| (one.position, one)).collect();
        Self {
            by_org,
            by_position,
        }
    }

    /// The last position of each org; zero if it has none.
    pub fn last_by_org(&self) -> Vec<u64> {
        let last = |positions: &Vec<u64>| positions.last().copied().unwrap_or_default();
        self.by_org.iter().map(last).collect()
    }

    /// Compares what a subscriber of an org got with what was sent: everything, once, in order.
    pub fn compare(
        &self,
        org: usize,
        arrived: &[Arrived],
        latencies: &mut Latencies,
    ) -> Result<(), BenchError> {
        let mut expected = self.by_org[org].iter();
        for (position, at) in arrived {
            let missed = expected.by_ref().take_while(|next| *next != position);
            latencies.lost += missed.count() as u64;
            let Some(sent) = self.by_position.get(position) else {
                let text = format!("{position} arrived, which nobody sent");
                return Err(BenchError::Wrong(text));
            };
            if sent.org != org {
                let text = format!("{position} arrived at another org's subscriber");
                return Err(BenchError::Wrong(text));
            }
            // The subscriber may have it before the answer has reached who appended.
            let since = |from: u64| at.saturating_sub(from);
            latencies.from_answer.record(since(sent.answered));
            latencies.from_begin.record(since(sent.begun));
        }
        latencies.lost += expected.count() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn everything() -> Everything {
        let sent = |position, org| Sent {
            position,
            org,
            begun: position * 100,
            answered: position * 100 + 10,
        };
        Everything::new(2, vec![sent(5, 0), sent(3, 1), sent(4, 0), sent(6, 0)])
    }

    fn compare(arrived: &[Arrived]) -> Latencies {
        let mut latencies = Latencies::default();
        everything().compare(0, arrived, &mut latencies).unwrap();
        latencies
    }

    #[test]
    fn what_arrives_whole_and_in_order_is_timed() {
        let latencies = compare(&[(4, 450), (5, 505), (6, 700)]);
        assert_eq!(latencies.lost, 0);
        let nanos = |q| latencies.from_answer.quantile(q).unwrap().as_nanos();
        assert_eq!((nanos(0.0), nanos(0.5), nanos(1.0)), (0, 40, 90));
        assert_eq!(everything().last_by_org(), [6, 3]);
    }

    #[test]
    fn what_is_missing_repeated_or_late_is_lost() {
        assert_eq!(compare(&[(4, 1), (6, 1)]).lost, 1);
        assert_eq!(compare(&[(4, 1), (5, 1)]).lost, 1);
        assert_eq!(compare(&[]).lost, 3);
        assert_eq!(compare(&[(5, 1), (4, 1), (6, 1)]).lost, 2);
        // Whoever gets something twice is behind everything.
        assert_eq!(compare(&[(4, 1), (4, 1), (5, 1), (6, 1)]).lost, 2);
    }

    #[test]
    fn what_another_org_sent_is_no_loss_but_wrong() {
        let mut latencies = Latencies::default();
        for position in [3, 99] {
            let arrived = [(position, 1)];
            assert!(everything().compare(0, &arrived, &mut latencies).is_err());
        }
    }
}
