//! Why a command came to nothing, or why that is not known.

use std::error::Error;
use std::sync::Arc;

use domain::event::DecodeError;
use domain::ids::GlobalPosition;
use domain::org::Rejection;
use event_log::{NotCommitted, ReadError, StoredAnswer};
use gate::SettleError;
use thiserror::Error;

use super::ingest::Unreadable;

/// Why a command came to nothing, or why that is not known.
#[derive(Debug, Error)]
pub enum CommandError {
    /// A rule of the business refused it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A body of lines is refused whole.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The `Idempotency-Key` has an answer already, perhaps to another request.
    #[error("the idempotency key has an answer")]
    Answered(Box<StoredAnswer>),
    /// Each attempt met newer decisions of the org.
    #[error("every attempt met newer decisions of the org")]
    Conflict,
    /// The calling key may not act any more.
    #[error("the calling key may not act any more")]
    CallerDenied,
    /// It comes to more than one append may hold.
    #[error("{what}: {size} where {max} is the most")]
    TooLarge {
        /// Events or bytes.
        what: &'static str,
        /// How much it is.
        size: usize,
        /// How much it may be.
        max: usize,
    },
    /// The log could not be read to decide; nothing was changed.
    #[error("the log could not be read")]
    Unread(#[source] ReadError),
    /// The log could not be written; nothing was changed.
    #[error("the log could not be written")]
    NotCommitted(#[source] Arc<NotCommitted>),
    /// Whether the log was written is not known.
    #[error("whether the log was written is not known")]
    OutcomeUnknown,
    /// It is recorded, but the replicas to wait for could not be asked.
    #[error("it is recorded, but not known to be in force everywhere")]
    Unsettled(#[source] SettleError),
    /// It is recorded, but its answer could not be made.
    #[error("it is recorded, but its answer could not be made")]
    Unanswered(#[source] Box<dyn Error + Send + Sync>),
    /// An event of the org is of a newer build: deciding without it could be wrong.
    #[error("the event at position {position} cannot be read")]
    Undecodable {
        /// Where it stands.
        position: GlobalPosition,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// A piece of work died.
    #[error("{0} did not finish")]
    Died(&'static str),
}

impl CommandError {
    /// Whether the same may go well a moment later: somebody was busy, or another command came first.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Conflict
            | Self::Unread(_)
            | Self::NotCommitted(_)
            | Self::OutcomeUnknown
            | Self::Unsettled(_) => true,
            Self::Rejected(_)
            | Self::Unreadable(_)
            | Self::Answered(_)
            | Self::CallerDenied
            | Self::TooLarge { .. }
            | Self::Unanswered(_)
            | Self::Undecodable { .. }
            | Self::Died(_) => false,
        }
    }

    /// Whether it is certain that nothing was changed.
    pub const fn is_certain(&self) -> bool {
        match self {
            Self::Rejected(_)
            | Self::Unreadable(_)
            | Self::Answered(_)
            | Self::Conflict
            | Self::CallerDenied
            | Self::TooLarge { .. }
            | Self::Unread(_)
            | Self::NotCommitted(_)
            | Self::Undecodable { .. } => true,
            Self::OutcomeUnknown | Self::Unsettled(_) | Self::Unanswered(_) | Self::Died(_) => {
                false
            }
        }
    }
}
