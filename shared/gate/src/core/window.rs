//! The exact window of a credential: at most L requests in *any* trailing 60 s.

use std::collections::VecDeque;

use runtime::clock::Boottime;

use super::fleet::{Part, Share};
use super::others::{Admitted, News, Others, Slot};

/// The length of the window, in microseconds.
const WINDOW_MICROS: u64 = 60_000_000;
/// The largest limit whose admissions are remembered one by one.
const EXACT_MAX: u32 = 6_000;
/// The width of a sub-bucket above that, in microseconds.
const BUCKET_MICROS: u64 = 100_000;
/// Sub-buckets in which an admission may count: those of 60 s and the one that is not full.
const BUCKETS: usize = 601;

/// Remembers admissions. An admission at t counts until t + 60 s, so at most L are admitted in any
/// half-open interval of 60 s, those of other processes included from when they were heard. What
/// is rounded is rounded so that less is admitted, never more.
#[derive(Debug, Default)]
pub struct Window {
    /// The newest reading, in microseconds; readings of two threads may come in the other order.
    last: u64,
    log: Log,
    /// None while this process is the only one.
    others: Option<Box<Others>>,
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
    /// Asks for a place at `now` under `limit`, of which the whole is this process's own.
    pub fn take(&mut self, now: Boottime, limit: u32) -> Taken {
        self.take_part(now, limit, Part::Whole)
    }

    /// The same where only a part of it may be.
    pub fn take_part(&mut self, now: Boottime, limit: u32, part: Part) -> Taken {
        let now = micros(now).max(self.last);
        self.forget(now, limit);
        self.last = now;
        let room = self.room(now, limit, part);
        let admitted = room > 0;
        if admitted {
            self.push(now);
        }
        Taken {
            admitted,
            remaining: room.saturating_sub(1),
            reset_micros: self.until_more(now, limit, part),
        }
    }

    /// Notes that what was just admitted under `limit` is to be told to others.
    pub fn note(&mut self, now: Boottime, limit: u32) -> News {
        let others = self.others.get_or_insert_with(|| Others::new(now).into());
        others.admit(limit)
    }

    /// Another process has admitted so many.
    pub fn hear(&mut self, slot: Slot, admitted: Admitted, now: Boottime) {
        let others = self.others.get_or_insert_with(|| Others::new(now).into());
        others.hear(slot, admitted, micros(now));
    }

    /// What this process admitted, to be told in the message of this number.
    pub fn tell_in(&mut self, number: u64, now: Boottime) -> Admitted {
        let recent = self.recent(now);
        let others = self.others.get_or_insert_with(|| Others::new(now).into());
        Admitted {
            count: others.tell_in(number),
            recent,
        }
    }

    /// Nobody is there to be told what was noted.
    pub fn drop_news(&mut self) {
        if let Some(others) = &mut self.others {
            others.drop_news();
        }
    }

    /// How many this process admitted in the last 60 s.
    pub fn recent(&mut self, now: Boottime) -> u32 {
        self.expire(micros(now).max(self.last));
        self.count()
    }

    /// What another process admitted, as far as it was heard; none if nothing of it counts.
    pub fn heard_of(&mut self, slot: Slot, now: Boottime) -> Option<Admitted> {
        let others = self.others.as_mut()?;
        others.forget(micros(now));
        others.of(slot)
    }

    /// What it knows of others.
    pub fn others(&self) -> Option<&Others> {
        self.others.as_deref()
    }

    /// Whether nothing counts any more; then its memory is given back.
    pub fn release_if_idle(&mut self, now: Boottime) -> bool {
        let now = micros(now);
        if now.saturating_sub(self.last) > WINDOW_MICROS + BUCKET_MICROS {
            self.log = Log::Empty;
        }
        if self
            .others
            .as_mut()
            .is_some_and(|others| others.is_idle(now))
        {
            self.others = None;
        }
        matches!(self.log, Log::Empty) && self.others.is_none()
    }

    /// How many places are free.
    fn room(&self, now: u64, limit: u32, part: Part) -> u32 {
        match part {
            Part::Whole => limit.saturating_sub(self.count_all()),
            Part::Share(share) => {
                let own = self.count_since(now, micros(share.since));
                self.share(limit, own, share).saturating_sub(own)
            }
        }
    }

    /// The process's share of what was left when the processes lost sight of each other, by what
    /// of that still counts; `own` it took from its share. At least one while there is any, so
    /// that nobody is shut out by a division.
    fn share(&self, limit: u32, own: u32, share: Share) -> u32 {
        let heard = self.others.as_ref();
        let heard = heard.map_or(0, |others| others.heard_until(micros(share.heard_until)));
        let left = limit.saturating_sub((self.count() - own).saturating_add(heard));
        (left / share.among.max(1)).max(left.min(1))
    }

