//! Takes full partitions out of the database, step by step. Every step may be broken off and begun
//! again: the file is whole once its manifest is there, what is kept is copied anew, and one transaction
//! takes the rest away. Nothing leaves before the file was read back and found sound.

use std::path::PathBuf;
use std::time::Duration;

use domain::event::{ChainHash, Stream};
use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::{Frontier, Grown, NodeHash};
use domain::time::Timestamp;
use runtime::files::make_folder;
use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection};

use super::check::{Checker, Start};
use super::error::{ArchiveError, Behind};
use super::keep::{self, Subjects};
use super::manifest::{Manifest, Stretch, Sum, manifest_path};
use super::rows;
use super::survey::{look_again, survey};
use super::volume::Volume;
use super::write::Writer;
use crate::error::CorruptRow;
use crate::log::EventLog;
use crate::stored::StoredEvent;
use crate::{read, tree};

/// Number of the advisory lock that whoever archives holds ("tga_arch").
const LOCK: i64 = 0x7467_615f_6172_6368;
/// How long one statement may take: the longest compares all decisions of a partition with their copy.
const STATEMENT: Duration = Duration::from_mins(15);
/// How long an attempt that comes to nothing holds up readers and appenders at most, by each of its locks.
const HELD_UP: Duration = Duration::from_millis(20);
/// Attempts to put a partition away, a while apart.
const ATTEMPTS: u32 = 600;
const APART: Duration = Duration::from_millis(500);
/// Events of one page at most, and its bytes that are aimed at.
const PAGE: u16 = 5_000;
const PAGE_MIN: u16 = 16;
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Positions whose decisions are copied in one transaction.
const STEP: u64 = 50_000;
/// Events that are copied by their positions in one transaction.
const KEPT_AT_ONCE: usize = 5_000;

/// What is old enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Partitions that end before a position.
    Position(GlobalPosition),
    /// Partitions whose last event was recorded before an instant.
    Instant(Timestamp),
}

/// What stands next in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A partition that may be archived.
    Due(Stretch),
    /// A partition that is not old enough.
    Young(Stretch),
    /// The partition that begins there is not full.
    Growing(GlobalPosition),
}

/// An archive that was read back and found sound.
#[derive(Debug)]
pub struct Written {
    /// What it holds.
    pub manifest: Manifest,
    /// Whether an earlier attempt had written it.
    pub was_there: bool,
    manifest_sum: Sum,
    after: Start,
    /// The newest event of each stream, and its hash.
    ends: Vec<(GlobalPosition, ChainHash)>,
    grown: Vec<Grown>,
}

/// What is being done with the events of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// They are written to the file.
    Write,
    /// They are read back.
    Read,
}

/// Archives a log into a folder; only one at a time does.
pub struct Archiver {
    log: EventLog,
    connection: PgConnection,
    folder: PathBuf,
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

    /// What comes after a position that is archived, or is going to be: a partition that is full, old
    /// enough, and needed online by nobody any more. Every projection must have `passed` it.
    ///
    /// # Errors
    /// [`ArchiveError::Behind`] if something has to come first.
    pub async fn next(
        &mut self,
        after: GlobalPosition,
        before: Before,
        passed: GlobalPosition,
    ) -> Result<Next, ArchiveError> {
        let state = sqlx::query!(
            r#"select s.partition_size as "size!", f.position as "folded!", h.position as "head!",
                   (select max(tree_size) from log.newest_checkpoint) as signed,
                   least(c.position, (select min(d.position) - 1 from hooks.deliveries d
                                      join log.events e using (position)
                                      where d.status = 'pending' and e.stream = $1)) as "hooked!"
               from log.settings s, log.folded f, log.head h, hooks.cursor c"#,
            Stream::Observations.number()
        )
        .fetch_one(&mut self.connection)
        .await?;
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        let (first, last) = (after.next(), after.plus(count(state.size)));
        if count(state.head) < last.get() {
            return Ok(Next::Growing(first));
        }
        let stretch = Stretch { first, last };
        let is_old = match before {
            Before::Position(position) => last < position,
            Before::Instant(instant) => self.recorded_at(last).await? < instant,
        };
        if !is_old {
            return Ok(Next::Young(stretch));
        }
        let folded = GlobalPosition::new(count(state.folded));
        let hooked = GlobalPosition::new(count(state.hooked));
        let signed = state.signed.map(|signed| TreeSize::new(count(signed)));
        let behind = if folded < last {
            Some(Behind::Fold(folded))
        } else if passed < last {
            Some(Behind::Projection(passed))
        } else if hooked < last {
            Some(Behind::Webhooks(hooked))
        } else {
            let behind = signed.filter(|signed| signed.get() < last.get());
            behind.map(Behind::Tree)
        };
        match behind {
            Some(source) => Err(ArchiveError::Behind { last, source }),
            None => Ok(Next::Due(stretch)),
        }
    }

