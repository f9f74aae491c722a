//! The exact window of a credential: at most L requests in *any* trailing 60 s.

use std::collections::VecDeque;

use runtime::clock::Boottime;

/// The length of the window, in microseconds.
const WINDOW_MICROS: u64 = 60_000_000;
/// The largest limit whose admissions are remembered one by one.
const EXACT_MAX: u32 = 6_000;
/// The width of a sub-bucket above that, in microseconds.
const BUCKET_MICROS: u64 = 100_000;
/// Sub-buckets in which an admission may count: those of 60 s and the one that is not full.
const BUCKETS: usize = 601;

/// Remembers admissions. An admission at t counts until t + 60 s, so at most L are admitted in any
/// half-open interval of 60 s. What is rounded is rounded so that less is admitted, never more.
#[derive(Debug, Default)]
pub struct Window {
    /// The newest reading, in microseconds; readings of two threads may come in the other order.
    last: u64,
    log: Log,
}

#[derive(Debug, Default)]
enum Log {
    /// Nothing in the last 60 s; holds no memory.
    #[default]
    Empty,
    /// The admissions one by one, the oldest first: microseconds, cut to 32 bits (71 minutes).
    Times(VecDeque<u32>),
    /// How many there were in each 100 ms.
    Buckets(Box<Buckets>),
}

#[derive(Debug)]
struct Buckets {
    /// Number of the newest bucket, counted from the clock's origin.
    newest: u64,
    /// No bucket before it has any.
    oldest: u64,
    total: u32,
    counts: [u32; BUCKETS],
}

/// What the window said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether it took a place.
    pub admitted: bool,
    /// Places left after it: so many more would be admitted at once.
    pub remaining: u32,
    /// Microseconds until there is one more.
    pub reset_micros: u64,
}

