//! Housekeeping of the log's companions.

use std::time::Duration;

use runtime::lifecycle::Tasks;

use crate::log::EventLog;
use crate::{fold, idempotency};

const EVERY: Duration = Duration::from_mins(1);
const FOLD_PAUSE: Duration = Duration::from_millis(20);
/// Rows of one transaction, so that none lasts long.
const BATCH: i64 = 1_000;

/// Deletes answers by `Idempotency-Key` that are older than 24 hours, and folds full partitions.
/// Every command process runs one; they do not disturb each other.
#[derive(Debug)]
pub struct Sweeper {
    log: EventLog,
}

impl Sweeper {
    /// A sweeper of this log.
    pub const fn new(log: EventLog) -> Self {
        Self { log }
    }

    /// Runs until the process stops; a disposable task.
    pub async fn run(self, tasks: Tasks) {
        while !tasks.is_stopping() {
            match self.sweep().await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(rows = count, "old idempotency keys deleted"),
                Err(error) => tracing::warn!(error = %error, "old idempotency keys not deleted"),
            }
            let folded = tokio::select! {
                folded = self.fold() => folded,
                () = tasks.stopping() => Ok(()),
            };
            if let Err(error) = folded {
                tracing::warn!(error = %error, "a full partition was not folded");
            }
            tokio::select! {
                () = self.log.clock().sleep(EVERY) => {}
                () = tasks.stopping() => {}
            }
        }
    }

    /// Folds full partitions into the ends of their streams, a bounded piece at a time; what is
    /// folded stays so if the future is dropped.
    pub async fn fold(&self) -> Result<(), sqlx::Error> {
        while fold::step(self.log.pool()).await? {
            // Others want to append meanwhile.
            self.log.clock().sleep(FOLD_PAUSE).await;
        }
        Ok(())
    }

    /// Deletes what is too old, a bounded batch at a time; returns how many rows.
    pub async fn sweep(&self) -> Result<u64, sqlx::Error> {
        let mut count = 0;
        loop {
            let now = self.log.clock().now();
            let deleted = idempotency::sweep(self.log.pool(), now, BATCH).await?;
            count += deleted;
            if deleted < BATCH.unsigned_abs() {
                return Ok(count);
            }
        }
    }
}
