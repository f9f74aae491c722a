//! Errors that several operations share.

use std::fmt;

use domain::ids::GlobalPosition;
use thiserror::Error;

use crate::archive::ArchiveError;

/// A row that does not hold what its column promises.
#[derive(Debug, Error)]
#[error("corrupt row: {table}.{column} of {key} {problem}")]
pub struct CorruptRow {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's key.
    pub key: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl CorruptRow {
    pub(crate) fn new(
        table: &'static str,
        column: &'static str,
        key: impl fmt::Display,
        problem: &'static str,
    ) -> Self {
        Self {
            table,
            column,
            key: key.to_string(),
            problem,
        }
    }
}

/// Why the log or a table beside it could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The database did not answer, or refused.
    #[error("the database could not be asked")]
    Database(#[source] sqlx::Error),
    /// The database answered with something that cannot be.
    #[error(transparent)]
    Corrupt(#[from] CorruptRow),
    /// The event stands in an archive, and this process has none.
    #[error(
        "the event at position {position} is archived, the earliest that is kept online is {earliest}: \
         name the folder of the archive (--archive-dir or TGA_ARCHIVE_DIR)"
    )]
    Archived {
        /// The first that is wanted and not there.
        position: GlobalPosition,
        /// From here on all events are online.
        earliest: GlobalPosition,
    },
    /// The archive that holds the event cannot be read.
    #[error("the event at position {position} is archived, and its archive cannot be read")]
    Archive {
        /// The first that is wanted.
        position: GlobalPosition,
        /// Why.
        #[source]
        source: Box<ArchiveError>,
    },
}

impl ReadError {
    /// Whether what is wanted is archived, and the archive not at hand.
    pub const fn is_archived(&self) -> bool {
        matches!(self, Self::Archived { .. } | Self::Archive { .. })
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}