    /// Drops what has left the window, and chooses the form that fits the limit.
    fn forget(&mut self, now: u64, limit: u32) {
        if let Some(others) = &mut self.others {
            others.forget(now);
        }
        let idle = now - self.last > WINDOW_MICROS + BUCKET_MICROS;
        match &mut self.log {
            Log::Times(times) if !idle => {
                drop_left(times, now);
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

    /// Drops what has left the window, and nothing else.
    fn expire(&mut self, now: u64) {
        if now - self.last > WINDOW_MICROS + BUCKET_MICROS {
            self.log = Log::Empty;
        }
        match &mut self.log {
            Log::Times(times) => drop_left(times, now),
            Log::Buckets(buckets) => buckets.advance(now / BUCKET_MICROS),
            Log::Empty => {}
        }
        self.last = now;
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

    /// Its own admissions and those of others.
    fn count_all(&self) -> u32 {
        let others = self.others.as_ref().map_or(0, |others| others.total());
        self.count().saturating_add(others)
    }

    /// Its own from `since` on, and perhaps a few before.
    fn count_since(&self, now: u64, since: u64) -> u32 {
        match &self.log {
            Log::Times(times) => {
                let still = (since + WINDOW_MICROS).saturating_sub(now);
                let before = times.partition_point(|time| left(now, *time) < still);
                u32::try_from(times.len() - before).unwrap_or(u32::MAX)
            }
            Log::Buckets(buckets) => buckets.count_since(since / BUCKET_MICROS),
            Log::Empty => 0,
        }
    }

    /// Microseconds until there is one place more, or until there surely is.
    fn until_more(&self, now: u64, limit: u32, part: Part) -> u64 {
        match part {
            Part::Whole => self.until_all_below(now, self.count_all().min(limit)),
            Part::Share(share) => {
                let all = self.until_all_below(now, limit);
                let own = self.count_since(now, micros(share.since));
                let most = self.share(limit, own, share).max(1);
                all.max(self.until_below(now, own.min(most)))
            }
        }
    }

    /// Microseconds until fewer than `count` count, those of others included.
    fn until_all_below(&self, now: u64, count: u32) -> u64 {
        let Some(others) = &self.others else {
            return self.until_below(now, count);
        };
        let over = (self.count_all() + 1).saturating_sub(count);
        let (mut own, mut heard) = (self.leaving(now).peekable(), others.leaving(now).peekable());
        let mut gone = 0;
        let mut last = 0;
        while gone < over {
            let next = match (own.peek(), heard.peek()) {
                (Some(mine), Some(theirs)) if mine.0 <= theirs.0 => own.next(),
                (Some(_), None) => own.next(),
                _ => heard.next(),
            };
            let Some((left, count)) = next else { break };
            gone += count;
            last = left;
        }
        last
    }

    /// When its own leave the window: microseconds from `now`, and how many.
    fn leaving(&self, now: u64) -> impl Iterator<Item = (u64, u32)> {
        let (times, buckets) = match &self.log {
            Log::Times(times) => (Some(times), None),
            Log::Buckets(buckets) => (None, Some(buckets)),
            Log::Empty => (None, None),
        };
        let times = times.into_iter().flatten();
        let buckets = buckets.into_iter().flat_map(move |all| all.leaving(now));
        times.map(move |time| (left(now, *time), 1)).chain(buckets)
    }

    /// Microseconds until fewer than `count` of its own count.
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

    fn count_since(&self, first: u64) -> u32 {
        let counted = self.oldest.max(first)..=self.newest;
        counted.map(|bucket| self.counts[slot(bucket)]).sum()
    }

    fn leaving(&self, now: u64) -> impl Iterator<Item = (u64, u32)> {
        let until = |bucket| (bucket + BUCKETS as u64) * BUCKET_MICROS;
        (self.oldest..=self.newest)
            .map(move |bucket| (until(bucket).saturating_sub(now), self.counts[slot(bucket)]))
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

const fn micros(time: Boottime) -> u64 {
    time.as_nanos() / 1_000
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

fn drop_left(times: &mut VecDeque<u32>, now: u64) {
    while times.front().is_some_and(|time| left(now, *time) == 0) {
        times.pop_front();
    }
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

    fn share(among: u32, since: u64) -> Part {
        Part::Share(Share {
            among,
            since: at(since),
            heard_until: at(since + 2 * SECOND),
        })
    }

    fn told(count: u64, recent: u32) -> Admitted {
        Admitted { count, recent }
    }

    #[test]
    fn what_others_took_counts_from_when_it_was_heard() {
        let mut window = Window::default();
        window.hear(Slot(1), told(1_000, 7), at(100 * SECOND));
        for _ in 0..3 {
            assert!(window.take(at(101 * SECOND), 10).admitted);
        }
        let refused = window.take(at(102 * SECOND), 10);
        assert!(!refused.admitted);
        // The others' leave first, half a second late.
        assert_eq!(refused.reset_micros, 58_500_000);
        assert!(!window.take(at(160 * SECOND), 10).admitted);
        assert_eq!(window.take(at(161 * SECOND), 10).remaining, 6);
    }

    #[test]
    fn a_share_is_of_what_was_left_when_sight_was_lost() {
        let mut window = Window::default();
        for _ in 0..4 {
            assert!(window.take(at(100 * SECOND), 19).admitted);
        }
        window.hear(Slot(1), told(1_000, 3), at(101 * SECOND));
        let part = share(3, 102 * SECOND);
        // Heard a moment later, it was taken before; long after, it is another's share.
        window.hear(Slot(2), told(1_000, 2), at(103 * SECOND));
        window.hear(Slot(2), told(1_004, 6), at(110 * SECOND));
        let admitted = |window: &mut Window, now| {
            let mut take = || window.take_part(at(now), 19, part);
            (0..20).take_while(|_| take().admitted).count()
        };
        // A third of 19 - 4 - 3 - 2.
        assert_eq!(admitted(&mut window, 111 * SECOND), 3);
        // What was taken before leaves: a third of 19, three of which are taken.
        assert_eq!(admitted(&mut window, 170 * SECOND), 3);
        assert_eq!(admitted(&mut window, 172 * SECOND), 3);
    }

    #[test]
    fn no_share_is_too_small_for_one_and_none_is_of_nothing() {
        let mut window = Window::default();
        let part = share(100, SECOND);
        assert!(window.take_part(at(2 * SECOND), 5, part).admitted);
        assert!(!window.take_part(at(2 * SECOND), 5, part).admitted);
        let mut window = Window::default();
        window.hear(Slot(1), told(9, 5), at(SECOND));
        let refused = window.take_part(at(2 * SECOND), 5, part);
        assert!(!refused.admitted);
        assert!(!Window::default().take_part(at(SECOND), 0, part).admitted);
    }

    #[test]
    fn a_window_that_others_fill_is_not_idle() {
        let mut window = Window::default();
        window.hear(Slot(1), told(9, 5), at(100 * SECOND));
        assert!(!window.release_if_idle(at(160 * SECOND)));
        assert!(window.release_if_idle(at(161 * SECOND)));
        assert!(window.others().is_none());
        assert!(window.note(at(161 * SECOND), 60).is_first);
        assert!(!window.release_if_idle(at(300 * SECOND)), "to be told");
    }

    #[test]
    fn what_is_told_is_what_lies_in_the_last_minute() {
        for limit in [100, 10_000] {
            let mut window = Window::default();
            for second in 0..10 {
                assert!(window.take(at((100 + second) * SECOND), limit).admitted);
                window.note(at((100 + second) * SECOND), limit);
            }
            let before = window.tell_in(1, at(110 * SECOND));
            assert_eq!(before.recent, 10);
            let after = window.tell_in(2, at(165 * SECOND));
            assert!((4..=5).contains(&after.recent), "{after:?}");
            assert_eq!(after.count, before.count);
            assert_eq!(window.recent(at(400 * SECOND)), 0);
        }
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

        /// Whatever others took, and whatever part is its own.
        #[test]
        fn no_process_admits_more_than_the_limit_nor_what_it_knows_to_be_taken(
            (start, trace) in trace(),
            limit in prop_oneof![1..30_u32, Just(6_001_u32)],
            heard in prop::collection::vec(prop::option::of(1..8_u32), 1..9),
            parts in prop::collection::vec(prop::option::of(1..5_u32), 1..5),
        ) {
            let (mut window, mut now, mut admitted) = (Window::default(), start, Vec::new());
            let mut others: Vec<u64> = Vec::new();
            for (index, (gap, burst)) in trace.iter().enumerate() {
                now += gap;
                if let Some(more) = heard[index % heard.len()] {
                    others.extend((0..more).map(|_| now));
                    let count = others.len() as u64;
                    window.hear(Slot(1), told(count, more), at(now));
                }
                let part = match parts[index % parts.len()] {
                    None => Part::Whole,
                    Some(among) => share(among, now.saturating_sub(SECOND * index as u64)),
                };
                for _ in 0..*burst {
                    if window.take_part(at(now), limit, part).admitted {
                        admitted.push(now);
                        let recent = |time: &&u64| now < **time + 60 * SECOND;
                        let own = admitted.iter().filter(recent).count();
                        let all = own + others.iter().filter(recent).count();
                        prop_assert!(part != Part::Whole || all <= limit as usize);
                    }
                }
            }
            prop_assert!(most(&admitted) <= limit as usize);
        }

        #[test]
        fn what_is_promised_is_kept_beside_others_and_of_a_share(
            (start, trace) in trace(),
            limit in prop_oneof![1..30_u32, Just(6_001_u32)],
            heard in prop::collection::vec(1..40_u32, 1..9),
            among in prop::option::of(1..5_u32),
        ) {
            let (mut window, mut now, mut count) = (Window::default(), start, 0);
            let middle = start + 30 * SECOND;
            for (index, (gap, burst)) in trace.iter().enumerate() {
                now += gap;
                let more = heard[index % heard.len()];
                count += u64::from(more);
                window.hear(Slot(1), told(count, more), at(now));
                let part = match among {
                    Some(among) if now >= middle => share(among, middle),
                    _ => Part::Whole,
                };
                for _ in 0..*burst {
                    let before = window.take_part(at(now), limit, part);
                    if !before.admitted {
                        now += before.reset_micros * 1_000;
                        prop_assert!(window.take_part(at(now), limit, part).admitted);
                    } else if before.remaining > 0 {
                        prop_assert!(window.take_part(at(now), limit, part).admitted);
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
