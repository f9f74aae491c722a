//! R0: everything begins with a snapshot of the primary.

use std::future::pending;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::ids::LogEpoch;
use metrics::counter;
use runtime::clock::Clock;
use runtime::retry::Policy;
use runtime::telemetry::chain;

use super::Follower;
use super::lease::PERIOD;
use crate::cache::{Allowed, CacheKey};
use crate::core::entry::{Entries, EntryRef};
use crate::core::registry::Registry;
use crate::core::stamp::Generation;
use crate::follow::feed;
use crate::metrics as names;
use crate::store::{Snapshot, StoreError};

/// How long Postgres may take to give the snapshot, and for each of its pages, of about 5,000
/// credentials: an end to a connection whose other side is gone without a word.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// Between two tries to load.
const LOAD_AGAIN: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(5));

impl Follower {
    /// R0 LOAD, until it succeeds; false if the tasks stop or this process loaded too often.
    pub(super) async fn load(&mut self) -> bool {
        self.fence();
        self.heard = None;
        self.read_at = None;
        self.left_behind.extend(self.core.incarnation());
        let entropy = self.entropy.clone();
        let mut waits = LOAD_AGAIN.waits(&entropy);
        loop {
            let tasks = self.tasks.clone();
            let loaded = tokio::select! {
                () = tasks.stopping() => return false,
                loaded = self.load_once() => loaded,
            };
            let error = match loaded {
                Ok(()) => return true,
                Err(error) => error,
            };
            tracing::warn!(error = %chain(&error), "credentials could not be loaded");
            let wait = waits.next().unwrap_or(PERIOD);
            tokio::select! {
                () = tasks.stopping() => return false,
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    async fn load_once(&mut self) -> Result<(), StoreError> {
        let began = self.clock.monotonic();
        let snapshot = Snapshot::begin(&self.primary);
        let mut snapshot = self.clock.timeout(PAGE_DEADLINE, snapshot).await??;
        let Some(generation) = self.core.load(snapshot.epoch, snapshot.auth_position) else {
            self.tasks
                .fail("gate apply", "loaded too often in one life");
            pending().await
        };
        self.begin(generation, snapshot.epoch);
        let entries = Entries::new(generation.at(snapshot.auth_position));
        let filled = fill(
            &self.trusted.allowed,
            &self.registry,
            &mut snapshot,
            entries,
            &self.clock,
        );
        if let Err(error) = filled.await {
            self.core.forget();
            return Err(error);
        }
        self.heard = Some(feed::start(
            &self.log,
            self.nats.clone(),
            snapshot.position,
            snapshot.epoch,
            self.clock.clone(),
            &self.tasks,
        ));
        let ended = self.clock.timeout(PAGE_DEADLINE, snapshot.end()).await;
        if let Err(error) = ended.map_err(StoreError::from).flatten() {
            tracing::debug!(error = %chain(&error), "the snapshot was not ended in order");
        }
        self.trusted.allowed.run_pending_tasks();
        let applied = self.core.applied().get();
        self.trusted.applied.store(applied, Ordering::Release);
        counter!(names::LOADS).increment(1);
        tracing::info!(
            entries = self.trusted.allowed.entry_count(),
            millis = self.clock.monotonic().saturating_since(began).as_millis(),
            "credentials loaded"
        );
        self.beat_at(self.clock.monotonic());
        Ok(())
    }

    /// From here on nothing of an earlier generation is used. The lease is fenced.
    fn begin(&self, generation: Generation, epoch: LogEpoch) {
        self.trusted.lease.begin(generation);
        let mut current = self
            .trusted
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = (generation, Some(epoch));
        drop(current);
        self.trusted.applied.store(0, Ordering::Release);
        self.registry.read_from(epoch);
        self.registry.forget(generation.floor());
        // Only to free the memory: the floor keeps old entries out.
        self.trusted.allowed.invalidate_all();
        self.trusted.refused.invalidate_all();
    }
}

/// While one page is inserted, Postgres works on the next.
async fn fill(
    allowed: &Allowed,
    registry: &Registry,
    snapshot: &mut Snapshot,
    mut entries: Entries,
    clock: &Clock,
) -> Result<(), StoreError> {
    let mut page = clock.timeout(PAGE_DEADLINE, snapshot.page()).await??;
    while let Some(rows) = page {
        let insert = async {
            for (hash, row, org) in rows {
                let entry = entries.make(row, &org, registry);
                allowed.insert(CacheKey::from(&hash), EntryRef::new(entry));
            }
        };
        let next = clock.timeout(PAGE_DEADLINE, snapshot.page());
        let (next, ()) = tokio::join!(next, insert);
        page = next??;
    }
    Ok(())
}
