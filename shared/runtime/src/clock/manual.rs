use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::{Boottime, Monotonic, MonotonicRaw};

/// Moves the time of the [`Clock`](super::Clock) it was made with.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Shared>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Readings {
    pub wall: DateTime<Utc>,
    pub monotonic: Monotonic,
    pub boottime: Boottime,
    pub raw: MonotonicRaw,
}

/// The readings, and through the channel's receivers everyone who sleeps.
#[derive(Debug)]
pub(super) struct Shared(watch::Sender<Readings>);

impl ManualClock {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Lets `duration` pass on every clock and wakes whoever is due.
    pub fn advance(&self, duration: Duration) {
        self.0.0.send_modify(|now| {
            now.wall += wall_delta(duration);
            now.monotonic = now.monotonic + duration;
            now.boottime = now.boottime + duration;
            now.raw = now.raw + duration;
        });
    }

    /// Suspends the machine for `duration`: only wall clock and boottime go on.
    pub fn suspend(&self, duration: Duration) {
        self.0.0.send_modify(|now| {
            now.wall += wall_delta(duration);
            now.boottime = now.boottime + duration;
        });
    }

    /// Sets the wall clock, backwards too; the steady clocks do not notice.
    pub fn set_wall(&self, wall: DateTime<Utc>) {
        self.0.0.send_modify(|now| now.wall = wall);
    }

    /// How many tasks sleep on this clock just now.
    pub fn sleepers(&self) -> usize {
        self.0.0.receiver_count()
    }
}

impl Shared {
    pub(super) fn new(start: DateTime<Utc>) -> Self {
        // Not zero: code that takes zero for "never" should fail in tests.
        let origin = Duration::from_secs(1_000);
        Self(watch::Sender::new(Readings {
            wall: start,
            monotonic: Monotonic::default() + origin,
            boottime: Boottime::default() + origin * 2,
            raw: MonotonicRaw::default() + origin * 3,
        }))
    }

    pub(super) fn readings(&self) -> Readings {
        *self.0.borrow()
    }

    pub(super) async fn wait_until(&self, deadline: Monotonic) {
        let mut readings = self.0.subscribe();
        readings
            .wait_for(|now| now.monotonic >= deadline)
            .await
            .expect("the sender lives in self");
    }
}

fn wall_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("tests move time by less than millions of years")
}
