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
        let over = (u64::from(self.count_all()) + 1).saturating_sub(count.into());
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
            gone += u64::from(count);
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
            // One of this very microsecond counts from the next, whose bucket may not have begun.
            buckets.counts[slot(at.min(newest))] += 1;
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
        // What lies before the 601 is passed over too: its place was emptied for a newer one.
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
mod tests;
