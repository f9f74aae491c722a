//! Carrying signed heads out of the database. What could not be carried is carried with the next.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::ids::{LogEpoch, TreeSize};
use domain::signed::{Checkpoint, NoteError, Restoration, VerifierKey};
use runtime::clock::TimedOut;
use runtime::files::hex;
use runtime::telemetry::chain;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::folder::{CheckpointFolder, FolderError};
use super::stream::{CheckpointStream, StreamCopyError};
use super::{Signed, SignerConfig};
use crate::error::ReadError;
use crate::log::EventLog;
use crate::metrics as names;
use crate::tree::{LogCheckpoints, SignedCheckpoint};

/// Signed heads that are carried at once.
const PAGE: u16 = 256;
/// Most pages of one round, so that signing goes on.
const PAGES: usize = 8;
/// How long one place may take in a round; all of them less than the signer's connection may be silent.
const CARRIED: Duration = Duration::from_secs(2);

/// A text that is no copy of a signed head.
#[derive(Debug, Error)]
#[error("not a copy of a checkpoint")]
pub struct InvalidCopy(#[source] serde_json::Error);

/// A signed head outside the database, or that a life of the log ended: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointCopy {
    /// Life of the log.
    pub epoch: LogEpoch,
    /// Events under it.
    pub tree_size: u64,
    /// By what the note is verified.
    pub public_key: String,
    /// The signed note, of which the others are only a reminder.
    pub note: String,
    /// Beside a head: a sum over the notes of restorations that the place had before it; none, if there were
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restorations: Option<String>,
}

impl CheckpointCopy {
    /// Reads a line.
    ///
    /// # Errors
    /// [`InvalidCopy`].
    pub fn parse(line: &[u8]) -> Result<Self, InvalidCopy> {
        serde_json::from_slice(line).map_err(InvalidCopy)
    }

    /// What was signed, verified with one of the keys, or without any with the copy's own: that shows
    /// no more than that the note is whole.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(&self, keys: &[VerifierKey]) -> Result<Checkpoint, NoteError> {
        let own: Vec<VerifierKey> = self.public_key.parse().into_iter().collect();
        let keys = if keys.is_empty() { &own } else { keys };
        Checkpoint::open(&self.note, keys)
    }

    /// Whether it is no head, but says that a life of the log ended.
    pub fn is_restoration(&self) -> bool {
        Restoration::is_meant(&self.note)
    }

    /// Why a life of the log ended, verified as in [`open`](Self::open).
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn restoration(&self, keys: &[VerifierKey]) -> Result<Restoration, NoteError> {
        let own: Vec<VerifierKey> = self.public_key.parse().into_iter().collect();
        let keys = if keys.is_empty() { &own } else { keys };
        Restoration::open(&self.note, keys)
    }

    /// The head that was signed, if one of the keys signed it.
    fn signed(&self, keys: &[VerifierKey]) -> Result<Signed, NoteError> {
        let head = self.open(keys)?;
        Ok(Signed {
            epoch: head.epoch,
            size: head.size,
            root: head.root,
        })
    }

    /// The line, without its end.
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("names and strings are JSON")
    }
}

impl From<SignedCheckpoint> for CheckpointCopy {
    fn from(signed: SignedCheckpoint) -> Self {
        Self {
            epoch: signed.epoch,
            tree_size: signed.size.get(),
            public_key: signed.public_key,
            note: signed.note,
            restorations: None,
        }
    }
}

/// The end of what a place has: the newest head, and the notes of restorations behind it. They are added at
/// any time, so the newest copy may be one of them, which would hold a signer to nothing.
#[derive(Debug, Default)]
pub(super) struct End {
    pub head: Option<CheckpointCopy>,
    pub notes: Vec<CheckpointCopy>,
}

impl End {
    /// Adds the next copy.
    pub fn push(&mut self, copy: CheckpointCopy) {
        if copy.is_restoration() {
            self.notes.push(copy);
        } else {
            self.notes.clear();
            self.head = Some(copy);
        }
    }
}

/// Which notes of restorations were carried, in their order: SHA-256 over that of those before the last one
/// (lower-case hexadecimal digits) and the last one's text. Stable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Carried(Option<String>);

impl Carried {
    fn push(&mut self, note: &CheckpointCopy) {
        let before = self.0.take().unwrap_or_default();
        let sum = Sha256::new_with_prefix(before).chain_update(&note.note);
        self.0 = Some(hex(&sum.finalize()));
    }

    fn of(notes: &[CheckpointCopy]) -> Self {
        let mut carried = Self::default();
        for note in notes {
            carried.push(note);
        }
        carried
    }
}

/// What a place has, as far as it matters to what it lacks.
#[derive(Debug, Default)]
struct Held {
    /// The newest head.
    head: Option<(LogEpoch, TreeSize)>,
    /// The notes that it had before that head.
    carried: Carried,
    /// Those behind it.
    behind: BTreeSet<String>,
}

impl Held {
    /// The notes that it lacks of these, in their order.
    fn lacks(&self, mut notes: Vec<CheckpointCopy>) -> Vec<CheckpointCopy> {
        notes.retain(|note| !self.behind.contains(&note.note));
        let mut carried = Carried::default();
        let last = notes.iter().position(|note| {
            carried.push(note);
            carried == self.carried
        });
        notes.split_off(last.map_or(0, |last| last + 1))
    }
}

impl From<End> for Held {
    fn from(end: End) -> Self {
        let head = end.head;
        Self {
            head: head.as_ref().map(place),
            carried: Carried(head.and_then(|head| head.restorations)),
            behind: end.notes.into_iter().map(|copy| copy.note).collect(),
        }
    }
}

