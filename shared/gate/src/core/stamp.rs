//! What an entry or a tombstone rests on, as numbers that compare.

use domain::ids::GlobalPosition;

use super::sync::{AtomicU64, Ordering};

const POSITION_BITS: u32 = 48;

/// How often this process has dropped everything and loaded again (revocation.md 5.1, R0).
///
/// Bounded: who reloads more often than that serves by VERIFY alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u16);

impl Generation {
    /// Before the first load; nothing of it is ever used.
    pub const NONE: Self = Self(0);
    const MAX: u16 = (1 << 15) - 1;

    /// The one after this; none after the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self.0 < Self::MAX).then_some(Self(self.0 + 1))
    }

    /// The stamp below all others of this generation.
    pub fn floor(self) -> Stamp {
        Stamp(u64::from(self.0) << POSITION_BITS)
    }

    /// The stamp of a snapshot or event at `position`.
    pub fn at(self, position: GlobalPosition) -> Stamp {
        debug_assert!(position.get() < 1 << POSITION_BITS);
        Stamp(self.floor().0 | position.get())
    }
}

/// A generation, then a position of the log in it. What an earlier generation knew is below all
/// that a later one knows, so nothing has to be cleared before the later one begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// Before everything.
    pub const ZERO: Self = Self(0);

    /// The position in the log.
    pub fn position(self) -> GlobalPosition {
        GlobalPosition::new(self.0 & ((1 << POSITION_BITS) - 1))
    }

    pub(super) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// What an auth event left behind for entries older than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// They are verified once and replaced.
    Changed,
    /// They are refused.
    Ended,
}

/// The newest auth event about a credential, its owner or its org; none has the lowest stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tomb(u64);

impl Tomb {
    /// No event since the process began.
    pub const NONE: Self = Self(0);

    /// Of an event.
    pub fn new(stamp: Stamp, mark: Mark) -> Self {
        Self(stamp.to_bits() << 1 | u64::from(mark == Mark::Ended))
    }

    /// Which event it was.
    pub const fn stamp(self) -> Stamp {
        Stamp::from_bits(self.0 >> 1)
    }

    /// What it says to an entry that rests on `stamp`; nothing if the entry is as new.
    pub fn says_to(self, stamp: Stamp) -> Option<Mark> {
        (self.stamp() > stamp).then_some(if self.0 & 1 == 1 {
            Mark::Ended
        } else {
            Mark::Changed
        })
    }
}

/// A [`Tomb`] that one task raises and every request reads.
#[derive(Debug)]
pub struct TombCell(AtomicU64);

impl TombCell {
    /// With what was known when it was made.
    pub fn new(tomb: Tomb) -> Self {
        Self(AtomicU64::new(tomb.0))
    }

    /// What is known; pairs with [`raise`](Self::raise).
    pub fn load(&self) -> Tomb {
        Tomb(self.0.load(Ordering::Acquire))
    }

    /// Takes the newer of the two.
    pub fn raise(&self, tomb: Tomb) {
        self.0.fetch_max(tomb.0, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn generation(number: u16) -> Generation {
        Generation(number)
    }

    fn at(number: u16, position: u64) -> Stamp {
        generation(number).at(GlobalPosition::new(position))
    }

    #[test]
    fn a_later_generation_is_above_every_position_of_an_earlier_one() {
        assert!(at(2, 0) > at(1, (1 << 48) - 1));
        assert!(at(2, 7) > at(2, 6));
        assert_eq!(generation(2).floor(), at(2, 0));
        assert_eq!(at(2, 7).position(), GlobalPosition::new(7));
        assert_eq!(Generation::NONE.next().unwrap(), generation(1));
        assert_eq!(generation(Generation::MAX).next(), None);
    }

    #[test]
    fn a_tomb_speaks_only_to_what_is_older() {
        let tomb = Tomb::new(at(1, 10), Mark::Ended);
        assert_eq!(tomb.says_to(at(1, 9)), Some(Mark::Ended));
        assert_eq!(tomb.says_to(at(1, 10)), None);
        assert_eq!(tomb.says_to(at(2, 0)), None);
        assert_eq!(Tomb::NONE.says_to(Stamp::default()), None);
        assert_eq!(
            Tomb::new(at(1, 10), Mark::Changed).says_to(at(1, 9)),
            Some(Mark::Changed)
        );
        let last = Tomb::new(at(Generation::MAX, (1 << 48) - 1), Mark::Changed);
        assert_eq!(last.stamp(), at(Generation::MAX, (1 << 48) - 1));
    }

    #[test]
    fn a_cell_keeps_the_newest() {
        let cell = TombCell::new(Tomb::NONE);
        let newer = Tomb::new(at(1, 5), Mark::Changed);
        cell.raise(newer);
        cell.raise(Tomb::new(at(1, 4), Mark::Ended));
        assert_eq!(cell.load(), newer);
    }
}
