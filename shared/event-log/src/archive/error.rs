//! Why a stretch of the log is not archived, or an archive not read.

use std::io;
use std::path::{Path, PathBuf};

use domain::ids::{GlobalPosition, TreeSize};
use runtime::clock::TimedOut;
use thiserror::Error;

use super::check::BadEvent;
use crate::error::ReadError;

/// What has to come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Behind {
    /// `log.streams`.
    #[error("the ends of streams are folded up to {0} only: a command service does that by itself")]
    Fold(GlobalPosition),
    /// A projection.
    #[error("a projection has come to {0} only: it would need the archive to go on")]
    Projection(GlobalPosition),
    /// Webhooks.
    #[error(
        "webhooks were given events up to {0} only: start a command service, and wait, or switch off \
         those that are not reached"
    )]
    Webhooks(GlobalPosition),
    /// The signed tree.
    #[error(
        "the tree is signed up to {0} only: start a command service with the signing key, and wait"
    )]
    Tree(TreeSize),
}

/// Why a stretch of the log is not archived, or an archive not read.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A file or the folder cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This process has no folder.
    #[error("there is no folder of archives here")]
    Nowhere,
    /// The folder does not answer, or hangs for those who were before.
    #[error("the folder of archives did not answer in time")]
    Late(#[source] TimedOut),
    /// A manifest is not one, or not the one that is wanted.
    #[error("the manifest {path} {problem}")]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file does not hold what its manifest says.
    #[error("the archive {path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first position at which it shows.
        source: BadEvent,
    },
    /// What was to be archived was written, now or by an earlier attempt, and is not sound.
    #[error("{path} is damaged: move it and its manifest away, and run the command once more")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The first position at which it shows.
        source: BadEvent,
    },
    /// A file is sound by itself, and does not hold what stands in this log.
    #[error("{path} holds other events than this log: move it away, it belongs to another life")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A partition was put away, and its archive is not sound now: it stays where it is.
    #[error(
        "a partition that was put away is not dropped: put a sound copy of {path} in its place"
    )]
    NotDropped {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ArchiveError>,
    },
    /// The log itself is not sound: nothing is archived.
    #[error("the log is damaged")]
    Log(#[source] BadEvent),
    /// The tree that is kept is not that of the events.
    #[error("the tree that is kept differs from the events up to position {0}")]
    Tree(GlobalPosition),
    /// The copy of what stays online is not complete.
    #[error("{0} decisions were not kept as they are: nothing was taken out")]
    Lacking(i64),
    /// A log is archived into one folder.
    #[error("{folder} has not all that was archived before: name the folder that has")]
    Elsewhere {
        /// The folder.
        folder: PathBuf,
        /// What is wrong first.
        source: Box<ArchiveError>,
    },
    /// Something has to come first.
    #[error("events up to {last} cannot be archived yet")]
    Behind {
        /// The last position of the partition.
        last: GlobalPosition,
        /// What.
        source: Behind,
    },
    /// Another process archives.
    #[error("another process is archiving this log")]
    Busy,
    /// Whoever reads and appends never let go of the partition.
    #[error("the partition was in use at each of {0} attempts: run the command once more")]
    Held(u32),
    /// The log or a table beside it could not be read.
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    /// The database did not answer, or refused.
    #[error("the database did not do it")]
    Database(#[from] sqlx::Error),
    /// The computation was broken off.
    #[error("the work was broken off")]
    Died(#[from] tokio::task::JoinError),
}

impl ArchiveError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn manifest(path: &Path, problem: &'static str) -> Self {
        Self::Manifest {
            path: path.to_owned(),
            problem,
        }
    }

    /// Of what nobody needs yet.
    pub(super) fn unfit(self) -> Self {
        match self {
            Self::Damaged { path, source } => Self::Unfit { path, source },
            other => other,
        }
    }

    pub(super) fn damaged(path: &Path, source: BadEvent) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            source,
        }
    }
}
