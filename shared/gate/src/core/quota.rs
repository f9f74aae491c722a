//! An org's requests of a UTC day, as far as this process may hand them out.
//!
//! Postgres hands out blocks and names the day; a block is counted down by one atomic. What was
//! reserved and not used is lost in a crash, so the fleet never admits more than the limit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::NaiveDate;
use runtime::clock::Boottime;

/// What a process holds at first.
const FIRST_BLOCK: u64 = 64;
/// The most it ever holds.
const BLOCK_MAX: u64 = 1 << 20;
/// It holds at most this part of what is left of the day, so down to 1 near the limit.
const BLOCK_PART: u64 = 32;
/// It fetches when half is used. If that took less, it holds more from then on: what is left must
/// outlast a stall of Postgres as the lease does.
const USED_FAST: Duration = Duration::from_secs(3);
/// If it took longer, it holds less from then on.
const USED_SLOWLY: Duration = Duration::from_mins(1);
/// How long nobody asks again after the day was spent: others may have given back.
const SPENT_FOR: Duration = Duration::from_secs(1);
/// The clock of this host may be slower than time by this part (revocation.md 2, A3): so much before
/// the day ends by it Postgres is asked once more, and then again for a tenth of that.
const DRIFT_PART: u32 = 10;
/// Ahead of that Postgres is asked while there is still something in hand, once such a part of the
/// rest of the day has gone by: a stall of 1.5 s ends nothing until the last 4 s of the day.
const RENEW_PART: u32 = 2;
/// How long nobody asks again after Postgres did not answer.
const FAILED_FOR: Duration = Duration::from_millis(100);

/// What this process holds of an org's day.
#[derive(Debug, Default)]
pub struct Allowance {
    /// What is left of the blocks.
    left: AtomicU64,
    /// From this number down the next block is fetched ahead of need.
    low: AtomicU64,
    /// Somebody was told to fetch it.
    fetching: AtomicBool,
    /// What nobody had reserved when the newest block was.
    beyond: AtomicU64,
    /// The limit under which the blocks were reserved.
    limit: AtomicU64,
    /// From here on Postgres should be asked whose day it is, though there is enough.
    renew: AtomicU64,
    /// Until when their day certainly lasts, on CLOCK_BOOTTIME, however slow that is.
    lasts: AtomicU64,
    /// When their day ends by it.
    ends: AtomicU64,
    /// Until when the day counts as spent.
    spent_until: AtomicU64,
    /// Until when Postgres counts as away.
    failed_until: AtomicU64,
    /// For whoever reserves; requests never take it.
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    day: Option<NaiveDate>,
    size: u64,
    /// The size that the reservation under way is for.
    next_size: u64,
    granted_at: Option<Boottime>,
}

/// What the day said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// It took its place.
    Admitted {
        /// What is left of the day, as far as this process knows.
        remaining: u64,
        /// Whether the next block should be fetched now; said to one request at a time, which must see
        /// to it that [`granted`](Allowance::granted), [`failed`](Allowance::failed) or
        /// [`not_fetched`](Allowance::not_fetched) follows.
        fetch: bool,
    },
    /// The limit is used up.
    Spent,
    /// Postgres did not answer just now.
    Unavailable,
    /// A block must be reserved first.
    Ask,
}

/// A reservation to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// How many to ask for.
    pub wanted: u64,
    /// Reserved under another limit, to be given back first: the day and how many.
    pub give_back: Option<(NaiveDate, u64)>,
}

/// The answer of Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The UTC day, as Postgres has it.
    pub day: NaiveDate,
    /// How many were handed out; 0 if the limit is used up.
    pub granted: u64,
    /// How many are now handed out in all.
    pub reserved: u64,
    /// Until the end of the day.
    pub ends_in: Duration,
}

