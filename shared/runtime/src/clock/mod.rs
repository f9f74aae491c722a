//! The one door to time: wall clock, the kernel's three steady clocks, and sleeping.
//!
//! Everything that waits or compares times takes a [`Clock`], so that a test can hand in a manual
//! one and drive expiry, leases and retries without waiting.

mod instants;
mod manual;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};

pub use instants::{Boottime, Monotonic, MonotonicRaw};
pub use manual::ManualClock;

/// A source of time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<manual::Shared>),
}

/// The time given to [`Clock::timeout`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {} ms", limit.as_millis())]
pub struct TimedOut {
    /// The time that was given.
    pub limit: Duration,
}

impl Clock {
    /// The clocks of the operating system.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    pub fn manual(start: DateTime<Utc>) -> (Self, ManualClock) {
        let shared = Arc::new(manual::Shared::new(start));
        (
            Self(Source::Manual(Arc::clone(&shared))),
            ManualClock::new(shared),
        )
    }

    /// The wall clock. It may jump, so it dates things and never measures them.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => Utc::now(),
            Source::Manual(shared) => shared.readings().wall,
        }
    }

    /// CLOCK_MONOTONIC: never goes back, stands still while the machine is suspended.
    pub fn monotonic(&self) -> Monotonic {
        match &self.0 {
            Source::System => Monotonic::from_nanos(read(ClockId::Monotonic)),
            Source::Manual(shared) => shared.readings().monotonic,
        }
    }

    /// CLOCK_BOOTTIME: as monotonic, and goes on during suspend.
    pub fn boottime(&self) -> Boottime {
        match &self.0 {
            Source::System => Boottime::from_nanos(read(ClockId::Boottime)),
            Source::Manual(shared) => shared.readings().boottime,
        }
    }

    /// CLOCK_MONOTONIC_RAW: as monotonic, and no time daemon changes its rate.
    pub fn raw(&self) -> MonotonicRaw {
        match &self.0 {
            Source::System => MonotonicRaw::from_nanos(read(ClockId::MonotonicRaw)),
            Source::Manual(shared) => shared.readings().raw,
        }
    }

    /// Waits for `duration` of monotonic time, to the millisecond.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::System => system_sleep(duration).await,
            Source::Manual(shared) => {
                let deadline = shared.readings().monotonic + duration;
                shared.wait_until(deadline).await;
            }
        }
    }

    /// Waits until the monotonic clock shows `deadline`; returns at once if it already does.
    pub async fn sleep_until(&self, deadline: Monotonic) {
        match &self.0 {
            Source::System => system_sleep(deadline.saturating_since(self.monotonic())).await,
            Source::Manual(shared) => shared.wait_until(deadline).await,
        }
    }

    /// Runs `future` for at most `limit`, then drops it.
    ///
    /// # Errors
    /// [`TimedOut`] if the future was not ready in time.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, TimedOut> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(limit) => Err(TimedOut { limit }),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
async fn system_sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).expect("steady clocks count from the boot");
    let nanos = u64::try_from(time.tv_nsec).expect("nanoseconds are below a billion");
    seconds * 1_000_000_000 + nanos
}

#[cfg(test)]
mod tests;
