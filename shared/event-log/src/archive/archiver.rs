//! Takes full partitions out of the database, step by step. Every step may be broken off and begun
//! again: the file is whole once its manifest is there, what is kept is copied anew, and one transaction
//! takes the rest away. Nothing leaves before the file was read back and found sound.

use std::path::PathBuf;
use std::time::Duration;

use domain::ids::GlobalPosition;
use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection};

use super::error::ArchiveError;
use super::keep::{self, Subjects};
use super::manifest::Stretch;
use super::rows;
use super::survey::{look_again, survey};
use super::written::{Step, Written};
use crate::log::EventLog;

/// Number of the advisory lock that whoever archives holds ("tga_arch").
const LOCK: i64 = 0x7467_615f_6172_6368;
/// How long one statement may take: the longest compares all decisions of a partition with their copy.
const STATEMENT: Duration = Duration::from_mins(15);
/// How long an attempt that comes to nothing holds up readers and appenders at most, by each of its locks.
const HELD_UP: Duration = Duration::from_millis(20);
/// Attempts to put a partition away, a while apart.
const ATTEMPTS: u32 = 600;
const APART: Duration = Duration::from_millis(500);
/// Positions whose decisions are copied in one transaction.
const STEP: u64 = 50_000;
/// Events that are copied by their positions in one transaction.
pub(super) const KEPT_AT_ONCE: usize = 5_000;

/// Archives a log into a folder; only one at a time does.
pub struct Archiver {
    pub(super) log: EventLog,
    pub(super) connection: PgConnection,
    pub(super) folder: PathBuf,
}

impl Archiver {
    /// Takes the lock of whoever archives, on a connection of its own, which ends with this. The log's
    /// login must be able to act as its owner.
    ///
    /// # Errors
    /// [`ArchiveError::Busy`] if another process archives, [`ArchiveError::Elsewhere`] if the folder
    /// has not what was archived before; or if the database does not answer.
    pub async fn begin(log: &EventLog, folder: PathBuf) -> Result<Self, ArchiveError> {
        let mut connection = log.pool().acquire().await?.detach();
        let limit = format!("{}ms", STATEMENT.as_millis());
        sqlx::query_scalar!("select set_config('statement_timeout', $1, false)", limit)
            .fetch_one(&mut connection)
            .await?;
        let locked = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "locked!""#, LOCK)
            .fetch_one(&mut connection)
            .await?;
        if !locked {
            return Err(ArchiveError::Busy);
        }
        let found = survey(&mut connection, Some(&folder)).await?;
        if let Some(wrong) = found.wrong.into_iter().next() {
            let source = Box::new(wrong);
            return Err(ArchiveError::Elsewhere { folder, source });
        }
        Ok(Self {
            log: log.clone(),
            connection,
            folder,
        })
    }

    /// The last position that is archived; drops what an attempt left that was broken off behind it.
    ///
    /// # Errors
    /// [`ArchiveError::NotDropped`] if what it left is the only sound copy.
    pub async fn resume(&mut self) -> Result<GlobalPosition, ArchiveError> {
        let Some(newest) = rows::newest(&mut self.connection).await? else {
            return Ok(GlobalPosition::ZERO);
        };
        let Stretch { first, last } = newest.stretch;
        let is_left = sqlx::query_scalar!(
            r#"select to_regclass('log.' || log.partition_name($1) || '_old') is not null as "left!""#,
            first.as_i64()
        )
        .fetch_one(&mut self.connection)
        .await?;
        if is_left {
            look_again(&mut self.connection, &self.folder, last).await?;
            self.forget(newest.stretch).await?;
        }
        Ok(last)
    }

    /// Takes a partition that is due all the way; what the file holds, and how many of its events stay online.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), [`keep`](Self::keep) and [`put_away`](Self::put_away): what was done
    /// until then is gone on from.
    pub async fn archive(
        &mut self,
        stretch: Stretch,
        progress: impl FnMut(Step, GlobalPosition) + Send + 'static,
    ) -> Result<(Written, u64), ArchiveError> {
        let written = self.write(stretch, progress).await?;
        let kept = self.keep(&written).await?;
        self.put_away(&written).await?;
        self.forget(stretch).await?;
        Ok((written, kept))
    }

