//! The one way into the log: group commit under the lock of `log.head`.
//!
//! Callers prepare their events in parallel ([`prepare`]) and queue them; one task per process
//! ([`Appender`]) takes the head's lock, drains the queue, settles each append in memory
//! ([`settle`]) and writes all of them in one transaction ([`session`]). While it commits, the
//! next ones collect: there is no artificial wait.

mod appender;
mod facts;
mod flight;
mod gate_people;
mod gate_rows;
mod outcome;
mod prepare;
mod queue;
mod session;
mod settle;
mod tail;
mod write;

use std::sync::Arc;
use std::time::Duration;

use domain::event::{Actor, ChainHash, Event};
use domain::ids::{GlobalPosition, KeyId, LogEpoch, OrgId, SessionId, StreamVersion};
use domain::time::Timestamp;
use thiserror::Error;
use uuid::Uuid;

pub use self::appender::Appender;
pub(crate) use self::gate_rows::{ACTIVE, KIND_SESSION, ROTATING};
pub(crate) use self::prepare::Prepared;
pub(crate) use self::queue::Queue;

/// Most appends of one transaction.
const BATCH_APPENDS: usize = 512;
/// A transaction takes no further append once it has so many bytes of events.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Most events of one append.
const APPEND_EVENTS: usize = 20_000;
/// Most bytes of events of one append: what an ingest request's 4 MiB can become.
const APPEND_BYTES: u32 = 16 * 1024 * 1024;

/// What an operator may set about appending.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How long an append may wait for room and for its turn before it is answered
    /// [`AppendError::NotCommitted`]. One whose turn has come takes a few steps more; and if the
    /// answer to its commit is lost, that is looked for as long again before it is
    /// [`AppendError::OutcomeUnknown`].
    pub deadline: Duration,
    /// How long Postgres may take for one step; must be below `deadline`.
    pub step: Duration,
    /// Bytes of events that may wait; beyond, `append` waits for room.
    pub queue_bytes: u32,
}

impl Default for Config {
    /// 5 s, 2 s, 64 MiB.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            step: Duration::from_secs(2),
            queue_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Events to append, all or none.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// Whose they are.
    pub org_id: OrgId,
    /// The version of the org's decisions that they were decided on; `None` appends in any case,
    /// as observations do.
    pub expected: Option<StreamVersion>,
    /// What happened, decisions first. May be empty beside an idempotency record.
    pub events: Vec<Event>,
    /// Who caused it.
    pub actor: Actor,
    /// The `X-Request-Id`.
    pub correlation_id: String,
    /// The answer to remember under the request's `Idempotency-Key`.
    pub idempotency: Option<IdempotencyRecord>,
    /// The calling credential, if it must still be allowed to act when this is appended. Decisions of
    /// its own org need none: there the caller is part of the state that `expected` names.
    pub guard: Option<Guard>,
}

/// A credential that must still be allowed to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// A key, which acts for its own org.
    Key(KeyId),
    /// A session: what a person may in an org may not depend on where they are signed in.
    Session(SessionId),
}

impl Guard {
    /// As its row names it.
    pub(crate) const fn id(self) -> Uuid {
        match self {
            Self::Key(id) => id.as_uuid(),
            Self::Session(id) => id.as_uuid(),
        }
    }
}

/// What to remember under an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The org that the caller acts in, which may be another than the events'.
    pub org_id: OrgId,
    /// The header's value.
    pub key: String,
    /// Method and path, ids included.
    pub route: String,
    /// SHA-256 of the body.
    pub fingerprint: [u8; 32],
    /// HTTP status of the answer.
    pub status: u16,
    /// Body of the answer, secrets left out.
    pub answer: Vec<u8>,
}

/// What is remembered under an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// What the request brought.
    pub record: IdempotencyRecord,
    /// The first event of its append; above `last` if it had none.
    pub first: GlobalPosition,
    /// The last event of its append, or the head if it had none.
    pub last: GlobalPosition,
    /// When.
    pub recorded_at: Timestamp,
}

