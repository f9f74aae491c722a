//! The lease as requests read it.

use runtime::clock::{Boottime, MonotonicRaw};

use super::clocks::{Deadlines, FencePoint};
use super::mutant::Mutant;
use super::stamp::{Generation, Stamp};
use super::sync::{AtomicU64, Ordering};

/// The deadlines and the oldest stamp that may be used, written by the apply task alone.
///
/// Deadlines only grow but for a fence, so a reader that sees one of an older and one of a newer
/// renewal is held to the stricter of both, and knows all that the newer one had applied.
#[derive(Debug, Default)]
pub struct LeaseCell {
    boot: AtomicU64,
    raw: AtomicU64,
    floor: AtomicU64,
}

impl LeaseCell {
    /// First thing a request reads (pitfall 6): cache and tombstones come after it.
    pub fn deadlines(&self) -> Deadlines {
        Deadlines {
            boot: Boottime::from_nanos(self.boot.load(Ordering::Acquire)),
            raw: MonotonicRaw::from_nanos(self.raw.load(Ordering::Acquire)),
        }
    }

    /// Entries below it are forgotten. Read after [`deadlines`](Self::deadlines).
    pub fn floor(&self) -> Stamp {
        Stamp::from_bits(self.floor.load(Ordering::Acquire))
    }

    /// Last thing the apply task does for a renewal: tombstones stand by now.
    pub fn extend(&self, to: Deadlines) {
        self.raw.fetch_max(to.raw.as_nanos(), Ordering::Release);
        self.boot.fetch_max(to.boot.as_nanos(), Ordering::Release);
    }

    /// Only with a fault: a timer clears what should be read of the clocks.
    pub(super) fn tick(&self, now: FencePoint) {
        if Mutant::TimerFlag.is_active() && !self.deadlines().cover(now) {
            self.fence();
        }
    }

    /// The cache may not be trusted from now on.
    pub fn fence(&self) {
        self.boot.store(0, Ordering::Release);
        self.raw.store(0, Ordering::Release);
    }

    /// Forgets every entry of earlier generations.
    pub fn begin(&self, generation: Generation) {
        self.floor
            .store(generation.floor().to_bits(), Ordering::Release);
    }
}
