//! R0: everything begins with a snapshot of the primary.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use runtime::clock::Clock;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use super::Driver;
use super::lease::PERIOD;
use crate::cache::Credentials;
use crate::core::entry::{Basis, Entries, EntryRef};
use crate::core::registry::Registry;
use crate::core::trusted::Cache;
use crate::follow::{feed, news};
use crate::metrics as names;
use crate::store::{Snapshot, StoreError};

/// How long Postgres may take to give the snapshot, and for each of its pages, of about 5,000
/// credentials: an end to a connection whose other side is gone without a word.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// What makes one replica load anew mostly makes all: on average they begin after so long, apart.
const RELOAD_IN: Duration = Duration::from_millis(250);
/// Between two tries to load.
const LOAD_AGAIN: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(5));

impl Driver {
    /// R0 LOAD, until it succeeds; false if the tasks stop or this process loaded too often.
    pub(super) async fn load(&mut self) -> bool {
        self.parts.core.drop_everything();
        self.observe();
        self.heard = None;
        self.read_at = None;
        self.reading = None;
        let entropy = self.parts.replica.entropy.clone();
        if self.has_loaded && !self.pause(entropy.jitter(RELOAD_IN, 1.0)).await {
            return false;
        }
        let mut waits = LOAD_AGAIN.waits(&entropy);
        loop {
            let tasks = self.parts.tasks.clone();
            let loaded = tokio::select! {
                () = tasks.stopping() => return false,
                loaded = self.load_once() => loaded,
            };
            let error = match loaded {
                Ok(()) => return true,
                Err(error) => error,
            };
            tracing::warn!(error = %chain(&error), "credentials could not be loaded");
            if !self.pause(waits.next().unwrap_or(PERIOD)).await {
                return false;
            }
        }
    }

    /// Resolves to false if the tasks stop.
    fn pause(&self, length: Duration) -> impl Future<Output = bool> + use<> {
        let (tasks, clock) = (self.parts.tasks.clone(), self.parts.clock.clone());
        async move {
            tokio::select! {
                () = tasks.stopping() => false,
                () = clock.sleep(length) => true,
            }
        }
    }

    async fn load_once(&mut self) -> Result<(), StoreError> {
        let clock = self.parts.clock.clone();
        let began = clock.monotonic();
        let snapshot = Snapshot::begin(&self.parts.replica.primary);
        let mut snapshot = clock.timeout(PAGE_DEADLINE, snapshot).await??;
        let (epoch, head) = (snapshot.epoch, snapshot.auth_position);
        self.longest_term = snapshot.longest_term;
        self.see(epoch, head, snapshot.settled);
        let Some(generation) = self.parts.core.begin(epoch, head) else {
            let tasks = &self.parts.tasks;
            tasks.fail("gate apply", "loaded too often in one life");
            pending().await
        };
        let entries = Entries::new(Basis {
            stamp: generation.at(head),
            epoch,
            settled: snapshot.settled,
        });
        let cache = self.parts.core.trusted().cache();
        let filled = fill(cache, &self.parts.registry, &mut snapshot, entries, &clock);
        if let Err(error) = filled.await {
            self.parts.core.drop_everything();
            return Err(error);
        }
        self.follow(&snapshot);
        let ended = clock.timeout(PAGE_DEADLINE, snapshot.end()).await;
        if let Err(error) = ended.map_err(StoreError::from).flatten() {
            tracing::debug!(error = %chain(&error), "the snapshot was not ended in order");
        }
        self.parts.core.loaded();
        self.has_loaded = true;
        let cache = self.parts.core.trusted().cache();
        cache.count_all();
        counter!(names::LOADS, "reason" => self.load_for).increment(1);
        tracing::info!(
            entries = cache.count(),
            millis = clock.monotonic().saturating_since(began).as_millis(),
            "credentials loaded"
        );
        self.beat_at(clock.monotonic());
        Ok(())
    }

    /// Auth events come twice: as whoever committed them tells them, and in the feed of the log.
    fn follow(&mut self, snapshot: &Snapshot) {
        let (sender, receiver) = mpsc::channel(feed::BATCHES);
        let replica = &self.parts.replica;
        if let Some(nats) = &replica.nats {
            news::start(
                nats.clone(),
                snapshot.bus_key.clone(),
                snapshot.epoch,
                Arc::clone(&self.parts.hold),
                sender.clone(),
                self.parts.clock.clone(),
                &self.parts.tasks,
            );
        }
        feed::start(
            &replica.log,
            replica.nats.clone(),
            snapshot.position,
            snapshot.epoch,
            sender,
            self.parts.clock.clone(),
            &self.parts.tasks,
        );
        self.heard = Some(receiver);
    }
}

/// While one page is inserted, Postgres works on the next.
async fn fill(
    cache: &Credentials,
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
                cache.insert(&hash, EntryRef::new(entry));
            }
        };
        let next = clock.timeout(PAGE_DEADLINE, snapshot.page());
        let (next, ()) = tokio::join!(next, insert);
        page = next??;
    }
    Ok(())
}
