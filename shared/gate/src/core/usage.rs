//! What a credential was used for, folded in memory until it is flushed.

use chrono::NaiveDate;
use domain::time::Timestamp;

/// Counts of one credential and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// The UTC day.
    pub day: NaiveDate,
    /// Requests admitted.
    pub requests: u64,
    /// Requests refused with 429.
    pub refused: u64,
    /// The newest of them.
    pub last_used_at: Timestamp,
}

/// Counts that are not flushed yet.
#[derive(Debug, Default)]
pub struct Usage {
    /// Almost always none or one day; two around midnight, more while Postgres is away.
    days: Vec<Folded>,
    seen: bool,
}

impl Usage {
    /// Counts a request; says whether it is the first one this process saw.
    pub fn count(&mut self, at: Timestamp, admitted: bool) -> bool {
        let folded = self.of(at);
        if admitted {
            folded.requests += 1;
        } else {
            folded.refused += 1;
        }
        !std::mem::replace(&mut self.seen, true)
    }

    /// A request that was counted as admitted was refused after all.
    pub fn refuse(&mut self, at: Timestamp) {
        let folded = self.of(at);
        folded.requests = folded.requests.saturating_sub(1);
        folded.refused += 1;
    }

    /// A request that was counted as admitted was neither admitted nor refused.
    pub fn cancel(&mut self, at: Timestamp) {
        let folded = self.of(at);
        folded.requests = folded.requests.saturating_sub(1);
    }

    /// Takes everything, to be flushed.
    pub fn take(&mut self) -> Vec<Folded> {
        std::mem::take(&mut self.days)
    }

    /// Puts back what could not be flushed.
    pub fn put_back(&mut self, folded: Folded) {
        let own = self.of(folded.last_used_at);
        own.requests += folded.requests;
        own.refused += folded.refused;
    }

    /// Whether there is nothing to flush.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    fn of(&mut self, at: Timestamp) -> &mut Folded {
        let day = at.date();
        let index = self.days.iter().position(|folded| folded.day == day);
        let index = index.unwrap_or_else(|| {
            self.days.push(Folded {
                day,
                requests: 0,
                refused: 0,
                last_used_at: at,
            });
            self.days.len() - 1
        });
        let folded = &mut self.days[index];
        folded.last_used_at = folded.last_used_at.max(at);
        folded
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn days_are_kept_apart_and_the_last_use_only_moves_forward() {
        let mut usage = Usage::default();
        assert!(usage.count(at("2026-01-05T23:59:59Z"), true));
        assert!(!usage.count(at("2026-01-05T23:59:58Z"), false));
        assert!(!usage.count(at("2026-01-06T00:00:01Z"), true));
        usage.refuse(at("2026-01-06T00:00:01Z"));
        let taken = usage.take();
        let counts: Vec<_> = taken
            .iter()
            .map(|one| (one.requests, one.refused))
            .collect();
        assert_eq!(counts, [(1, 1), (0, 1)]);
        assert_eq!(taken[0].last_used_at, at("2026-01-05T23:59:59Z"));
        assert!(usage.is_empty());
        assert!(
            !usage.count(at("2026-01-06T00:00:02Z"), true),
            "seen before"
        );
        for folded in taken {
            usage.put_back(folded);
        }
        assert_eq!(usage.take().iter().map(|one| one.requests).sum::<u64>(), 2);
    }
}
