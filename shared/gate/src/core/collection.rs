//! When tombstones may be dropped (revocation.md 7, rule 3).
//!
//! One speaks to entries that are older than it. So first everything in the cache is forgotten that
//! a tombstone speaks to, beside the requests; then nobody can find such an entry any more. Who found one
//! before may not have read its tombstones yet, but has read deadlines: once those have run out on the
//! clocks that a request reads last, it asks the primary whatever it finds. And what was read on the
//! primary before the newest dropped tombstone is never cached, however late it comes.

use super::clocks::{Deadlines, FencePoint};
use super::mutant::Mutant;
use super::stamp::Stamp;

/// How far the apply task has come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collection {
    stage: Stage,
    /// No tombstone is left up to here.
    collected: Stamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Rests,
    /// Entries are being forgotten that tombstones up to here speak to.
    Forgets(Stamp),
    /// They are forgotten; nobody who found one before is accepted with it after the deadlines.
    Waits(Stamp, Deadlines),
}

impl Collection {
    /// Of a replica that has collected nothing.
    pub const REST: Self = Self {
        stage: Stage::Rests,
        collected: Stamp::ZERO,
    };

    /// Begins with tombstones up to `up_to`, all of which stand; false if that is nothing new, or
    /// one is under way.
    pub fn begin(&mut self, up_to: Stamp) -> bool {
        let begins = self.stage == Stage::Rests && up_to > self.collected;
        if begins {
            self.stage = Stage::Forgets(up_to);
        }
        begins
    }

    /// Every entry that they speak to is forgotten; no deadlines that a request has read by now lie
    /// after `until`.
    pub fn forgotten(&mut self, up_to: Stamp, until: Deadlines) {
        if self.stage == Stage::Forgets(up_to) {
            self.stage = Stage::Waits(up_to, until);
        }
    }

    /// The look through the cache came to nothing: the tombstones stand, and it may begin again.
    pub fn abandon(&mut self) {
        if matches!(self.stage, Stage::Forgets(_)) {
            self.stage = Stage::Rests;
        }
    }

    /// Up to where tombstones may be dropped now; nothing of what they spoke to is allowed from
    /// here on.
    pub fn due(&mut self, now: FencePoint) -> Option<Stamp> {
        let Stage::Waits(up_to, until) = self.stage else {
            return None;
        };
        if until.cover(now) && !Mutant::CollectEarly.is_active() {
            return None;
        }
        self.stage = Stage::Rests;
        self.collected = up_to;
        Some(up_to)
    }

    /// Whether an entry that rests on `stamp` may be cached: an older one may have had a tombstone.
    pub fn allows(&self, stamp: Stamp) -> bool {
        stamp >= self.collected || Mutant::CollectThenInsert.is_active()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::samples::{fence, stamp};
    use super::*;

    fn until(second: u64) -> Deadlines {
        Deadlines::after(fence(second), Duration::ZERO)
    }

    #[test]
    fn what_is_forgotten_is_dropped_once_no_deadline_is_left_that_was_read_before() {
        let mut collection = Collection::REST;
        assert!(collection.begin(stamp(10)));
        assert!(!collection.begin(stamp(12)), "one at a time");
        assert_eq!(collection.due(fence(9)), None, "nothing is forgotten yet");
        collection.forgotten(stamp(10), until(5));
        assert_eq!(collection.due(fence(4)), None);
        assert!(collection.allows(stamp(9)));
        assert_eq!(collection.due(fence(5)), Some(stamp(10)));
        assert_eq!(collection.due(fence(6)), None, "once");
        assert!(!collection.allows(stamp(9)) && collection.allows(stamp(10)));
        assert!(!collection.begin(stamp(10)), "nothing new");
        assert!(collection.begin(stamp(11)));
    }

    #[test]
    fn either_clock_ends_the_wait_as_either_ends_a_lease() {
        let mut collection = Collection::REST;
        assert!(collection.begin(stamp(10)));
        collection.forgotten(stamp(10), until(5));
        let mut slept = fence(4);
        slept.boot = fence(6).boot;
        assert_eq!(collection.due(slept), Some(stamp(10)));
    }

    #[test]
    fn a_look_that_came_to_nothing_drops_nothing_and_may_be_repeated() {
        let mut collection = Collection::REST;
        assert!(collection.begin(stamp(10)));
        collection.abandon();
        assert_eq!(collection.due(fence(9)), None);
        assert!(collection.allows(stamp(9)));
        assert!(collection.begin(stamp(10)));
        collection.forgotten(stamp(10), until(5));
        collection.abandon();
        assert_eq!(collection.due(fence(5)), Some(stamp(10)), "it had ended");
    }

    #[test]
    fn what_was_begun_before_everything_was_dropped_ends_nothing() {
        let mut collection = Collection::REST;
        assert!(collection.begin(stamp(10)));
        collection = Collection::REST;
        collection.forgotten(stamp(10), until(5));
        assert_eq!(collection.due(fence(9)), None);
        assert!(collection.begin(stamp(10)));
        collection.forgotten(stamp(9), until(5));
        assert_eq!(collection.due(fence(9)), None, "of another one");
    }
}
