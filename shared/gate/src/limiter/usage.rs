//! Flushing what was used, and freeing what is idle.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use metrics::counter;
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use super::Limiter;
use crate::core::registry::Credential;
use crate::metrics as names;
use crate::store::{self, StoreError, UsageOf};

const EVERY: Duration = Duration::from_mins(1);
/// Rows of one statement; with those of its last credential it may have some more.
const ROWS: usize = 1_000;
const DEADLINE: Duration = Duration::from_secs(5);
/// Counts of older days are dropped, but for the newest of each credential and scope.
const KEPT: TimeDelta = TimeDelta::days(91);
/// Counts that are dropped at once.
const PRUNED: i32 = 1_000;
/// How often that is done in a row.
const PRUNED_BATCHES: usize = 16;
/// Minutes between two looks for old counts that find none.
const PRUNE_EVERY: u64 = 60;

impl Limiter {
    /// Runs until the tasks stop; then flushes what is left and gives unused quota back.
    pub(super) async fn keep(self, mut first_uses: mpsc::Receiver<Arc<Credential>>) {
        let clock = self.0.clock.clone();
        let mut next = clock.monotonic() + EVERY;
        let mut first = Vec::new();
        let (mut minute, mut found_some) = (0, false);
        loop {
            tokio::select! {
                () = self.0.tasks.stopping() => break,
                () = clock.sleep_until(next) => {
                    next = clock.monotonic() + EVERY;
                    self.flush(self.0.registry.credentials()).await;
                    self.0.registry.sweep(clock.boottime());
                    minute += 1;
                    found_some = self.prune(minute, found_some).await;
                }
                _ = first_uses.recv_many(&mut first, ROWS) => {
                    self.flush(first.drain(..)).await;
                }
            }
        }
        self.flush(self.0.registry.credentials()).await;
        self.give_all_back().await;
    }

    /// Drops counts that nobody can ask for any more: some batches a minute while there are any, else
    /// one an hour. Says whether there may be more.
    async fn prune(&self, minute: u64, found_some: bool) -> bool {
        if !found_some && !minute.is_multiple_of(PRUNE_EVERY) {
            return false;
        }
        let before = self.0.clock.now().date_naive() - KEPT;
        for _ in 0..PRUNED_BATCHES {
            let pruned = store::prune(&self.0.pool, before, PRUNED);
            let pruned = self.0.clock.timeout(DEADLINE, pruned).await;
            match pruned.map_err(StoreError::from).flatten() {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "old usage is pruned later");
                    return false;
                }
            }
        }
        true
    }

    /// Adds counts to what is stored. What cannot be written is kept for the next time.
    async fn flush(&self, credentials: impl Iterator<Item = Arc<Credential>>) {
        let used = credentials.filter(|credential| !credential.state().usage.is_empty());
        let mut used = used.peekable();
        while used.peek().is_some() {
            let mut batch = Vec::new();
            let mut rows = 0;
            while rows < ROWS
                && let Some(credential) = used.next()
            {
                let taken = credential.state().usage.take();
                rows += taken.rows();
                let of = UsageOf {
                    credential: credential.id,
                    org: credential.org,
                    taken,
                };
                batch.push((credential, of));
            }
            let (credentials, counts): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let written = store::record(&self.0.pool, &counts);
            let written = self.0.clock.timeout(DEADLINE, written).await;
            if let Err(error) = written.map_err(StoreError::from).flatten() {
                counter!(names::FLUSH_FAILURES).increment(1);
                tracing::warn!(error = %chain(&error), rows, "usage is kept for later");
                for (credential, of) in credentials.iter().zip(counts) {
                    credential.state().usage.put_back(of.taken);
                }
                return;
            }
        }
    }
}
