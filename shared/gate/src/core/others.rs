//! What of a key's window other processes took, and what of it they were told.

use std::collections::VecDeque;

use runtime::clock::Boottime;

/// The length of the window, in microseconds.
const WINDOW_MICROS: u64 = 60_000_000;
/// What is heard within so many microseconds counts as heard at their end.
const STEP_MICROS: u64 = 500_000;
/// Processes of a key whose counts are kept though none of them counts any more.
const IDLE_KEPT: usize = 8;

/// Once this part of a limit was admitted and not told, the others are told at once.
pub const URGENT_PART: u32 = 8;

/// What is new to others after an admission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct News {
    /// There is something to tell, which nobody has noted yet.
    pub is_first: bool,
    /// So much was not told that it should not wait.
    pub is_urgent: bool,
}

/// Another process, numbered by the one that hears it; a number is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// How many requests of a key one process has admitted: a number that only grows, whatever is
/// repeated, and how many of them lie in its trailing 60 s, for whoever did not know the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Admitted {
    /// Grows by one with each; where it begins says nothing.
    pub count: u64,
    /// In the 60 s before it was read.
    pub recent: u32,
}

/// What a key's window knows of other processes, once there are some.
#[derive(Debug)]
pub struct Others {
    /// What this process admitted.
    own: u64,
    /// What of that it has told.
    told: u64,
    /// The number of the message that told it last.
    told_in: u64,
    /// Whether it changed since.
    changed: bool,
    counts: Vec<(Slot, u64)>,
    heard: VecDeque<Heard>,
    total: u32,
}

/// Admissions of another process, heard in one step.
#[derive(Debug, Clone, Copy)]
struct Heard {
    step: u32,
    count: u32,
    slot: Slot,
}

impl Others {
    /// Begins to count. No key has more admissions than nanoseconds, so a count that begins at the
    /// clock's reading is above all that were told of the key before.
    pub fn new(now: Boottime) -> Self {
        Self {
            own: now.as_nanos(),
            told: now.as_nanos(),
            told_in: 0,
            changed: false,
            counts: Vec::new(),
            heard: VecDeque::new(),
            total: 0,
        }
    }

    /// This process admitted one under `limit`.
    pub fn admit(&mut self, limit: u32) -> News {
        self.own += 1;
        News {
            is_first: !std::mem::replace(&mut self.changed, true),
            is_urgent: self.own - self.told == u64::from(limit.div_ceil(URGENT_PART)),
        }
    }

    /// Whether there is something to tell.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Nobody is there to be told.
    pub fn drop_news(&mut self) {
        self.changed = false;
        self.told = self.own;
    }

    /// The count, which is about to be told in the message of this number.
    pub fn tell_in(&mut self, number: u64) -> u64 {
        self.changed = false;
        self.told_in = number;
        self.told = self.own;
        self.own
    }

    /// The number of the message that told the count last.
    pub fn told_in(&self) -> u64 {
        self.told_in
    }

    /// Another process has admitted so many.
    pub fn hear(&mut self, slot: Slot, admitted: Admitted, now: u64) {
        self.forget(now);
        let known = self.counts.iter_mut().find(|(other, _)| *other == slot);
        let more = match known {
            Some((_, count)) if admitted.count <= *count => return,
            Some((_, count)) => {
                let more = admitted.count - std::mem::replace(count, admitted.count);
                // Of what was missed for long only the last 60 s count.
                u32::try_from(more).map_or(admitted.recent, |more| more.min(admitted.recent))
            }
            None => {
                self.drop_idle_counts();
                self.counts.push((slot, admitted.count));
                admitted.recent
            }
        };
        self.take(slot, more, now);
    }

    fn take(&mut self, slot: Slot, more: u32, now: u64) {
        let more = more.min(u32::MAX - self.total);
        if more == 0 {
            return;
        }
        self.total += more;
        // Readings of two threads may come in the other order.
        let newest = self.heard.back().map_or(0, |heard| heard.step);
        let step = step(now).max(newest);
        let same = |heard: &&mut Heard| heard.step == step && heard.slot == slot;
        match self.heard.iter_mut().rev().take(IDLE_KEPT).find(same) {
            Some(heard) => heard.count += more,
            None => self.heard.push_back(Heard {
                step,
                count: more,
                slot,
            }),
        }
    }

    /// Drops what has left the window.
    pub fn forget(&mut self, now: u64) {
        while let Some(oldest) = self.heard.front()
            && left(oldest, now) == 0
        {
            self.total -= oldest.count;
            self.heard.pop_front();
        }
        if self.heard.is_empty() {
            self.counts.clear();
        }
    }

    /// Whether it may be dropped: nothing counts, and nothing is to be told.
    pub fn is_idle(&mut self, now: u64) -> bool {
        self.forget(now);
        self.heard.is_empty() && !self.changed
    }

    /// Admissions of others that count.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Those of them that were heard up to then.
    pub fn heard_until(&self, until: u64) -> u32 {
        let last = step(until);
        let until = self.heard.iter().take_while(|heard| heard.step <= last);
        until.map(|heard| heard.count).sum()
    }

    /// When they leave the window, the first to leave first: microseconds from `now`, and how many.
    pub fn leaving(&self, now: u64) -> impl Iterator<Item = (u64, u32)> {
        self.heard
            .iter()
            .map(move |heard| (left(heard, now), heard.count))
    }

    /// What is known of one process, to be told in its place; none if nothing of it counts.
    pub fn of(&self, slot: Slot) -> Option<Admitted> {
        let (_, count) = self.counts.iter().find(|(other, _)| *other == slot)?;
        let of_it = self.heard.iter().filter(|heard| heard.slot == slot);
        let recent: u32 = of_it.map(|heard| heard.count).sum();
        (recent > 0).then_some(Admitted {
            count: *count,
            recent,
        })
    }

    fn drop_idle_counts(&mut self) {
        if self.counts.len() < IDLE_KEPT {
            return;
        }
        let heard = &self.heard;
        let counts = |slot: &Slot| heard.iter().any(|heard| heard.slot == *slot);
        self.counts.retain(|(slot, _)| counts(slot));
    }
}

/// Counted from the clock's origin; the last one stands for all after 68 years.
fn step(micros: u64) -> u32 {
    u32::try_from(micros / STEP_MICROS).unwrap_or(u32::MAX)
}

/// Microseconds for which it still counts.
fn left(heard: &Heard, now: u64) -> u64 {
    ((u64::from(heard.step) + 1) * STEP_MICROS + WINDOW_MICROS).saturating_sub(now)
}

#[cfg(test)]
mod tests;