    /// Copies what stays online beside the partition; returns how many events that are.
    ///
    /// # Errors
    /// [`ArchiveError::Lacking`] if the copy is not what it must be.
    pub async fn keep(&mut self, written: &Written) -> Result<u64, ArchiveError> {
        let stretch = written.manifest.stretch();
        let (first, last) = (stretch.first.as_i64(), stretch.last.as_i64());
        sqlx::query!("select log.begin_kept($1, $2)", first, last)
            .fetch_one(&mut self.connection)
            .await?;
        let mut kept = 0;
        let mut after = stretch.first.get() - 1;
        while after < stretch.last.get() {
            let through = (after + STEP).min(stretch.last.get());
            let copied = sqlx::query_scalar!(
                r#"select log.keep_decisions($1, $2, $3) as "kept!""#,
                first,
                GlobalPosition::new(after).as_i64(),
                GlobalPosition::new(through).as_i64()
            )
            .fetch_one(&mut self.connection)
            .await?;
            kept += u64::try_from(copied).unwrap_or_default();
            after = through;
        }
        let others = keep::fixed(stretch).chain(written.ends.iter().map(|(at, _)| *at));
        let others: Vec<i64> = others.map(GlobalPosition::as_i64).collect();
        kept += self.keep_positions(first, &others).await?;
        let mut subjects = Subjects::default();
        while let Some(newest) = subjects.next(&mut self.connection, stretch).await? {
            kept += self.keep_positions(first, &newest).await?;
        }
        let lacking = sqlx::query_scalar!(r#"select log.lacks_decisions($1) as "n!""#, first)
            .fetch_one(&mut self.connection)
            .await?;
        if lacking > 0 {
            return Err(ArchiveError::Lacking(lacking));
        }
        Ok(kept)
    }

    /// Puts what is kept in the partition's place, and notes where the whole stands: one transaction,
    /// which holds up nobody for longer than 20 ms for each of two locks if it has to wait itself.
    ///
    /// # Errors
    /// [`ArchiveError::Held`] if the partition was in use whenever it was tried.
    pub async fn put_away(&mut self, written: &Written) -> Result<(), ArchiveError> {
        for _ in 0..ATTEMPTS {
            match self.try_put_away(written).await {
                Err(sqlx::Error::Database(error)) if is_held(error.as_ref()) => {
                    let apart = self.log.entropy().jitter(APART, 0.5);
                    self.log.clock().sleep(apart).await;
                }
                done => return Ok(done?),
            }
        }
        Err(ArchiveError::Held(ATTEMPTS))
    }

    /// Drops the partition that was put away.
    pub async fn forget(&mut self, stretch: Stretch) -> Result<(), ArchiveError> {
        let first = stretch.first.as_i64();
        sqlx::query!("select log.forget_put_away($1)", first)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn try_put_away(&mut self, written: &Written) -> Result<(), sqlx::Error> {
        let manifest = &written.manifest;
        let peaks: Vec<_> = written
            .after
            .tree
            .peaks()
            .map(|peak| peak.as_bytes().to_vec())
            .collect();
        let now = self.log.clock().now();
        let limit = format!("{}ms", HELD_UP.as_millis());
        let mut tx = self.connection.begin().await?;
        sqlx::query_scalar!("select set_config('lock_timeout', $1, true)", limit)
            .fetch_one(&mut *tx)
            .await?;
        sqlx::query!(
            "select log.put_away(row($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)::log.archived)",
            manifest.last.as_i64(),
            manifest.first.as_i64(),
            manifest.epoch.as_uuid(),
            manifest.file,
            manifest.sha256.0.0.as_slice(),
            written.manifest_sum.0.as_slice(),
            manifest.last_hash.0.as_bytes().as_slice(),
            written.after.auth.as_i64(),
            &peaks,
            now
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await
    }

    async fn keep_positions(&mut self, first: i64, positions: &[i64]) -> Result<u64, ArchiveError> {
        let mut kept = 0;
        for positions in positions.chunks(KEPT_AT_ONCE) {
            let copied = sqlx::query_scalar!(
                r#"select log.keep_positions($1, $2) as "kept!""#,
                first,
                positions
            )
            .fetch_one(&mut self.connection)
            .await?;
            kept += u64::try_from(copied).unwrap_or_default();
        }
        Ok(kept)
    }
}

/// Whether somebody reads or writes the partition just now.
fn is_held(error: &dyn DatabaseError) -> bool {
    // lock_not_available, deadlock_detected
    matches!(error.code().as_deref(), Some("55P03" | "40P01"))
}
