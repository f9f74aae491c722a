//! Who asks for what: a request that the gate and the table of routes let through.

use api::BASE_PATH;
use api::cursor::List;
use api::error::{ApiError, Caller};
use api::route::Route;
use axum::extract::FromRequestParts;
use domain::ids::{GlobalPosition, OrgId, SessionId, UserId};
use domain::scope::Scope;
use gate::{Admission, Principal};
use http::request::Parts;

/// An admitted request; an endpoint takes it as an argument.
#[derive(Debug, Clone)]
pub struct Call {
    principal: Principal,
    known_at: GlobalPosition,
    route: &'static Route,
    /// Path and parameters in order: what the answer is kept by.
    target: Box<str>,
}

impl Call {
    /// Of a request that may go on.
    pub fn new(admission: &Admission, route: &'static Route, target: impl Into<Box<str>>) -> Self {
        Self {
            principal: admission.principal,
            known_at: admission.known_at,
            route,
            target: target.into(),
        }
    }

    /// Who calls.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The calling session and its person.
    ///
    /// # Errors
    /// 403 for a key.
    pub fn session(&self) -> Result<(SessionId, UserId), ApiError> {
        match self.principal {
            Principal::Session { id, user, .. } => Ok((id, user)),
            Principal::Key { .. } => Err(ApiError::forbidden(Caller::Session)),
        }
    }

    /// The position of the log as of which the gate knows the caller.
    pub const fn known_at(&self) -> GlobalPosition {
        self.known_at
    }

    /// The caller's org.
    pub const fn org(&self) -> OrgId {
        self.principal.org()
    }

    /// The route.
    pub const fn route(&self) -> &'static Route {
        self.route
    }

    /// Path and parameters in order.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The scope that the route needs, if it needs one.
    pub const fn scope(&self) -> Option<Scope> {
        self.route.scope()
    }

    /// What cursors of this list are bound to.
    pub fn list<'a>(&'a self, filters: &'a str) -> List<'a> {
        let path = self.target.split('?').next().unwrap_or_default();
        List {
            org: self.org(),
            route: path.strip_prefix(BASE_PATH).unwrap_or(path),
            filters,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| ApiError::internal("an endpoint was reached without the gate"))
    }
}
