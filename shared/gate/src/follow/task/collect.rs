//! Tombstones that nobody needs any more, and cached entries that nobody asks for.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use runtime::telemetry::chain;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::Driver;
use crate::core::stamp::Stamp;
use crate::metrics as names;

/// Between two looks through the cache, each of which takes a processor for about a third of a second
/// with a million entries.
const APART: Duration = Duration::from_mins(1);

/// A look through the cache, beside the apply task; it names the tombstones that it was for.
pub type Forgetting = JoinHandle<Stamp>;

impl Driver {
    /// What is due of it, at every beat of the lease.
    pub(super) fn collect(&mut self) {
        let now = self.fence_point();
        if self.parts.core.collect(now) {
            counter!(names::TOMBS_COLLECTED).increment(1);
        }
        let monotonic = self.parts.clock.monotonic();
        let Some(epoch) = self.parts.core.replica().epoch() else {
            return;
        };
        if self.forgetting.is_some() || monotonic < self.collect_at {
            return;
        }
        let settled = self.parts.hold.settled(epoch);
        let from = self.parts.config.tombstones;
        let Some(up_to) = self.parts.core.begin_collection(settled, from) else {
            return;
        };
        self.collect_at = monotonic + APART;
        let trusted = Arc::clone(self.parts.core.trusted());
        let registry = Arc::clone(&self.parts.registry);
        self.forgetting = Some(spawn_blocking(move || {
            trusted.forget_overruled(&registry);
            up_to
        }));
    }

    /// The look is over.
    pub(super) fn forgotten(&mut self, looked: Result<Stamp, JoinError>) {
        self.forgetting = None;
        match looked {
            Ok(up_to) => self.parts.core.forgotten(up_to, self.fence_point()),
            Err(error) => {
                tracing::error!(error = %chain(&error), "no tombstones were collected");
                self.parts.core.abandon_collection();
            }
        }
    }
}