    /// Writes the file, unless an earlier attempt has, and reads it back. `progress` is told how far
    /// it has come, first in writing, then in reading.
    ///
    /// # Errors
    /// [`ArchiveError::Foreign`] if there is a file of that name that holds something else;
    /// [`ArchiveError::Unfit`] if it is not sound, [`ArchiveError::Log`] if the log is not.
    pub async fn write(
        &mut self,
        stretch: Stretch,
        mut progress: impl FnMut(Step, GlobalPosition) + Send + 'static,
    ) -> Result<Written, ArchiveError> {
        let path = self.folder.join(stretch.file_name());
        make_folder(&self.folder).map_err(ArchiveError::file(&self.folder))?;
        let before = self.start().await?;
        let was_there = manifest_path(&path).exists();
        if !was_there {
            self.write_file(stretch, before.clone(), &mut progress)
                .await?;
        }
        let mut frontier = self.edge(before.tree.size()).await?;
        let read_back = move || {
            let volume = Volume::open(&path)?;
            // Whoever wrote it may have been killed before.
            volume.sync()?;
            if *volume.before() != before {
                return Err(ArchiveError::Foreign { path });
            }
            let mut checker = Checker::new(before);
            let mut grown = Vec::new();
            volume.verify(&mut checker, |event| {
                let leaf = NodeHash::of_leaf(&event.hash);
                frontier.push(leaf, |subtree| grown.push(subtree));
                progress(Step::Read, event.position);
            })?;
            Ok(Written {
                manifest: volume.manifest().clone(),
                was_there,
                manifest_sum: volume.manifest_sum(),
                after: checker.end(),
                ends: checker.newest_of_streams().collect(),
                grown,
            })
        };
        let written = tokio::task::spawn_blocking(read_back).await?;
        let written = written.map_err(ArchiveError::unfit)?;
        self.compare(&written).await?;
        self.keep_tree(&written.grown).await?;
        Ok(written)
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

    async fn write_file(
        &mut self,
        stretch: Stretch,
        before: Start,
        progress: &mut (impl FnMut(Step, GlobalPosition) + Send),
    ) -> Result<(), ArchiveError> {
        let Stretch { first, last } = stretch;
        let folder = &self.folder;
        let epoch = read::head(&mut self.connection).await?.epoch;
        let mut writer = Writer::create(folder, stretch, epoch, before)?;
        let mut page_limit = PAGE_MIN;
        let mut after = GlobalPosition::new(first.get() - 1);
        let mut page = self.page(after, page_limit, last).await?;
        while let Some(end) = page.last().map(|event| event.position) {
            after = end;
            let bytes: usize = page.iter().map(StoredEvent::text_bytes).sum();
            if let Some(fits) = (PAGE_BYTES * page.len()).checked_div(bytes) {
                page_limit = u16::try_from(fits).unwrap_or(PAGE).clamp(PAGE_MIN, PAGE);
            }
            let write = tokio::task::spawn_blocking(move || {
                writer.push(&page)?;
                Ok::<_, ArchiveError>(writer)
            });
            // Meanwhile the next are read.
            let next = self.page(after, page_limit, last).await;
            writer = write.await??;
            page = next?;
            progress(Step::Write, end);
        }
        if after < last {
            let missing = CorruptRow::new("log.events", "position", after.next(), "is missing");
            return Err(ArchiveError::Read(missing.into()));
        }
        tokio::task::spawn_blocking(move || writer.finish()).await??;
        Ok(())
    }

    async fn page(
        &mut self,
        after: GlobalPosition,
        limit: u16,
        last: GlobalPosition,
    ) -> Result<Vec<StoredEvent>, ArchiveError> {
        let left = last.get().saturating_sub(after.get());
        let limit = u16::try_from(left).unwrap_or(limit).min(limit);
        Ok(read::after(&mut self.connection, after, limit)
            .await?
            .events)
    }

    /// Whether the file holds what stands in the log: the newest event of every stream is the same,
    /// and its hash holds all before it.
    async fn compare(&mut self, written: &Written) -> Result<(), ArchiveError> {
        for ends in written.ends.chunks(KEPT_AT_ONCE) {
            let positions: Vec<_> = ends.iter().map(|(at, _)| at.as_i64()).collect();
            let hashes: Vec<_> = ends
                .iter()
                .map(|(_, hash)| hash.as_bytes().to_vec())
                .collect();
            let same = sqlx::query_scalar!(
                r#"select count(*) as "same!"
                   from unnest($1::bigint[], $2::bytea[]) as w (position, hash)
                   join log.events e on e.position = w.position and e.hash = w.hash"#,
                &positions,
                &hashes
            )
            .fetch_one(&mut self.connection)
            .await?;
            if usize::try_from(same).ok() != Some(ends.len()) {
                let path = self.folder.join(&written.manifest.file);
                return Err(ArchiveError::Foreign { path });
            }
        }
        Ok(())
    }

    /// The edge of the tree up to a position.
    async fn edge(&mut self, size: u64) -> Result<Frontier, ArchiveError> {
        let edge = tree::frontier(&mut self.connection, TreeSize::new(size)).await?;
        edge.ok_or_else(|| {
            let corrupt = CorruptRow::new("log.merkle", "hash", size, "is not there for its tree");
            ArchiveError::Read(corrupt.into())
        })
    }

    /// Grows the tree that is kept over what is archived: it must be whole up to there, since its leaves
    /// leave the database. What is kept of it already must be the same.
    async fn keep_tree(&mut self, grown: &[Grown]) -> Result<(), ArchiveError> {
        for grown in grown.chunks(KEPT_AT_ONCE) {
            tree::keep(&mut self.connection, grown).await?;
            let wrong = tree::wrong_subtrees(&mut self.connection, grown).await?;
            if let Some(wrong) = wrong.first() {
                let last = (wrong.due.index + 1) << wrong.due.level;
                return Err(ArchiveError::Tree(GlobalPosition::new(last)));
            }
        }
        Ok(())
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

    /// What stands before the next partition.
    async fn start(&mut self) -> Result<Start, ArchiveError> {
        let Some(newest) = rows::newest(&mut self.connection).await? else {
            return Ok(Start::of_log());
        };
        Ok(Start {
            recorded_at: self.recorded_at(newest.stretch.last).await?,
            tree: newest.tree,
            auth: newest.auth,
        })
    }

    async fn recorded_at(&mut self, position: GlobalPosition) -> Result<Timestamp, ArchiveError> {
        let recorded_at = sqlx::query_scalar!(
            "select recorded_at from log.events where position = $1",
            position.as_i64()
        )
        .fetch_optional(&mut self.connection)
        .await?;
        let recorded_at = recorded_at.map(Timestamp::from_datetime);
        recorded_at.ok_or_else(|| {
            let missing = CorruptRow::new("log.events", "position", position, "is missing");
            ArchiveError::Read(missing.into())
        })
    }
}

/// Whether somebody reads or writes the partition just now.
fn is_held(error: &dyn DatabaseError) -> bool {
    // lock_not_available, deadlock_detected
    matches!(error.code().as_deref(), Some("55P03" | "40P01"))
}
