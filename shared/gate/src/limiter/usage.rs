//! Flushing what was used, and freeing what is idle.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use runtime::telemetry::chain;
use tokio::sync::mpsc;

use super::Limiter;
use crate::core::registry::Credential;
use crate::metrics as names;
use crate::store::{self, StoreError, UsageRow};

const EVERY: Duration = Duration::from_mins(1);
/// Rows of one statement.
const ROWS: usize = 1_000;
const DEADLINE: Duration = Duration::from_secs(5);

impl Limiter {
    /// Runs until the tasks stop; then flushes what is left and gives unused quota back.
    pub(super) async fn keep(self, mut first_uses: mpsc::Receiver<Arc<Credential>>) {
        let clock = self.0.clock.clone();
        let mut next = clock.monotonic() + EVERY;
        let mut first = Vec::new();
        loop {
            tokio::select! {
                () = self.0.tasks.stopping() => break,
                () = clock.sleep_until(next) => {
                    next = clock.monotonic() + EVERY;
                    self.flush(self.0.registry.credentials()).await;
                    self.0.registry.sweep(clock.boottime());
                }
                _ = first_uses.recv_many(&mut first, ROWS) => {
                    self.flush(first.drain(..)).await;
                }
            }
        }
        self.flush(self.0.registry.credentials()).await;
        self.give_all_back().await;
    }

    /// Adds counts to what is stored. What cannot be written is kept for the next time.
    async fn flush(&self, credentials: impl Iterator<Item = Arc<Credential>>) {
        let mut used = credentials.filter(|credential| !credential.state().usage.is_empty());
        loop {
            let batch: Vec<_> = used.by_ref().take(ROWS).collect();
            if batch.is_empty() {
                return;
            }
            let mut taken = Vec::with_capacity(batch.len());
            for credential in &batch {
                let folded = credential.state().usage.take();
                taken.extend(folded.into_iter().map(|folded| (credential, folded)));
            }
            let rows: Vec<_> = taken
                .iter()
                .map(|(credential, folded)| UsageRow {
                    credential: credential.id,
                    org: credential.org,
                    folded: *folded,
                })
                .collect();
            let written = store::record(&self.0.pool, &rows);
            let written = self.0.clock.timeout(DEADLINE, written).await;
            if let Err(error) = written.map_err(StoreError::from).flatten() {
                counter!(names::FLUSH_FAILURES).increment(1);
                tracing::warn!(error = %chain(&error), rows = rows.len(), "usage is kept for later");
                for (credential, folded) in taken {
                    credential.state().usage.put_back(folded);
                }
                return;
            }
        }
    }
}
