//! Why a benchmark could not be run to its end.

use std::io;
use std::path::{Path, PathBuf};

use runtime::clock::TimedOut;
use runtime::local::LocalError;
use thiserror::Error;

use crate::nats::NatsError;

/// Why a benchmark could not be run to its end. An aim that is missed is none.
#[derive(Debug, Error)]
pub enum BenchError {
    #[error("a private server did not start")]
    Server(#[source] LocalError),
    #[error("the database refused a step of the benchmark")]
    Database(#[source] sqlx::Error),
    #[error("our tables could not be made")]
    Migrate(#[source] event_log::MigrateError),
    #[error("an append failed")]
    Append(#[source] event_log::AppendError),
    #[error("the log could not be read")]
    Read(#[source] event_log::ReadError),
    #[error("the log could not be followed")]
    Feed(#[source] event_log::FeedError),
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("a process of the benchmark cannot be talked to")]
    Talk(#[source] io::Error),
    #[error("not the JSON that was expected")]
    Json(#[source] serde_json::Error),
    #[error("{program} failed: {reason}")]
    Child { program: String, reason: String },
    #[error("{what} did not come about in time")]
    Late {
        what: &'static str,
        source: TimedOut,
    },
    #[error("{0}")]
    Wrong(String),
}

impl BenchError {
    pub fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`.
    pub fn json(source: serde_json::Error) -> Self {
        Self::Json(source)
    }
}

impl From<sqlx::Error> for BenchError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}
