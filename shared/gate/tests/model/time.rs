//! Ticks of the model as readings of the core's clocks.

use std::time::Duration;

use gate::core::clocks::{FencePoint, WaitPoint};
use runtime::clock::{Boottime, Monotonic, MonotonicRaw};

/// One tick. With it D = 108 ms is 2 ticks and the real W, 108 · 11/9 + 30 = 162 ms, is exactly 3.
pub const TICK: Duration = Duration::from_millis(54);

/// Where each clock began: no two of them can be compared.
const BOOT: Boottime = Boottime::from_nanos(7_000_000_000);
const MONO: Monotonic = Monotonic::from_nanos(5_000_000_000);
const RAW: MonotonicRaw = MonotonicRaw::from_nanos(3_000_000_000);

/// What fence clocks show after so many ticks.
pub fn fence(ticks: u8) -> FencePoint {
    let passed = TICK * u32::from(ticks);
    FencePoint {
        boot: BOOT + passed,
        raw: RAW + passed,
    }
}

/// What wait clocks show after so many ticks.
pub fn wait(ticks: u8) -> WaitPoint {
    let passed = TICK * u32::from(ticks);
    WaitPoint {
        mono: MONO + passed,
        raw: RAW + passed,
    }
}

/// Clocks are read at whole ticks, so a lease or a wait of this duration ends after so many.
pub fn ticks(duration: Duration) -> u128 {
    duration.as_nanos().div_ceil(TICK.as_nanos())
}
