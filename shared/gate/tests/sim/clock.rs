//! Clocks of one machine: each runs at a rate of its own, from an origin of its own.

use gate::core::clocks::{FencePoint, WaitPoint};
use runtime::clock::{Boottime, Monotonic, MonotonicRaw};

use crate::rng::Rng;

/// The most by which a clock's rate may be wrong: ρ of revocation.md, in thousandths.
const RHO: u64 = 100;

/// A machine's clocks. They go on while a process is stopped, and two of them stand still while the
/// machine sleeps.
#[derive(Debug, Clone)]
pub struct Clocks {
    boot: OneClock,
    mono: OneClock,
    raw: OneClock,
    /// Of a machine that sleeps: whether its raw clock runs on.
    raw_sleeps: bool,
}

#[derive(Debug, Clone)]
struct OneClock {
    origin: u64,
    /// Thousandths of real time.
    rate: u64,
    /// Real times that this clock did not see: from, until.
    slept: Vec<(u64, u64)>,
}

impl OneClock {
    fn new(rng: &mut Rng, drift: u64) -> Self {
        Self {
            origin: rng.below(1 << 50),
            rate: rng.between(1_000 - drift, 1_001 + drift),
            slept: Vec::new(),
        }
    }

    fn read(&self, now: u64) -> u64 {
        let slept = |(from, until): &(u64, u64)| now.min(*until).saturating_sub(*from);
        let unseen: u64 = self.slept.iter().map(slept).sum();
        self.origin + now.saturating_sub(unseen) / 1_000 * self.rate
    }
}

impl Clocks {
    /// All of whose rates are wrong by `drift` thousandths, in the same direction.
    pub fn extreme(rng: &mut Rng, drift: u64, slow: u64) -> Self {
        let drift = drift.min(RHO);
        let rate = if rng.permille(slow) {
            1_000 - drift
        } else {
            1_000 + drift
        };
        let mut clocks = Self::new(rng, 0);
        for clock in [&mut clocks.boot, &mut clocks.mono, &mut clocks.raw] {
            clock.rate = rate;
        }
        clocks
    }

    /// Whose rates are wrong by at most `drift` thousandths.
    pub fn new(rng: &mut Rng, drift: u64) -> Self {
        let drift = drift.min(RHO);
        Self {
            boot: OneClock::new(rng, drift),
            mono: OneClock::new(rng, drift),
            raw: OneClock::new(rng, drift),
            raw_sleeps: rng.permille(500),
        }
    }

    /// The machine sleeps.
    pub fn sleep(&mut self, from: u64, until: u64) {
        self.mono.slept.push((from, until));
        if self.raw_sleeps {
            self.raw.slept.push((from, until));
        }
    }

    pub fn fence(&self, now: u64) -> FencePoint {
        FencePoint {
            boot: Boottime::from_nanos(self.boot.read(now)),
            raw: MonotonicRaw::from_nanos(self.raw.read(now)),
        }
    }

    pub fn wait(&self, now: u64) -> WaitPoint {
        WaitPoint {
            mono: Monotonic::from_nanos(self.mono.read(now)),
            raw: MonotonicRaw::from_nanos(self.raw.read(now)),
        }
    }
}
