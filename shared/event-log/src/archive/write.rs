//! Writing an archive: under another name until it is whole and on the disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use domain::event::ChainHash;
use domain::ids::LogEpoch;
use runtime::files::{remove, sync_folder, write_private};
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::check::{Checker, Start};
use super::error::ArchiveError;
use super::line;
use super::manifest::{Frame, Manifest, Stretch, Sum, Text, manifest_path};
use crate::stored::StoredEvent;

/// Most events of one frame: so many are unpacked to read one of them.
const FRAME_EVENTS: u64 = 10_000;
/// A frame takes no further line once it has as many bytes.
const FRAME_BYTES: usize = 8 * 1024 * 1024;
/// A compromise between size and time.
const ZSTD_LEVEL: i32 = 6;

/// Writes one archive, and checks every event that it writes.
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: File,
    stretch: Stretch,
    epoch: LogEpoch,
    before: Start,
    checker: Checker,
    compressor: Compressor<'static>,
    lines: Vec<u8>,
    in_frame: u64,
    frames: Vec<Frame>,
    offset: u64,
    sum: Sha256,
    first_hash: Option<ChainHash>,
    last_hash: ChainHash,
}

impl Writer {
    /// Begins anew, whatever an earlier attempt left.
    pub fn create(
        folder: &Path,
        stretch: Stretch,
        epoch: LogEpoch,
        before: Start,
    ) -> Result<Self, ArchiveError> {
        let path = folder.join(stretch.file_name());
        let partial = beside(&path);
        let file = create(&partial)?;
        Ok(Self {
            compressor: compressor().map_err(ArchiveError::file(&path))?,
            path,
            partial,
            file,
            stretch,
            epoch,
            checker: Checker::new(before.clone()),
            before,
            lines: Vec::new(),
            in_frame: 0,
            frames: Vec::new(),
            offset: 0,
            sum: Sha256::new(),
            first_hash: None,
            last_hash: ChainHash::ZERO,
        })
    }

    /// Adds the next events.
    pub fn push(&mut self, events: &[StoredEvent]) -> Result<(), ArchiveError> {
        for event in events {
            self.checker.check(event).map_err(ArchiveError::Log)?;
            self.first_hash.get_or_insert(event.hash);
            self.last_hash = event.hash;
            if self.in_frame == 0 {
                self.frames.push(Frame {
                    first: event.position,
                    offset: self.offset,
                    bytes: 0,
                    sha256: Text(Sum([0; 32])),
                });
            }
            self.lines.extend(line::of_event(event).as_bytes());
            self.lines.push(b'\n');
            self.in_frame += 1;
            if self.in_frame >= FRAME_EVENTS || self.lines.len() >= FRAME_BYTES {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    /// Puts file and manifest in their places; the manifest comes last, and says that both are whole.
    pub fn finish(mut self) -> Result<(), ArchiveError> {
        self.end_frame()?;
        let synced = self.file.sync_all();
        synced.map_err(ArchiveError::file(&self.partial))?;
        std::fs::rename(&self.partial, &self.path).map_err(ArchiveError::file(&self.path))?;
        let manifest = Manifest::new(
            self.stretch,
            self.epoch,
            (self.offset, Sum(self.sum.finalize().into())),
            (self.first_hash.unwrap_or(ChainHash::ZERO), self.last_hash),
            &self.before,
            &self.checker.end(),
            self.frames,
        );
        let path = manifest_path(&self.path);
        // The file has its name on the disk before the manifest says so.
        sync(&self.path)?;
        write_private(&path, &manifest.to_text()).map_err(ArchiveError::file(&path))?;
        sync(&path)
    }

    fn end_frame(&mut self) -> Result<(), ArchiveError> {
        let Some(frame) = self.frames.last_mut().filter(|_| self.in_frame > 0) else {
            return Ok(());
        };
        let packed = self.compressor.compress(&self.lines);
        let packed = packed.map_err(ArchiveError::file(&self.partial))?;
        let written = self.file.write_all(&packed);
        written.map_err(ArchiveError::file(&self.partial))?;
        self.sum.update(&packed);
        frame.bytes = packed.len() as u64;
        frame.sha256 = Text(Sum::of(&packed));
        self.offset += frame.bytes;
        self.lines.clear();
        self.in_frame = 0;
        Ok(())
    }
}

/// With a checksum of its own in every frame, for tools that know no manifest.
fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// What customers did is for nobody else's eyes. What stands there is not written into: it may be
/// open in an attempt that lost the lock, or a link to elsewhere.
fn create(path: &Path) -> Result<File, ArchiveError> {
    remove(path).map_err(ArchiveError::file(path))?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(ArchiveError::file(path))
}

/// The name of a file is on the disk once its folder is.
pub fn sync(file: &Path) -> Result<(), ArchiveError> {
    sync_folder(file).map_err(ArchiveError::file(file))
}
