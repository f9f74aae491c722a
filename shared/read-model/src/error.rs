//! What can go wrong while asking.

use std::fmt::Display;

use thiserror::Error;

/// A stored value that this build cannot read: the projection must be built anew.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("row {key} of table {table} has a value in column {column} that cannot be read")]
pub struct CorruptRow {
    /// The table, without its schema.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row's key.
    pub key: String,
}

impl CorruptRow {
    pub(crate) fn new(table: &'static str, column: &'static str, key: impl Display) -> Self {
        Self {
            table,
            column,
            key: key.to_string(),
        }
    }
}

/// Why a question was not answered.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The projection of this build does not exist yet, or has never reached the head of the log.
    #[error("the projection is still being built")]
    NotBuilt,
    /// A stored value cannot be read.
    #[error(transparent)]
    Corrupt(#[from] CorruptRow),
    /// The database did not answer.
    #[error("the read model's database did not answer")]
    Database(#[from] sqlx::Error),
}
