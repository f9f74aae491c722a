//! The file of a partition: written, read back, and held to the log before anything is taken out.

use domain::event::ChainHash;
use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::{Frontier, Grown, NodeHash};
use runtime::files::make_folder;

use super::archiver::{Archiver, KEPT_AT_ONCE};
use super::check::{Checker, Start};
use super::error::ArchiveError;
use super::manifest::{Manifest, Stretch, Sum, manifest_path};
use super::rows;
use super::volume::Volume;
use super::write::Writer;
use crate::error::CorruptRow;
use crate::replay::{ReplayedPage, Selection};
use crate::{read, tree};

/// An archive that was read back and found sound.
#[derive(Debug)]
pub struct Written {
    /// What it holds.
    pub manifest: Manifest,
    /// Whether an earlier attempt had written it.
    pub was_there: bool,
    pub(super) manifest_sum: Sum,
    pub(super) after: Start,
    /// The newest event of each stream, and its hash.
    pub(super) ends: Vec<(GlobalPosition, ChainHash)>,
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

impl Archiver {
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
        let before_first = GlobalPosition::new(first.get() - 1);
        let mut replay = self.log.replay(before_first, last, Selection::default());
        let mut page = replay.next_page().await?;
        while let Some(ReplayedPage { events, through }) = page {
            let write = tokio::task::spawn_blocking(move || {
                writer.push(&events)?;
                Ok::<_, ArchiveError>(writer)
            });
            // Meanwhile the next are read.
            let next = replay.next_page().await;
            writer = write.await??;
            page = next?;
            progress(Step::Write, through);
        }
        tokio::task::spawn_blocking(move || writer.finish()).await??;
        Ok(())
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
}