/// Where the events stand; their positions are consecutive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event; above `last` if there was none.
    pub first: GlobalPosition,
    /// Position of the last event, or the head if there was none.
    pub last: GlobalPosition,
    /// Version of the org's decisions after them, if the append named it or has decisions.
    pub version: Option<StreamVersion>,
    /// When; the same for all of them.
    pub recorded_at: Timestamp,
    /// The log's epoch.
    pub epoch: LogEpoch,
    /// The hash of each, in order.
    pub hashes: Vec<ChainHash>,
}

/// Why nothing was appended, or why that is not known.
#[derive(Debug, Clone, Error)]
pub enum AppendError {
    /// The org decided something else meanwhile: load, decide again.
    #[error("the org's decisions are at version {actual}")]
    Conflict {
        /// The version they are at.
        actual: StreamVersion,
    },
    /// The `Idempotency-Key` has an answer already, perhaps to another request.
    #[error("the idempotency key was used before")]
    IdempotencyTaken(Box<StoredAnswer>),
    /// The calling key, its owner or its org may not act any more.
    #[error("the calling key may not act any more")]
    CallerDenied,
    /// More than one append may have.
    #[error("{what}: {size} where {max} is the most")]
    TooLarge {
        /// Events, bytes of one event, or bytes of the append.
        what: &'static str,
        /// How much it is.
        size: usize,
        /// How much it may be.
        max: usize,
    },
    /// Nothing was written, and trying again is safe.
    #[error("the log could not be written")]
    NotCommitted(#[source] Arc<NotCommitted>),
    /// The answer to COMMIT was lost and the database did not say since. Never to be guessed.
    #[error("whether the log was written is not known")]
    OutcomeUnknown,
}

/// What stood in the way of an append.
#[derive(Debug, Error)]
pub enum NotCommitted {
    /// The database failed or refused.
    #[error("the database refused {step}")]
    Database {
        /// What was asked of it.
        step: &'static str,
        /// Its answer.
        #[source]
        source: sqlx::Error,
    },
    /// The database did not answer in time.
    #[error("the database did not answer to {step} in time")]
    Late {
        /// What was asked of it.
        step: &'static str,
    },
    /// A row of the log is not what it must be.
    #[error("the log cannot be continued")]
    Corrupt(#[from] crate::CorruptRow),
    /// It waited too long behind others.
    #[error("too many appends wait")]
    Overloaded,
    /// The connection was lost during COMMIT, and the log shows that it did not happen.
    #[error("the commit did not happen")]
    Lost,
    /// The process is stopping, or has no appender.
    #[error("no appender runs in this process")]
    Stopped,
}

impl From<NotCommitted> for AppendError {
    fn from(cause: NotCommitted) -> Self {
        Self::NotCommitted(Arc::new(cause))
    }
}

impl NotCommitted {
    /// Whether trying the same content again is of no use.
    fn is_about_content(&self) -> bool {
        match self {
            Self::Corrupt(_) => true,
            Self::Database { source, .. } => match source {
                // Data, constraints, syntax and permissions, limits of the program.
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    ["21", "22", "23", "42", "54"].contains(&code.get(..2).unwrap_or_default())
                }),
                sqlx::Error::Protocol(_) | sqlx::Error::Encode(_) | sqlx::Error::Decode(_) => true,
                _ => false,
            },
            Self::Late { .. } | Self::Overloaded | Self::Lost | Self::Stopped => false,
        }
    }

    /// Whether writing took too long, by our clock or by the server's.
    fn is_slow_write(&self) -> bool {
        match self {
            Self::Late { step } => *step == "write",
            Self::Database { step, source } => {
                let code = source
                    .as_database_error()
                    .and_then(sqlx::error::DatabaseError::code);
                // query_canceled
                *step == "write" && code.as_deref() == Some("57014")
            }
            _ => false,
        }
    }

    /// A short name of what failed.
    pub(crate) const fn step(&self) -> &'static str {
        match self {
            Self::Database { step, .. } | Self::Late { step } => step,
            Self::Corrupt(_) => "check",
            Self::Overloaded => "wait",
            Self::Lost => "commit",
            Self::Stopped => "stop",
        }
    }
}
