//! Errors that several operations share.

use std::fmt;

use thiserror::Error;

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
}

impl From<sqlx::Error> for ReadError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}
