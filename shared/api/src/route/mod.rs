//! Every route of v1, once: who may call it, which service answers, and with which codes it can
//! refuse. The gate asks it which scope a path needs; the document is completed from it.

mod table;
#[cfg(test)]
mod tests;

use domain::limits::{BODY_BYTES, INGEST_BODY_BYTES};
use domain::scope::{Scope, Scopes};
use http::Method;

use crate::BASE_PATH;
use crate::error::{ApiError, Caller, ErrorCode};

pub use self::table::ROUTES;

/// A method that v1 knows. HEAD is answered as GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// GET, and HEAD.
    Get,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Verb {
    const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Patch, Self::Delete];

    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn bit(self) -> usize {
        1 << (self as usize)
    }

    fn of(method: &Method) -> Option<Self> {
        if *method == Method::HEAD {
            return Some(Self::Get);
        }
        Self::ALL
            .into_iter()
            .find(|verb| verb.name() == method.as_str())
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a credential, unmetered.
    Public,
    /// Every valid credential.
    Any,
    /// A credential with this scope.
    Scope(Scope),
    /// A person's session.
    Session,
}

/// The service that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The write side: every POST, PATCH and DELETE.
    Command,
    /// The read side: every GET.
    Query,
}

/// The body of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// None.
    None,
    /// JSON, at most 1 MiB.
    Json,
    /// Lines of JSON, at most 4 MiB.
    Ndjson,
}

/// A route of v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path under [`BASE_PATH`], ids as `{id}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What becomes of its body.
    pub body: BodyKind,
    /// The codes that are its own; [`Route::codes`] has all.
    own: &'static [ErrorCode],
    /// For a removed endpoint: what to use.
    pub replacement: Option<&'static str>,
}

/// What a method and a path lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A route.
    Route(&'static Route),
    /// 405; the value of `Allow`.
    MethodNotAllowed(&'static str),
    /// 404. Under `/admin` with the scope only, else 403.
    Nothing {
        /// The scope without which it is 403.
        required: Option<Scope>,
    },
}

impl Found {
    /// Steps 4 and 5 of v1-contract.md 4, after the caller was let in: the route, or 404, 405, 403.
    pub fn admit(self, scopes: Scopes, is_session: bool) -> Result<&'static Route, ApiError> {
        let route = match self {
            Self::Route(route) => route,
            Self::MethodNotAllowed(allow) => return Err(ApiError::method_not_allowed(allow)),
            Self::Nothing {
                required: Some(scope),
            } if !scopes.contains(scope) => {
                return Err(ApiError::insufficient_scope(scope, scopes));
            }
            Self::Nothing { .. } => return Err(ApiError::not_found()),
        };
        match route.access {
            Access::Scope(scope) if !scopes.contains(scope) => {
                Err(ApiError::insufficient_scope(scope, scopes))
            }
            Access::Session if !is_session => Err(ApiError::forbidden(Caller::Session)),
            _ => Ok(route),
        }
    }
}

impl Route {
    const fn new(verb: Verb, path: &'static str, access: Access) -> Self {
        let body = match verb {
            Verb::Post | Verb::Patch => BodyKind::Json,
            Verb::Get | Verb::Delete => BodyKind::None,
        };
        Self {
            verb,
            path,
            access,
            body,
            own: &[],
            replacement: None,
        }
    }

    const fn own(mut self, codes: &'static [ErrorCode]) -> Self {
        self.own = codes;
        self
    }

    const fn ndjson(mut self) -> Self {
        self.body = BodyKind::Ndjson;
        self
    }

    const fn removed(mut self, replacement: &'static str) -> Self {
        self.replacement = Some(replacement);
        self
    }

    /// The scope that it needs, if it needs one.
    pub const fn scope(&self) -> Option<Scope> {
        match self.access {
            Access::Scope(scope) => Some(scope),
            Access::Any | Access::Session | Access::Public => None,
        }
    }

    /// The service that answers.
    pub const fn service(&self) -> Service {
        match self.verb {
            Verb::Get => Service::Query,
            Verb::Post | Verb::Patch | Verb::Delete => Service::Command,
        }
    }

    /// The largest body, in bytes; 0 without one.
    pub const fn max_body(&self) -> usize {
        match self.body {
            BodyKind::None => 0,
            BodyKind::Json => BODY_BYTES,
            BodyKind::Ndjson => INGEST_BODY_BYTES,
        }
    }

    /// The path with its base, as usage and logs name it.
    pub fn full_path(&self) -> String {
        format!("{BASE_PATH}{}", self.path)
    }

    /// Whether the path holds an id.
    pub fn has_id(&self) -> bool {
        self.path.contains('{')
    }

