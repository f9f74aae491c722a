//! Carrying signed heads out of the database. What could not be carried is carried with the next.

use std::time::Duration;

use domain::ids::{LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::{Checkpoint, NoteError, Restoration, VerifierKey};
use runtime::clock::TimedOut;
use runtime::telemetry::chain;
use serde::{Deserialize, Serialize};
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

    /// What it says was signed, if one of the keys signed it. A life that has begun has no event of its own.
    fn signed(&self, keys: &[VerifierKey]) -> Result<Signed, NoteError> {
        if self.is_restoration() {
            return Ok(Signed {
                epoch: self.restoration(keys)?.epoch,
                size: TreeSize::ZERO,
                root: NodeHash::of_nothing(),
            });
        }
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

    /// Where in a life of the log it stands.
    fn place(&self) -> Place {
        let size = (!self.is_restoration()).then(|| TreeSize::new(self.tree_size));
        Place {
            epoch: self.epoch,
            size,
        }
    }
}

impl From<SignedCheckpoint> for CheckpointCopy {
    fn from(signed: SignedCheckpoint) -> Self {
        Self {
            epoch: signed.epoch,
            tree_size: signed.size.get(),
            public_key: signed.public_key,
            note: signed.note,
        }
    }
}

/// The newest copy somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    epoch: LogEpoch,
    /// None: that the life has begun.
    size: Option<TreeSize>,
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
    /// The newest copy there; none: it must be asked.
    newest: Option<Option<Place>>,
    /// How many restorations it was given by this process.
    restorations: usize,
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
                    newest: None,
                    restorations: 0,
                    is_failing: false,
                })
                .collect(),
        }
    }

    /// The newest that each place has under one of these keys: none of it may be gone from the log. A place
    /// that does not answer is passed over, since the log must be signed without it too. Each is asked once
    /// more before it is carried to: others may have carried meanwhile.
    pub async fn newest(&mut self, keys: &[VerifierKey]) -> Vec<Signed> {
        let mut known = Vec::new();
        for place in &mut self.places {
            place.newest = None;
            let name = place.destination.name();
            let asking = Box::pin(place.destination.newest());
            let newest = self.log.clock().timeout(CARRIED, asking).await;
            match newest.unwrap_or_else(|late| Err(CopyError::Late(late))) {
                Ok(newest) => {
                    let signed = newest.map(|newest| newest.signed(keys)).transpose();
                    match signed {
                        Ok(signed) => known.extend(signed),
                        Err(error) => tracing::warn!(
                            place = name,
                            error = %chain(&error),
                            "the newest copy there is not of this log's key"
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
                    place.newest = None;
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
    async fn carry(&mut self, log: &EventLog, epoch: LogEpoch) -> Result<(), CopyError> {
        for _ in 0..PAGES {
            let newest = match self.newest {
                Some(newest) => newest,
                None => self.destination.newest().await?.map(|copy| copy.place()),
            };
            let after = newest.filter(|newest| newest.epoch == epoch);
            self.carry_restorations(log, after.is_none()).await?;
            let from = LogCheckpoints {
                epoch,
                after: after.and_then(|newest| newest.size),
            };
            // A life that has no head yet has begun there all the same.
            let begun = Place { epoch, size: None };
            self.newest = Some(Some(after.unwrap_or(begun)));
            let page = log.checkpoints(from, PAGE).await?;
            let copies: Vec<CheckpointCopy> = page.into_iter().map(Into::into).collect();
            let Some(last) = copies.last().map(CheckpointCopy::place) else {
                return Ok(());
            };
            self.destination.add(copies).await?;
            self.newest = Some(Some(last));
        }
        Ok(())
    }
}

impl Copied {
    /// All of them before any head of a new life, and whenever there are others than it was given: some
    /// are signed later than heads of the life that they speak of.
    async fn carry_restorations(&mut self, log: &EventLog, is_new: bool) -> Result<(), CopyError> {
        let all = log.restorations().await?.into_iter().rev();
        let mut due: Vec<_> = all.filter_map(|one| one.copy).collect();
        let count = due.len();
        if !is_new && count == self.restorations {
            return Ok(());
        }
        if !is_new {
            // Once more, since the newest copy tells where to go on.
            let newest = self.destination.newest().await?;
            due.extend(newest.filter(|newest| !newest.is_restoration()));
        }
        self.destination.add(due).await?;
        self.restorations = count;
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

    async fn newest(&self) -> Result<Option<CheckpointCopy>, CopyError> {
        Ok(match self {
            Self::Folder(folder) => folder.newest().await?,
            Self::Stream(stream) => stream.newest().await?,
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
