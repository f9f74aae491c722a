//! Carrying signed heads out of the database. What could not be carried is carried with the next.

use std::time::Duration;

use domain::ids::{LogEpoch, TreeSize};
use domain::signed::{Checkpoint, NoteError, VerifierKey};
use runtime::clock::TimedOut;
use runtime::telemetry::chain;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::SignerConfig;
use super::folder::{CheckpointFolder, FolderError};
use super::stream::{CheckpointStream, StreamCopyError};
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

/// A signed head outside the database: one line of JSON.
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

    /// The line, without its end.
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("names and strings are JSON")
    }

    /// Where in a life of the log it stands.
    pub(super) const fn place(&self) -> Place {
        Place {
            epoch: self.epoch,
            size: TreeSize::new(self.tree_size),
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
pub(super) struct Place {
    pub epoch: LogEpoch,
    pub size: TreeSize,
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
                    is_failing: false,
                })
                .collect(),
        }
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
                None => self.destination.newest().await?,
            };
            let after = newest.filter(|newest| newest.epoch == epoch);
            let from = LogCheckpoints {
                epoch,
                after: after.map(|newest| newest.size),
            };
            self.newest = Some(newest);
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

impl Destination {
    const fn name(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Stream(_) => "stream",
        }
    }

    async fn newest(&self) -> Result<Option<Place>, CopyError> {
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