    /// Every code that it can answer with, alphabetically.
    pub fn codes(&self) -> Vec<ErrorCode> {
        let mut codes = vec![ErrorCode::InternalError];
        codes.extend_from_slice(self.own);
        if self.access != Access::Public {
            codes.extend_from_slice(AUTHENTICATED);
        }
        if self.replacement.is_some() {
            codes.push(ErrorCode::Gone);
        } else if self.access != Access::Public {
            codes.push(ErrorCode::InvalidParams);
            codes.push(ErrorCode::InvalidQuery);
            if self.has_id() {
                codes.push(ErrorCode::NotFound);
            }
            codes.extend_from_slice(match self.service() {
                Service::Query => &[ErrorCode::ProjectionUnavailable],
                Service::Command => COMMAND,
            });
        }
        match self.access {
            Access::Scope(_) => codes.push(ErrorCode::InsufficientScope),
            Access::Session => codes.push(ErrorCode::Forbidden),
            Access::Any | Access::Public => {}
        }
        if self.body != BodyKind::None {
            codes.extend_from_slice(BODY);
        }
        if self.verb == Verb::Post {
            codes.extend_from_slice(IDEMPOTENT);
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    fn matches(&self, path: &str) -> bool {
        // Every path begins with a word: its first letter rules out most routes at once.
        if self.path.as_bytes().get(1) != path.as_bytes().get(1) {
            return false;
        }
        let mut given = path.split('/');
        let mut expected = self.path.split('/');
        loop {
            match (expected.next(), given.next()) {
                (None, None) => return true,
                (Some(pattern), Some(segment)) => {
                    let is_id = pattern.starts_with('{');
                    if !(is_id && !segment.is_empty() || pattern == segment) {
                        return false;
                    }
                }
                _ => return false,
            }
        }
    }
}

/// What every credential can meet.
const AUTHENTICATED: &[ErrorCode] = &[
    ErrorCode::InvalidApiKey,
    ErrorCode::IpNotAllowed,
    ErrorCode::KeyRevocationInProgress,
    ErrorCode::OrgSuspended,
    ErrorCode::RateLimitExceeded,
    ErrorCode::UserSuspended,
    ErrorCode::VerificationUnavailable,
];

/// What every command can meet.
const COMMAND: &[ErrorCode] = &[
    ErrorCode::Conflict,
    ErrorCode::NotCommitted,
    ErrorCode::OutcomeUnknown,
    ErrorCode::PreconditionFailed,
];

/// What every body can meet.
const BODY: &[ErrorCode] = &[
    ErrorCode::InvalidBody,
    ErrorCode::PayloadTooLarge,
    ErrorCode::RequestTimeout,
    ErrorCode::UnsupportedMediaType,
];

/// What every `Idempotency-Key` can meet.
const IDEMPOTENT: &[ErrorCode] = &[
    ErrorCode::IdempotencyInProgress,
    ErrorCode::IdempotencyKeyReused,
    ErrorCode::IdempotencyMismatch,
];

/// `Allow` for every set of verbs, by their bits.
const ALLOW: [&str; 16] = [
    "",
    "GET, HEAD",
    "POST",
    "GET, HEAD, POST",
    "PATCH",
    "GET, HEAD, PATCH",
    "POST, PATCH",
    "GET, HEAD, POST, PATCH",
    "DELETE",
    "GET, HEAD, DELETE",
    "POST, DELETE",
    "GET, HEAD, POST, DELETE",
    "PATCH, DELETE",
    "GET, HEAD, PATCH, DELETE",
    "POST, PATCH, DELETE",
    "GET, HEAD, POST, PATCH, DELETE",
];

/// What a request leads to; `path` with its base, as it stands in the request line.
pub fn find(method: &Method, path: &str) -> Found {
    const NOTHING: Found = Found::Nothing { required: None };
    let Some(path) = path.strip_prefix(BASE_PATH) else {
        return NOTHING;
    };
    if path == "/admin" || path.starts_with("/admin/") {
        return Found::Nothing {
            required: Some(Scope::Admin),
        };
    }
    // Literal paths stand before those with ids (`/api-keys/self` before `/api-keys/{id}`), so the
    // first path that fits is the one meant, and all its methods have the same text.
    let Some(first) = ROUTES.iter().find(|route| route.matches(path)) else {
        return NOTHING;
    };
    let verb = Verb::of(method);
    let mut allowed = 0;
    for route in ROUTES.iter().filter(|route| route.path == first.path) {
        if Some(route.verb) == verb {
            return Found::Route(route);
        }
        allowed |= route.verb.bit();
    }
    Found::MethodNotAllowed(ALLOW[allowed])
}
