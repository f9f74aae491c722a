//! What calls about people share: from where they come, and their errors.

use api::error::{ApiError, Caller, Jitter};
use axum::extract::FromRequestParts;
use domain::limits::USER_AGENT_CHARS;
use domain::text::clean;
use http::header::USER_AGENT;
use http::request::Parts;

use super::App;
use super::edge;
use super::error;
use crate::people::{InviteError, PeopleError, Place};

/// From where a request comes, and what it is called.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) place: Place,
    pub(super) request_id: String,
}

impl FromRequestParts<App> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let agent = parts.headers.get(USER_AGENT);
        let agent = agent.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let agent = agent.and_then(|agent| clean(&agent));
        let request_id = edge::id(&parts.extensions);
        Ok(Self {
            place: Place {
                ip: edge::peer(&parts.extensions),
                user_agent: agent.map(|agent| agent.chars().take(USER_AGENT_CHARS).collect()),
            },
            request_id: request_id
                .ok_or_else(|| ApiError::internal("a request without an id"))?
                .to_owned(),
        })
    }
}

/// The answer where something about people could not be found out or done.
pub(super) fn refusal(error: PeopleError, jitter: Jitter) -> ApiError {
    match error {
        PeopleError::Command(error) => error::refusal(error, jitter),
        error @ (PeopleError::Database(_) | PeopleError::Gate(_)) => {
            ApiError::not_committed(jitter).because(error)
        }
        error @ PeopleError::Busy => ApiError::verification_unavailable(jitter).because(error),
        error @ PeopleError::SessionsRemain => ApiError::outcome_unknown(jitter).because(error),
        error @ (PeopleError::Corrupt { .. } | PeopleError::Hash) => ApiError::internal(error),
    }
}

/// The answer to somebody who may not answer an invitation.
pub(super) fn not_invited(error: InviteError, jitter: Jitter) -> ApiError {
    match error {
        InviteError::Unknown => ApiError::not_found(),
        InviteError::NotInvitee => ApiError::forbidden(Caller::Invitee),
        InviteError::People(error) => refusal(error, jitter),
    }
}
