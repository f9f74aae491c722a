//! What must hold of every run (shared/gate/README.md, "The window across processes").

use std::fmt;

use gate::core::others::URGENT_PART;

use crate::world::{Faults, MILLISECOND, PROCESSES, WINDOW, World};

/// g, and the longest way of a message where nothing is slow, on purpose or by a fault.
const HEARD_WITHIN: u64 = (55 + 20) * MILLISECOND;
/// The same for a process that has an eighth of the limit to tell.
const URGENT_WITHIN: u64 = (5 + 20) * MILLISECOND;
/// τ, beyond which nobody relies on what was heard.
const SILENCE: u64 = 1_000 * MILLISECOND;
/// What others took counts for half a second, and the way of a message, longer than it might.
const COUNTS_LONGER: u64 = 600 * MILLISECOND;

impl World {
    /// What is wrong, if anything is.
    pub fn wrong(&self) -> Option<String> {
        let day = &self.day;
        if day.served > day.reserved || day.reserved > day.limit {
            return Some(format!("{day:?}: {self}"));
        }
        self.over_the_bound().or_else(|| self.denied_without_need())
    }

    /// By how many the fullest trailing window exceeds the limit.
    pub fn overshoot(&self) -> i64 {
        let excesses = self.excesses().map(|(_, excess)| excess);
        excesses.max().unwrap_or(i64::MIN)
    }

    /// Each window that ends with an admission, and by how many it exceeds the limit.
    fn excesses(&self) -> impl Iterator<Item = (u64, i64)> {
        let admitted = &self.seen.admitted;
        let mut first = 0;
        admitted.iter().enumerate().map(move |(last, time)| {
            while admitted[first] + WINDOW <= *time {
                first += 1;
            }
            (*time, signed(last + 1 - first) - i64::from(self.limit))
        })
    }

    fn over_the_bound(&self) -> Option<String> {
        let over = self.excesses().filter(|(_, excess)| *excess > 0);
        let over = over.map(|(end, excess)| (excess, self.bound(end)));
        let mut worse = over.filter(|(excess, bound)| excess > bound);
        worse
            .next()
            .map(|(excess, bound)| format!("{excess} over, {bound} stated: {self}"))
    }

    /// In health nobody is refused below 95 % of the limit.
    fn denied_without_need(&self) -> Option<String> {
        if self.faults != Faults::None {
            return None;
        }
        let admitted = &self.seen.admitted;
        let counted = |end: &u64| {
            let begin = end.saturating_sub(WINDOW + COUNTS_LONGER);
            let first = admitted.partition_point(|at| *at <= begin);
            admitted.partition_point(|at| at <= end) - first
        };
        let mut counts = self.seen.denied.iter().map(counted);
        let few = counts.find(|count| signed(*count) * 100 < 95 * i64::from(self.limit))?;
        Some(format!("refused after {few}: {self}"))
    }

    /// The most that a window may hold beyond the limit: λ(g + δ) in health, or what each may have
    /// untold; else λ(g + δ + τ), a
    /// rounding for each process, the half share of each that began and did not know, and the share
    /// of each that woke and had been given up for dead.
    fn bound(&self, end: u64) -> i64 {
        if self.faults == Faults::None {
            let eighths = PROCESSES * self.limit.div_ceil(URGENT_PART) as usize;
            let urgent = self.most_requests(end, URGENT_WITHIN) + eighths;
            return signed(self.most_requests(end, HEARD_WITHIN).min(urgent));
        }
        let most = signed(self.most_requests(end, HEARD_WITHIN + SILENCE));
        most + signed(PROCESSES) + self.of_who_begin(end) + self.of_who_woke(end)
    }

    fn of_who_begin(&self, end: u64) -> i64 {
        let limit = i64::from(self.limit);
        let begun = self.seen.begun.iter();
        let begun = begun.filter(|at| **at <= end && end < **at + 2 * WINDOW);
        match self.faults {
            // The k-th to come back sees k, and those before it tell it what they took.
            Faults::Outage => (1..=3)
                .zip(begun)
                .map(|(nth, _)| (limit / (2 * nth)).max(1))
                .sum(),
            _ => signed(begun.count()) * (limit / (2 * signed(PROCESSES))).max(1),
        }
    }

    fn of_who_woke(&self, end: u64) -> i64 {
        let woken = self.seen.woken.iter();
        let woken = woken.filter(|at| **at <= end && end < **at + 2 * WINDOW);
        signed(woken.count()) * (i64::from(self.limit) / signed(PROCESSES)).max(1)
    }

    /// The most requests in any interval of `span` within the two windows before `end`.
    fn most_requests(&self, end: u64, span: u64) -> usize {
        let requests = &self.seen.requests;
        let begin = end.saturating_sub(2 * WINDOW);
        let last = requests.partition_point(|time| *time <= end);
        let mut first = requests.partition_point(|time| *time < begin);
        let mut most = 0;
        for (index, time) in requests[..last].iter().enumerate().skip(first) {
            while requests[first] + span < *time {
                first += 1;
            }
            most = most.max(index + 1 - first);
        }
        most
    }
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [requests, admitted] = [&self.seen.requests, &self.seen.admitted].map(Vec::len);
        write!(
            formatter,
            "seed {}, {:?}, limit {}, {} a minute: {requests} requests, {admitted} admitted",
            self.seed, self.faults, self.limit, self.rate
        )
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
