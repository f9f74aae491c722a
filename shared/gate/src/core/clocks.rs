//! Elapsed time as the protocol measures it (revocation.md 2): over an interval, on two clocks.

use std::time::Duration;

use runtime::clock::{Boottime, Monotonic, MonotonicRaw};

use super::mutant::Mutant;

/// Granularity of the clocks, added to every wait.
pub const EPSILON: Duration = Duration::from_millis(30);

/// How long after its commit a deny event needs to be waited for, given a lease term:
/// W = D(1+ρ)/(1−ρ) + ε with ρ = 0.1, rounded up to whole milliseconds.
pub fn wait_bound(term: Duration) -> Duration {
    if Mutant::ShortWait.is_active() {
        return term;
    }
    let millis = term.as_micros().saturating_mul(11).div_ceil(9_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).saturating_add(EPSILON)
}

/// Readings of a replica's two fence clocks. They never leave the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FencePoint {
    /// CLOCK_BOOTTIME, which goes on in suspend.
    pub boot: Boottime,
    /// CLOCK_MONOTONIC_RAW, which nobody slews.
    pub raw: MonotonicRaw,
}

/// Until when a replica may trust its cache: both clocks must still be below their own deadline,
/// so the longer of the two elapsed times counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Deadlines {
    /// On CLOCK_BOOTTIME.
    pub boot: Boottime,
    /// On CLOCK_MONOTONIC_RAW.
    pub raw: MonotonicRaw,
}

impl Deadlines {
    /// A lease of `term` that runs from `start`, which was read before the renewal was sent.
    pub fn after(start: FencePoint, term: Duration) -> Self {
        Self {
            boot: start.boot + term,
            raw: start.raw + term,
        }
    }

    /// Whether the lease still holds.
    pub fn cover(self, now: FencePoint) -> bool {
        if Mutant::ClocksZeroed.is_active() {
            let shown = now.boot.as_nanos().max(now.raw.as_nanos());
            return shown < self.boot.as_nanos().max(self.raw.as_nanos());
        }
        now.boot < self.boot && now.raw < self.raw
    }

    /// The later deadline on each clock.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            boot: self.boot.max(other.boot),
            raw: self.raw.max(other.raw),
        }
    }
}

/// Readings of the coordinator's two wait clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WaitPoint {
    /// CLOCK_MONOTONIC.
    pub mono: Monotonic,
    /// CLOCK_MONOTONIC_RAW.
    pub raw: MonotonicRaw,
}

impl WaitPoint {
    /// The time that certainly passed since this reading: the shorter of the two.
    pub fn elapsed(self, now: Self) -> Duration {
        now.mono
            .saturating_since(self.mono)
            .min(now.raw.saturating_since(self.raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(boot: u64, raw: u64) -> FencePoint {
        FencePoint {
            boot: Boottime::from_nanos(boot),
            raw: MonotonicRaw::from_nanos(raw),
        }
    }

    fn wait(mono: u64, raw: u64) -> WaitPoint {
        WaitPoint {
            mono: Monotonic::from_nanos(mono),
            raw: MonotonicRaw::from_nanos(raw),
        }
    }

    #[test]
    fn the_bound_is_the_one_of_the_specification() {
        for (term, bound) in [
            (1_000, 1_253),
            (2_000, 2_475),
            (5_000, 6_142),
            (10_000, 12_253),
        ] {
            assert_eq!(
                wait_bound(Duration::from_millis(term)),
                Duration::from_millis(bound)
            );
        }
    }

    #[test]
    fn a_lease_ends_with_the_faster_clock() {
        let lease = Deadlines::after(fence(1_000, 5_000), Duration::from_nanos(100));
        assert!(lease.cover(fence(1_099, 5_099)));
        // Suspended: boottime ran on while the raw clock stood still.
        assert!(!lease.cover(fence(1_100, 5_001)));
        assert!(!lease.cover(fence(1_001, 5_100)));
        assert!(!Deadlines::default().cover(fence(0, 0)));
    }

    #[test]
    fn of_two_leases_each_clock_keeps_its_later_deadline() {
        let lease = |boot, raw| Deadlines::after(fence(boot, raw), Duration::from_nanos(100));
        assert_eq!(lease(3, 8).max(lease(5, 6)), lease(5, 8));
    }

    #[test]
    fn a_wait_ends_with_the_slower_clock() {
        let start = wait(10, 500);
        assert_eq!(start.elapsed(wait(110, 530)), Duration::from_nanos(30));
        assert_eq!(start.elapsed(wait(40, 900)), Duration::from_nanos(30));
        assert_eq!(start.elapsed(wait(5, 900)), Duration::ZERO);
    }
}