/// Where in a life of the log a head stands.
fn place(head: &CheckpointCopy) -> (LogEpoch, TreeSize) {
    (head.epoch, TreeSize::new(head.tree_size))
}

/// Why a copy was not carried.
#[derive(Debug, Error)]
enum CopyError {
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Stream(#[from] StreamCopyError),
    #[error(transparent)]
    Late(TimedOut),
}

enum Destination {
    Folder(CheckpointFolder),
    Stream(Box<CheckpointStream>),
}

/// Where copies go, and how far each has them.
pub(super) struct Copies {
    log: EventLog,
    places: Vec<Copied>,
}

struct Copied {
    destination: Destination,
    /// None: it must be asked.
    held: Option<Held>,
    is_failing: bool,
}

impl Copies {
    pub fn new(log: EventLog, nats: Option<async_nats::Client>, config: &SignerConfig) -> Self {
        let folder = config.folder.clone().map(CheckpointFolder::new);
        let clock = log.clock().clone();
        let stream = nats
            .map(|client| Box::new(CheckpointStream::new(client, clock, config.stream_replicas)));
        let destinations = folder
            .map(Destination::Folder)
            .into_iter()
            .chain(stream.map(Destination::Stream));
        Self {
            log,
            places: destinations
                .map(|destination| Copied {
                    destination,
                    held: None,
                    is_failing: false,
                })
                .collect(),
        }
    }

    /// The newest head that each place has under one of these keys: none of it may be gone from the log. A place
    /// that does not answer is passed over, since the log must be signed without it too. Each is asked once
    /// more before it is carried to: others may have carried meanwhile.
    pub async fn newest(&mut self, keys: &[VerifierKey]) -> Vec<Signed> {
        let mut known = Vec::new();
        for place in &mut self.places {
            place.held = None;
            let name = place.destination.name();
            let asking = Box::pin(place.destination.end());
            let newest = self.log.clock().timeout(CARRIED, asking).await;
            match newest.unwrap_or_else(|late| Err(CopyError::Late(late))) {
                Ok(end) => {
                    let signed = end.head.map(|head| head.signed(keys)).transpose();
                    match signed {
                        Ok(signed) => known.extend(signed),
                        Err(error) => tracing::warn!(
                            place = name,
                            error = %chain(&error),
                            "the newest head there is not of this log's key"
                        ),
                    }
                }
                Err(error) => tracing::warn!(
                    place = name,
                    error = %chain(&error),
                    "the log is not held to the copies there"
                ),
            }
        }
        known
    }

    /// Carries what each place lacks of a life of the log. What fails is tried again in the next round.
    pub async fn carry(&mut self, epoch: LogEpoch) {
        for place in &mut self.places {
            let name = place.destination.name();
            let carrying = Box::pin(place.carry(&self.log, epoch));
            let carried = self.log.clock().timeout(CARRIED, carrying).await;
            match carried.unwrap_or_else(|late| Err(CopyError::Late(late))) {
                Ok(()) if place.is_failing => {
                    place.is_failing = false;
                    tracing::info!(place = name, "copies of checkpoints are carried again");
                }
                Ok(()) => {}
                Err(error) => {
                    place.held = None;
                    metrics::counter!(names::COPIES_FAILED, "place" => name).increment(1);
                    if !place.is_failing {
                        place.is_failing = true;
                        tracing::warn!(
                            place = name,
                            error = %chain(&error),
                            "copies of checkpoints wait until they can be carried"
                        );
                    }
                }
            }
        }
    }
}

impl Copied {
    /// What fails or is broken off leaves a place of which nothing is known.
    async fn carry(&mut self, log: &EventLog, epoch: LogEpoch) -> Result<(), CopyError> {
        for _ in 0..PAGES {
            let mut held = match self.held.take() {
                Some(held) => held,
                None => self.destination.end().await?.into(),
            };
            self.carry_restorations(log, &mut held).await?;
            let newest = held.head.filter(|(of, _)| *of == epoch);
            let from = LogCheckpoints {
                epoch,
                after: newest.map(|(_, size)| size),
            };
            let page = log.checkpoints(from, PAGE).await?;
            let mut heads: Vec<CheckpointCopy> = page.into_iter().map(Into::into).collect();
            let Some(last) = heads.last().map(place) else {
                self.held = Some(held);
                return Ok(());
            };
            for head in &mut heads {
                head.restorations.clone_from(&held.carried.0);
            }
            self.destination.add(heads).await?;
            held.head = Some(last);
            self.held = Some(held);
        }
        Ok(())
    }

    /// Before any head of a new life, and whenever there are others: some are signed later than heads of the
    /// life that they speak of.
    async fn carry_restorations(&self, log: &EventLog, held: &mut Held) -> Result<(), CopyError> {
        let all = log.restorations().await?.into_iter().rev();
        let all: Vec<_> = all.filter_map(|one| one.copy).collect();
        let carried = Carried::of(&all);
        self.destination.add(held.lacks(all)).await?;
        held.carried = carried;
        held.behind.clear();
        Ok(())
    }
}

impl Destination {
    const fn name(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Stream(_) => "stream",
        }
    }

    async fn end(&self) -> Result<End, CopyError> {
        Ok(match self {
            Self::Folder(folder) => folder.end().await?,
            Self::Stream(stream) => stream.end().await?,
        })
    }

    async fn add(&self, copies: Vec<CheckpointCopy>) -> Result<(), CopyError> {
        match self {
            Self::Folder(folder) => folder.add(copies).await?,
            Self::Stream(stream) => stream.add(copies).await?,
        }
        Ok(())
    }
}