impl Taken {
    /// Whole seconds until there is one more, rounded up but for the microsecond of rounding that
    /// is in it already; at most 61.
    pub fn reset_seconds(&self) -> u32 {
        let seconds = self.reset_micros.saturating_sub(1).div_ceil(1_000_000);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

impl Window {
    /// Asks for a place at `now` under `limit`.
    pub fn take(&mut self, now: Boottime, limit: u32) -> Taken {
        let now = (now.as_nanos() / 1_000).max(self.last);
        self.forget(now, limit);
        self.last = now;
        let count = self.count();
        let admitted = count < limit;
        if admitted {
            self.push(now);
        }
        let count = count + u32::from(admitted);
        Taken {
            admitted,
            remaining: limit.saturating_sub(count),
            reset_micros: self.until_below(now, count.min(limit)),
        }
    }

    /// Whether nothing counts any more; then its memory is given back.
    pub fn release_if_idle(&mut self, now: Boottime) -> bool {
        if (now.as_nanos() / 1_000).saturating_sub(self.last) > WINDOW_MICROS + BUCKET_MICROS {
            self.log = Log::Empty;
        }
        matches!(self.log, Log::Empty)
    }

    /// Drops what has left the window, and chooses the form that fits the limit.
    fn forget(&mut self, now: u64, limit: u32) {
        let idle = now - self.last > WINDOW_MICROS + BUCKET_MICROS;
        match &mut self.log {
            Log::Times(times) if !idle => {
                while times.front().is_some_and(|time| left(now, *time) == 0) {
                    times.pop_front();
                }
                if limit > EXACT_MAX {
                    self.log = Log::Buckets(Box::new(Buckets::of(now, times)));
                }
            }
            // It stays in buckets until it is idle, whatever the limit: so nothing is forgotten.
            Log::Buckets(buckets) if !idle => buckets.advance(now / BUCKET_MICROS),
            _ if limit > EXACT_MAX => {
                self.log = Log::Buckets(Box::new(Buckets::of(now, &VecDeque::new())));
            }
            // Made once more only after 60 s without an admission.
            log => *log = Log::Times(VecDeque::with_capacity(limit.min(4) as usize)),
        }
    }

    fn count(&self) -> u32 {
        match &self.log {
            Log::Empty => 0,
            Log::Times(times) => u32::try_from(times.len()).unwrap_or(u32::MAX),
            Log::Buckets(buckets) => buckets.total,
        }
    }

    fn push(&mut self, now: u64) {
        match &mut self.log {
            // The reading was cut to the microsecond, so it counts from the one after.
            Log::Times(times) => times.push_back(cut(now + 1)),
            Log::Buckets(buckets) => buckets.push(),
            Log::Empty => {}
        }
    }

    /// Microseconds until fewer than `count` count.
    fn until_below(&self, now: u64, count: u32) -> u64 {
        match &self.log {
            Log::Times(times) => {
                // The place that must become free; more may count than the limit of today.
                let over = times.len().saturating_sub(count as usize);
                times.get(over).map_or(0, |time| left(now, *time))
            }
            Log::Buckets(buckets) => buckets.until_below(now, count),
            Log::Empty => 0,
        }
    }
}

impl Buckets {
    fn of(now: u64, times: &VecDeque<u32>) -> Self {
        let newest = now / BUCKET_MICROS;
        let mut buckets = Self {
            newest,
            oldest: (newest + 1).saturating_sub(BUCKETS as u64),
            total: 0,
            counts: [0; BUCKETS],
        };
        for time in times {
            let at = (now + left(now, *time)).saturating_sub(WINDOW_MICROS) / BUCKET_MICROS;
            buckets.counts[slot(at)] += 1;
            buckets.total += 1;
        }
        buckets
    }

    fn advance(&mut self, to: u64) {
        let steps = to.saturating_sub(self.newest).min(BUCKETS as u64);
        for bucket in to + 1 - steps..=to {
            self.total -= std::mem::take(&mut self.counts[slot(bucket)]);
        }
        self.newest = self.newest.max(to);
        let first = (self.newest + 1).saturating_sub(BUCKETS as u64);
        self.oldest = self.oldest.max(first);
        while self.oldest < self.newest && self.counts[slot(self.oldest)] == 0 {
            self.oldest += 1;
        }
    }

    fn push(&mut self) {
        self.counts[slot(self.newest)] += 1;
        self.total += 1;
    }

    fn until_below(&self, now: u64, count: u32) -> u64 {
        let mut left = self.total;
        for bucket in self.oldest..=self.newest {
            left -= self.counts[slot(bucket)];
            if left < count {
                return ((bucket + BUCKETS as u64) * BUCKET_MICROS).saturating_sub(now);
            }
        }
        0
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the remainder is below 601"
)]
const fn slot(bucket: u64) -> usize {
    (bucket % BUCKETS as u64) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "cut on purpose")]
const fn cut(micros: u64) -> u32 {
    micros as u32
}

/// Microseconds for which an admission of the last hour still counts.
fn left(now: u64, time: u32) -> u64 {
    let left = u64::from(time.wrapping_add(cut(WINDOW_MICROS)).wrapping_sub(cut(now)));
    // At most one more than the window: an admission counts from the microsecond after it.
    if left > WINDOW_MICROS + 1 { 0 } else { left }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Boottime {
        Boottime::from_nanos(nanos)
    }

    /// The most admissions in any half-open interval of 60 s.
    fn most(admitted: &[u64]) -> usize {
        let mut oldest = 0;
        let mut most = 0;
        for (newest, time) in admitted.iter().enumerate() {
            while admitted[oldest] + 60 * SECOND <= *time {
                oldest += 1;
            }
            most = most.max(newest + 1 - oldest);
        }
        most
    }

    #[test]
    fn the_place_becomes_free_60_seconds_after_it_was_taken() {
        let mut window = Window::default();
        let start = 1_000 * SECOND;
        for index in 0..60 {
            let taken = window.take(at(start + index * SECOND / 2), 60);
            assert!(taken.admitted);
            assert_eq!(u64::from(taken.remaining), 59 - index);
        }
        let refused = window.take(at(start + 30 * SECOND), 60);
        assert!(!refused.admitted);
        assert_eq!(refused.remaining, 0);
        assert_eq!(refused.reset_seconds(), 30);
        assert!(!window.take(at(start + 60 * SECOND), 60).admitted);
        assert!(window.take(at(start + 60 * SECOND + 1_000), 60).admitted);
        assert!(!window.take(at(start + 60 * SECOND + 2_000), 60).admitted);
    }

    #[test]
    fn the_first_request_says_that_there_is_more_in_60_seconds() {
        let taken = Window::default().take(at(5 * SECOND), 60);
        assert_eq!(taken.remaining, 59);
        assert_eq!(taken.reset_seconds(), 60);
    }

    #[test]
    fn a_limit_of_millions_takes_a_few_kilobytes_and_still_holds() {
        let mut window = Window::default();
        let (mut now, mut admitted) = (7 * SECOND, Vec::new());
        for _ in 0..40_000 {
            now += SECOND / 500;
            if window.take(at(now), 10_000).admitted {
                admitted.push(now);
            }
        }
        assert!(most(&admitted) <= 10_000);
        // Twice the limit was asked for; 100 ms in 60 s may be lost to rounding.
        assert!(admitted.len() > 13_000, "{}", admitted.len());
        assert!(std::mem::size_of::<Buckets>() < 2_500);
    }

    #[test]
    fn a_lowered_limit_counts_what_was_admitted_under_the_former() {
        let mut window = Window::default();
        for second in 0..10 {
            assert!(window.take(at((100 + second) * SECOND), 10).admitted);
        }
        let refused = window.take(at(110 * SECOND), 3);
        assert!(!refused.admitted);
        // The eighth of ten must leave before there are fewer than three.
        assert_eq!(refused.reset_seconds(), 57);
        assert!(!window.take(at(166 * SECOND), 3).admitted);
        assert!(window.take(at(168 * SECOND), 3).admitted);
    }

    #[test]
    fn an_idle_window_gives_its_memory_back_and_forgets_nothing_before() {
        let mut window = Window::default();
        assert!(window.take(at(SECOND), 1).admitted);
        assert!(!window.release_if_idle(at(60 * SECOND)));
        assert!(!window.take(at(60 * SECOND), 1).admitted);
        assert!(window.release_if_idle(at(200 * SECOND)));
        assert!(matches!(window.log, Log::Empty));
        assert!(window.take(at(200 * SECOND), 1).admitted);
    }

    #[test]
    fn a_limit_of_zero_admits_nobody() {
        let taken = Window::default().take(at(SECOND), 0);
        assert!(!taken.admitted);
        assert_eq!(taken.reset_micros, 0);
    }

    /// Requests with bursts, pauses and a limit that changes between exact and bucketed.
    fn trace() -> impl Strategy<Value = (u64, Vec<(u64, usize)>)> {
        let gap = prop_oneof![
            Just(0),
            1..2_000_u64,
            1..SECOND,
            Just(60 * SECOND),
            58 * SECOND..62 * SECOND,
            Just(4_300 * SECOND),
        ];
        let burst = (gap, 1..40_usize);
        (0..10_000 * SECOND, prop::collection::vec(burst, 1..40))
    }

    proptest! {
        #[test]
        fn no_trailing_window_holds_more_than_the_limit(
            (start, trace) in trace(), limit in 1..30_u32
        ) {
            let (mut window, mut now, mut admitted) = (Window::default(), start, Vec::new());
            let mut reference: Vec<u64> = Vec::new();
            for (gap, burst) in trace {
                now += gap;
                for _ in 0..burst {
                    let taken = window.take(at(now), limit);
                    if taken.admitted {
                        admitted.push(now);
                    } else {
                        prop_assert!(taken.reset_micros > 0);
                        prop_assert_eq!(taken.remaining, 0);
                    }
                    // Nobody is refused who could be admitted two microseconds ago.
                    reference.retain(|time| now < *time + 60 * SECOND + 2_000);
                    prop_assert!(taken.admitted || reference.len() >= limit as usize);
                    if taken.admitted {
                        reference.push(now);
                    }
                }
            }
            prop_assert!(most(&admitted) <= limit as usize);
        }

        #[test]
        fn what_is_promised_is_kept(
            (start, trace) in trace(), limit in prop_oneof![1..30_u32, Just(6_001_u32)]
        ) {
            let (mut window, mut now) = (Window::default(), start);
            for (gap, burst) in trace {
                now += gap;
                for _ in 0..burst {
                    let before = window.take(at(now), limit);
                    if !before.admitted {
                        now += before.reset_micros * 1_000;
                        prop_assert!(window.take(at(now), limit).admitted);
                    } else if before.remaining > 0 {
                        prop_assert!(window.take(at(now), limit).admitted);
                    }
                }
            }
        }

        #[test]
        fn changing_limits_never_admit_more_than_the_largest(
            (start, trace) in trace(),
            limits in prop::collection::vec(prop_oneof![1..30_u32, Just(6_001_u32)], 1..8),
        ) {
            let (mut window, mut now, mut admitted) = (Window::default(), start, Vec::new());
            for (index, (gap, burst)) in trace.iter().enumerate() {
                now += gap;
                let limit = limits[index % limits.len()];
                for _ in 0..*burst {
                    if window.take(at(now), limit).admitted {
                        admitted.push(now);
                        let recent = admitted.iter().filter(|time| now < **time + 60 * SECOND);
                        prop_assert!(u32::try_from(recent.count()).unwrap() <= limit);
                    }
                }
            }
        }
    }
}
