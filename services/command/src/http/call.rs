//! Who calls, and what the headers ask for: what every endpoint takes beside its own input.

use api::error::{ApiError, Caller as Required};
use api::header::{CommandHeaders, IdempotencyKey};
use api::input::query::{NoParams, StrictQuery};
use axum::extract::FromRequestParts;
use domain::ids::{KeyId, OrgId, SessionId, UserId};
use domain::org::Caller;
use gate::{Admission, Principal};
use http::request::Parts;

use super::App;
use super::edge;
use crate::app::CommandContext;

/// An endpoint's caller. Taking it as an argument also checks the headers that all commands read,
/// and that there is no parameter.
#[derive(Debug)]
pub(super) struct Call(pub(super) Asked);

/// The same, for endpoints with parameters of their own.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) org: OrgId,
    pub(super) caller: Caller,
    pub(super) request_id: String,
    /// Method and path, ids included: what an `Idempotency-Key` is bound to.
    pub(super) route: String,
    pub(super) idempotency_key: Option<IdempotencyKey>,
    pub(super) respond_async: bool,
}

impl Asked {
    /// As commands take it.
    pub(super) fn context(&self) -> CommandContext {
        CommandContext {
            caller: self.caller,
            correlation_id: self.request_id.clone(),
            wait: true,
        }
    }

    /// The calling key; none for a session.
    pub(super) const fn key_id(&self) -> Option<KeyId> {
        match self.caller {
            Caller::Key(id) => Some(id),
            Caller::Session { .. } | Caller::Person { .. } | Caller::Operator => None,
        }
    }

    /// The calling session and its person.
    ///
    /// # Errors
    /// 403 for a key.
    pub(super) fn session(&self) -> Result<(SessionId, UserId), ApiError> {
        match self.caller {
            Caller::Session { id, user } => Ok((id, user)),
            Caller::Key(_) | Caller::Person { .. } | Caller::Operator => {
                Err(ApiError::forbidden(Required::Session))
            }
        }
    }

    /// As an org takes it that may be another than that of the caller's session.
    pub(super) fn context_in(&self, org: OrgId) -> CommandContext {
        let caller = match self.caller {
            Caller::Session { id, user } if org != self.org => Caller::Person {
                id: user,
                session: Some(id),
            },
            caller => caller,
        };
        CommandContext {
            caller,
            ..self.context()
        }
    }
}

impl FromRequestParts<App> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let headers = CommandHeaders::from_request_parts(parts, app).await?;
        let admission = parts.extensions.get::<Admission>();
        let admission = admission.ok_or_else(|| ApiError::internal("no gate before a command"))?;
        let caller = match admission.principal {
            Principal::Key { id, .. } => Caller::Key(id),
            Principal::Session { id, user, .. } => Caller::Session { id, user },
        };
        // Ids may be written in either case; everything else is lower-case by itself.
        let path = parts.uri.path().to_ascii_lowercase();
        Ok(Self {
            org: admission.principal.org(),
            caller,
            request_id: edge::id(&parts.extensions)
                .ok_or_else(|| ApiError::internal("a request without an id"))?
                .to_owned(),
            route: format!("{} {path}", parts.method),
            idempotency_key: headers.idempotency_key,
            respond_async: headers.respond_async,
        })
    }
}

impl FromRequestParts<App> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let asked = Asked::from_request_parts(parts, app).await?;
        StrictQuery::<NoParams>::from_request_parts(parts, app).await?;
        Ok(Self(asked))
    }
}
