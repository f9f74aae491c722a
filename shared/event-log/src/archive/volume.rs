//! Reading an archive: a frame, or all of it to tell whether it is sound.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use domain::ids::{GlobalPosition, OrgId};
use sha2::{Digest, Sha256};

use super::check::{BadEvent, Checker, Flaw, Start};
use super::error::ArchiveError;
use super::line;
use super::manifest::{Manifest, Stretch, Sum, manifest_path};
use super::write;
use crate::stored::StoredEvent;

/// Most bytes of one frame, packed or not: it was ended after the line that brought it over half of it.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An archive whose manifest was read.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    before: Start,
    manifest_sum: Sum,
}

impl Volume {
    /// Opens an archive by its file; the manifest must stand beside it.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let beside = manifest_path(path);
        let (manifest, before, manifest_sum) = Manifest::read(&beside)?;
        let name = path.file_name().unwrap_or_default();
        if name.to_str() != Some(manifest.file.as_str()) {
            return Err(ArchiveError::manifest(&beside, "is that of another file"));
        }
        let file = File::open(path).map_err(ArchiveError::file(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            manifest,
            before,
            manifest_sum,
        })
    }

    /// Opens the archive of a stretch; its manifest must be the one with this hash.
    pub(super) fn open_known(
        folder: &Path,
        stretch: Stretch,
        manifest_sum: Sum,
    ) -> Result<Self, ArchiveError> {
        let volume = Self::open(&folder.join(stretch.file_name()))?;
        if volume.manifest_sum != manifest_sum {
            let path = manifest_path(&volume.path);
            let problem = "is not the one that was written when these events were archived";
            return Err(ArchiveError::manifest(&path, problem));
        }
        Ok(volume)
    }

    /// What it should hold.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What stands before its events.
    pub const fn before(&self) -> &Start {
        &self.before
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn manifest_sum(&self) -> Sum {
        self.manifest_sum
    }

    /// Number of the frame that holds a position, and its last position.
    pub(super) fn frame_of(
        &self,
        wanted: GlobalPosition,
    ) -> Result<(usize, GlobalPosition), ArchiveError> {
        let problem = "has no frame of an event that it should hold";
        let found = self.manifest.frame_of(wanted);
        found.ok_or_else(|| ArchiveError::manifest(&self.path, problem))
    }

    /// The lines of one frame, whose bytes must be those of the manifest.
    fn unpacked(&self, index: usize) -> Result<Vec<u8>, ArchiveError> {
        let frame = &self.manifest.frames[index];
        let bad = || self.damaged(frame.first, Flaw::Frame);
        let packed = self.packed(index)?;
        if Sum::of(&packed) != frame.sha256.0 {
            return Err(bad());
        }
        zstd::bulk::decompress(&packed, FRAME_BYTES_MAX).map_err(|_| bad())
    }

    /// The events of an org in one frame. Who knows the frame by its hash need not read all of it.
    pub(super) fn read_frame_of_org(
        &self,
        index: usize,
        org: OrgId,
    ) -> Result<Vec<StoredEvent>, ArchiveError> {
        let first = self.manifest.frames[index].first;
        let lines = self.unpacked(index)?;
        let unreadable = || self.damaged(first, Flaw::Unreadable);
        let lines = std::str::from_utf8(&lines).map_err(|_| unreadable())?;
        let source = format!("\"source\":\"/orgs/{org}\"");
        let mut events = Vec::new();
        for line in lines.lines().filter(|line| line.contains(&source)) {
            let event = line::to_event(line).ok_or_else(unreadable)?;
            // What is recorded may hold the same text.
            if event.org_id == org {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The events of one frame, whose bytes must be those of the manifest.
    pub(super) fn read_frame(&self, index: usize) -> Result<Vec<StoredEvent>, ArchiveError> {
        let lines = self.unpacked(index)?;
        let mut due = self.manifest.frames[index].first;
        let mut events = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let event = std::str::from_utf8(line).ok().and_then(line::to_event);
            let event = event.ok_or_else(|| self.damaged(due, Flaw::Unreadable))?;
            if event.position != due {
                return Err(self.damaged(due, Flaw::Missing));
            }
            due = due.next();
            events.push(event);
        }
        if due != self.manifest.last_of(index).next() {
            return Err(self.damaged(due, Flaw::Missing));
        }
        Ok(events)
    }

    /// Reads all of it and checks every event, from where `checker` stands; `done` is told of each.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] names the first bad position.
    pub fn verify(
        &self,
        checker: &mut Checker,
        mut done: impl FnMut(&StoredEvent),
    ) -> Result<(), ArchiveError> {
        if self.before != checker.end() {
            return Err(self.damaged(self.manifest.first, Flaw::Start));
        }
        let mut sum = Sha256::new();
        for index in 0..self.manifest.frames.len() {
            let packed = self.packed(index)?;
            sum.update(&packed);
            self.verify_frame(index, &packed, checker, &mut done)?;
        }
        self.check_length()?;
        let last = self.manifest.last;
        let is_file = self.manifest.sha256.0 == Sum(sum.finalize().into());
        if self.manifest.after.start() != Some(checker.end()) || !is_file {
            return Err(self.damaged(last, Flaw::Tree));
        }
        Ok(())
    }

    /// Returns once it is on the disk, whoever wrote it: file, manifest, and their names.
    pub(super) fn sync(&self) -> Result<(), ArchiveError> {
        self.file.sync_all().map_err(self.unreadable())?;
        let manifest = manifest_path(&self.path);
        let synced = File::open(&manifest).and_then(|file| file.sync_all());
        synced.map_err(ArchiveError::file(&manifest))?;
        write::sync(&self.path)
    }

    /// Whether the file is as long as it must be.
    pub(super) fn check_length(&self) -> Result<(), ArchiveError> {
        let length = self.file.metadata().map_err(self.unreadable())?.len();
        if length < self.manifest.bytes {
            let frames = &self.manifest.frames;
            let whole = frames.partition_point(|frame| frame.offset + frame.bytes <= length);
            let first = frames
                .get(whole)
                .map_or(self.manifest.last, |torn| torn.first);
            return Err(self.damaged(first, Flaw::Frame));
        }
        if length > self.manifest.bytes {
            return Err(self.damaged(self.manifest.last.next(), Flaw::Extra));
        }
        Ok(())
    }

    /// Lines are looked at before the frame's hash, which knows no positions.
    fn verify_frame(
        &self,
        index: usize,
        packed: &[u8],
        checker: &mut Checker,
        done: &mut impl FnMut(&StoredEvent),
    ) -> Result<(), ArchiveError> {
        let frame = &self.manifest.frames[index];
        let last = self.manifest.last_of(index);
        // Unpacked as far as it goes: what comes before the damage is sound.
        let unpacked = zstd::stream::read::Decoder::with_buffer(Cursor::new(packed));
        let unpacked = unpacked.map_err(self.unreadable())?;
        let mut lines = BufReader::new(unpacked.take(FRAME_BYTES_MAX as u64));
        let mut line = Vec::new();
        loop {
            line.clear();
            let due = checker.last().next();
            match lines.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if due > last => return Err(self.damaged(due, Flaw::Extra)),
                Ok(_) => {}
                Err(_) => return Err(self.damaged(due.min(last), Flaw::Unreadable)),
            }
            let text = std::str::from_utf8(&line).ok();
            let text = text.and_then(|text| text.strip_suffix('\n'));
            let event = text.and_then(line::to_event);
            let (Some(text), Some(event)) = (text, event) else {
                return Err(self.damaged(due, Flaw::Unreadable));
            };
            let found = checker.check(&event);
            found.map_err(|bad| ArchiveError::damaged(&self.path, bad))?;
            if line::of_event(&event) != text {
                return Err(self.damaged(due, Flaw::Form));
            }
            done(&event);
        }
        if checker.last() != last {
            return Err(self.damaged(checker.last().next(), Flaw::Missing));
        }
        if Sum::of(packed) != frame.sha256.0 {
            return Err(self.damaged(frame.first, Flaw::Frame));
        }
        Ok(())
    }

    /// The bytes of a frame, as far as the file goes.
    fn packed(&self, index: usize) -> Result<Vec<u8>, ArchiveError> {
        let frame = &self.manifest.frames[index];
        let length = usize::try_from(frame.bytes).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            let path = manifest_path(&self.path);
            return Err(ArchiveError::manifest(
                &path,
                "has a frame that is too large",
            ));
        }
        let mut packed = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let offset = frame.offset + filled as u64;
            match self.file.read_at(&mut packed[filled..], offset) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable()(error)),
            }
        }
        packed.truncate(filled);
        Ok(packed)
    }

    fn damaged(&self, position: GlobalPosition, flaw: Flaw) -> ArchiveError {
        ArchiveError::damaged(&self.path, BadEvent { position, flaw })
    }

    fn unreadable(&self) -> impl FnOnce(std::io::Error) -> ArchiveError + '_ {
        ArchiveError::file(&self.path)
    }
}
