//! What stands beside an archive: where its frames begin, what their hashes are, and what its events
//! come to. The form is stable; a change raises `FORMAT`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use domain::event::ChainHash;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::merkle::{CompactRange, NodeHash};
use domain::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::check::Start;
use super::error::ArchiveError;

/// The form of manifests and files that this build writes and reads. Stable.
const FORMAT: u32 = 1;
/// Largest manifest, in bytes: a frame takes some 150, and a partition has some thousands of them.
const MANIFEST_BYTES: u64 = 256 * 1024 * 1024;

/// Positions, both ends among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first.
    pub first: GlobalPosition,
    /// The last.
    pub last: GlobalPosition,
}

/// A value that is written as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<T>(pub T);

/// SHA-256 of a file or of a part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sum(pub [u8; 32]);

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// Name of the file.
    pub file: String,
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: Text<Sum>,
    /// Life of the log in which it was written.
    pub epoch: LogEpoch,
    /// First position.
    pub first: GlobalPosition,
    /// Last position.
    pub last: GlobalPosition,
    /// How many events: all of them.
    pub count: u64,
    /// Hash of the first event.
    pub first_hash: Text<ChainHash>,
    /// Hash of the last event.
    pub last_hash: Text<ChainHash>,
    /// What stands before the first event.
    pub before: Edge,
    /// What stands there with the last.
    pub after: Edge,
    /// The frames, in order.
    pub frames: Vec<Frame>,
}

/// The log up to a position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// How many events there are.
    pub tree_size: u64,
    /// Root of the tree over them (RFC 6962).
    pub root: Text<NodeHash>,
    /// Roots of the complete subtrees that it consists of, the largest first.
    pub peaks: Vec<Text<NodeHash>>,
    /// The newest of them that changes who may call, or 0.
    pub auth_position: GlobalPosition,
    /// When the last was recorded.
    pub recorded_at: Timestamp,
}

/// Lines that are compressed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Position of its first event.
    pub first: GlobalPosition,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Its length, in bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub sha256: Text<Sum>,
}

impl Stretch {
    /// Name of the file.
    pub fn file_name(self) -> String {
        format!("events-{}-{}.ndjson.zst", self.first, self.last)
    }

    /// How many positions.
    pub const fn count(self) -> u64 {
        self.last.get() + 1 - self.first.get()
    }
}

/// Path of the manifest of a file.
pub fn manifest_path(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".ndjson.zst").unwrap_or(&name);
    file.with_file_name(format!("{stem}.json"))
}

impl Manifest {
    /// Of a stretch that was written.
    pub(super) fn new(
        stretch: Stretch,
        epoch: LogEpoch,
        (bytes, sha256): (u64, Sum),
        (first_hash, last_hash): (ChainHash, ChainHash),
        before: &Start,
        after: &Start,
        frames: Vec<Frame>,
    ) -> Self {
        Self {
            format: FORMAT,
            file: stretch.file_name(),
            bytes,
            sha256: Text(sha256),
            epoch,
            first: stretch.first,
            last: stretch.last,
            count: stretch.count(),
            first_hash: Text(first_hash),
            last_hash: Text(last_hash),
            before: Edge::of(before),
            after: Edge::of(after),
            frames,
        }
    }

    /// Reads one: what stands before its events, and its hash.
    pub(super) fn read(path: &Path) -> Result<(Self, Start, Sum), ArchiveError> {
        let length = std::fs::metadata(path).map_err(ArchiveError::file(path))?;
        if length.len() > MANIFEST_BYTES {
            return Err(ArchiveError::manifest(path, "is too large for one"));
        }
        let text = std::fs::read(path).map_err(ArchiveError::file(path))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|_| ArchiveError::manifest(path, "is not one that this build reads"))?;
        if manifest.format != FORMAT {
            return Err(ArchiveError::manifest(path, "has a form of a newer build"));
        }
        let start = manifest.before.start();
        let start = start.filter(|_| manifest.is_consistent());
        let start = start.ok_or_else(|| ArchiveError::manifest(path, "contradicts itself"))?;
        Ok((manifest, start, Sum::of(&text)))
    }

    /// What it is as a file.
    pub(super) fn to_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("names, numbers and hashes are JSON");
        text.push(b'\n');
        text
    }

    /// Its positions.
    pub const fn stretch(&self) -> Stretch {
        Stretch {
            first: self.first,
            last: self.last,
        }
    }

    /// Number of the frame that holds a position, and its last position.
    pub(super) fn frame_of(&self, position: GlobalPosition) -> Option<(usize, GlobalPosition)> {
        if position < self.first || position > self.last {
            return None;
        }
        let behind = self.frames.partition_point(|frame| frame.first <= position);
        let index = behind.checked_sub(1)?;
        Some((index, self.last_of(index)))
    }

    /// The last position of a frame.
    pub(super) fn last_of(&self, index: usize) -> GlobalPosition {
        match self.frames.get(index + 1) {
            Some(next) => GlobalPosition::new(next.first.get().saturating_sub(1)),
            None => self.last,
        }
    }

    fn is_consistent(&self) -> bool {
        let mut offset = 0;
        let mut after = GlobalPosition::new(self.first.get().saturating_sub(1));
        for frame in &self.frames {
            if frame.offset != offset || frame.first <= after || frame.first > self.last {
                return false;
            }
            offset += frame.bytes;
            after = frame.first;
        }
        self.first.get() > 0
            && self.first <= self.last
            && self.frames.first().map(|frame| frame.first) == Some(self.first)
            && self.count == self.stretch().count()
            && self.bytes == offset
            && self.file == self.stretch().file_name()
            && self.before.tree_size + 1 == self.first.get()
            && self.after.tree_size == self.last.get()
            && self.after.start().is_some()
    }
}

impl Edge {
    fn of(start: &Start) -> Self {
        Self {
            tree_size: start.tree.size(),
            root: Text(start.tree.root()),
            peaks: start.tree.peaks().map(Text).collect(),
            auth_position: start.auth,
            recorded_at: start.recorded_at,
        }
    }

    /// What to check on from; none if it contradicts itself.
    pub fn start(&self) -> Option<Start> {
        let peaks: Vec<_> = self.peaks.iter().map(|peak| peak.0).collect();
        let tree = CompactRange::try_from_peaks(self.tree_size, &peaks)?;
        (tree.root() == self.root.0).then_some(Start {
            tree,
            auth: self.auth_position,
            recorded_at: self.recorded_at,
        })
    }
}

impl Sum {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ChainHash::from_bytes(self.0).fmt(f)
    }
}

impl FromStr for Sum {
    type Err = <ChainHash as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash: ChainHash = text.parse()?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: fmt::Display> fmt::Debug for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}