impl Allowance {
    /// Asks for a place under `limit` requests a day.
    pub fn take(&self, limit: u64, now: Boottime) -> Day {
        if limit == 0 {
            return Day::Spent;
        }
        let now = now.as_nanos();
        let current =
            self.limit.load(Ordering::Acquire) == limit && now < self.lasts.load(Ordering::Acquire);
        if current {
            let taken = self
                .left
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                    left.checked_sub(1)
                });
            if let Ok(before) = taken {
                let left = before - 1;
                return Day::Admitted {
                    remaining: left + self.beyond.load(Ordering::Relaxed),
                    fetch: self.is_due(left, now)
                        && now >= self.failed_until.load(Ordering::Acquire)
                        && now >= self.spent_until.load(Ordering::Acquire)
                        && !self.fetching.swap(true, Ordering::AcqRel),
                };
            }
            if now < self.spent_until.load(Ordering::Acquire) {
                return Day::Spent;
            }
        }
        if now < self.failed_until.load(Ordering::Acquire) {
            Day::Unavailable
        } else {
            Day::Ask
        }
    }

    /// What is left of the day under `limit`, as far as this process knows.
    pub fn remaining(&self, limit: u64, now: Boottime) -> Option<u64> {
        let known = self.limit.load(Ordering::Acquire) == limit && self.ends_in(now).is_some();
        known.then(|| self.left.load(Ordering::Relaxed) + self.beyond.load(Ordering::Relaxed))
    }

    /// Whether the next block should be fetched.
    pub fn is_low(&self, now: Boottime) -> bool {
        self.is_due(self.left.load(Ordering::Relaxed), now.as_nanos())
    }

    fn is_due(&self, left: u64, now: u64) -> bool {
        left <= self.low.load(Ordering::Relaxed) || now >= self.renew.load(Ordering::Relaxed)
    }

    /// The block was not fetched: another request may.
    pub fn not_fetched(&self) {
        self.fetching.store(false, Ordering::Release);
    }

    /// How long the day still lasts; none if no block of it was reserved.
    pub fn ends_in(&self, now: Boottime) -> Option<Duration> {
        let ends = Boottime::from_nanos(self.ends.load(Ordering::Acquire));
        (now < ends).then(|| ends.saturating_since(now))
    }

    /// What to reserve next under `limit`. One caller at a time; [`granted`](Self::granted) or
    /// [`failed`](Self::failed) must follow.
    pub fn reserve(&self, limit: u64, now: Boottime) -> Reservation {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let same_limit = self.limit.load(Ordering::Acquire) == limit;
        let give_back = (!same_limit)
            .then(|| self.left.swap(0, Ordering::AcqRel))
            .filter(|left| *left > 0)
            .and_then(|left| Some((book.day?, left)));
        let lasted = book.granted_at.map(|at| now.saturating_since(at));
        book.next_size = match lasted {
            None => FIRST_BLOCK,
            Some(lasted) if lasted < USED_FAST => book.size.saturating_mul(4).min(BLOCK_MAX),
            Some(lasted) if lasted > USED_SLOWLY => (book.size / 4).max(1),
            Some(_) => book.size,
        };
        let known = same_limit && now.as_nanos() < self.ends.load(Ordering::Acquire);
        let (open, left) = if known {
            let left = self.left.load(Ordering::Acquire);
            (self.beyond.load(Ordering::Acquire), left)
        } else {
            (limit, 0)
        };
        let most = book.next_size.clamp(1, (open / BLOCK_PART).max(1));
        Reservation {
            wanted: most.saturating_sub(left).max(1),
            give_back,
        }
    }

    /// Takes the answer to a reservation that was sent at `sent` under `limit`.
    pub fn granted(&self, limit: u64, sent: Boottime, grant: &Grant) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.day != Some(grant.day) {
            // What is left of the former day goes with it.
            self.left.store(0, Ordering::Release);
            book.day = Some(grant.day);
        }
        book.granted_at = Some(sent);
        book.size = book.next_size;
        let beyond = limit.saturating_sub(grant.reserved);
        self.beyond.store(beyond, Ordering::Release);
        // Counted from before the question: never later than Postgres's own midnight.
        let lasts = sent + grant.ends_in / DRIFT_PART * (DRIFT_PART - 1);
        self.lasts.store(lasts.as_nanos(), Ordering::Release);
        let renew = sent + grant.ends_in / RENEW_PART;
        self.renew.store(renew.as_nanos(), Ordering::Relaxed);
        let ends = sent + grant.ends_in;
        self.ends.store(ends.as_nanos(), Ordering::Release);
        self.limit.store(limit, Ordering::Release);
        if grant.granted == 0 {
            let until = (sent + SPENT_FOR).as_nanos();
            self.spent_until.store(until, Ordering::Release);
        } else {
            self.spent_until.store(0, Ordering::Release);
            let held = grant.granted + self.left.fetch_add(grant.granted, Ordering::AcqRel);
            self.low.store(held / 2, Ordering::Release);
        }
        self.not_fetched();
    }

    /// Postgres did not answer. What it may have handed out all the same is lost.
    pub fn failed(&self, now: Boottime) {
        let until = (now + FAILED_FOR).as_nanos();
        self.failed_until.store(until, Ordering::Release);
        self.not_fetched();
    }

    /// Takes what is left, to be given back when the process stops: the day and how many.
    pub fn close(&self) -> Option<(NaiveDate, u64)> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.left.swap(0, Ordering::AcqRel);
        book.day.filter(|_| left > 0).map(|day| (day, left))
    }
}

#[cfg(test)]
mod tests;
