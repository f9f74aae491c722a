//! The one place where what went wrong becomes an answer of v1.

use api::error::{ApiError, Jitter, Presented};
use api::input::issue::Issues;
use domain::limits::INGEST_LINES;
use event_log::ReadError;

use crate::app::{CommandError, Unreadable};

/// The answer for an error; `jitter` spreads those who are told to come back.
pub(super) fn refusal(error: CommandError, jitter: Jitter) -> ApiError {
    match error {
        CommandError::Rejected(rejection) => rejection.into(),
        CommandError::Unreadable(Unreadable::NoLine) => {
            let issues = Issues::one("$", "must have at least one line that is not blank");
            ApiError::invalid_body(&issues)
        }
        CommandError::Unreadable(Unreadable::TooManyLines) => {
            ApiError::payload_too_large(INGEST_LINES, "lines")
        }
        CommandError::Conflict => ApiError::conflict(),
        CommandError::CallerDenied => ApiError::invalid_api_key(Presented::BearerToken),
        CommandError::TooLarge { what, max, .. } => ApiError::payload_too_large(max, what),
        // An archive that is out of reach is for the operator to bring back.
        CommandError::Unread(
            error @ (ReadError::Database(_)
            | ReadError::Archived { .. }
            | ReadError::Archive { .. }),
        ) => ApiError::not_committed(jitter).because(error),
        CommandError::Unread(error @ ReadError::Corrupt(_)) => ApiError::internal(error),
        CommandError::NotCommitted(cause) => ApiError::not_committed(jitter).because(cause),
        CommandError::OutcomeUnknown | CommandError::Unsettled(_) | CommandError::Unanswered(_) => {
            ApiError::outcome_unknown(jitter).because(error)
        }
        CommandError::Answered(_) | CommandError::Undecodable { .. } | CommandError::Died(_) => {
            ApiError::internal(error)
        }
    }
}
