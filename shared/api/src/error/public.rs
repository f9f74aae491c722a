//! The constructors: one for each sentence of v1-contract.md 5.

use std::error::Error;

use chrono::NaiveDate;
use domain::ids::GlobalPosition;
use domain::limits::BODY_SECONDS;
use domain::plan::LimitKey;
use domain::scope::{Scope, Scopes};
use http::HeaderValue;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use uuid::Uuid;

use super::{ApiError, ErrorCode};
use crate::input::issue::Issues;
use crate::rate::Refusal;

/// What came in place of a credential that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// No `Authorization`, or another scheme.
    Nothing,
    /// A Bearer token.
    BearerToken,
}

/// The kind of caller that a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A person's session.
    Session,
    /// An API key.
    Key,
    /// A session of role admin, or a key with scope `keys`.
    OrgAdmin,
    /// The person to whom the invitation is.
    Invitee,
}

impl Caller {
    /// The stable name, `meta.required`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Key => "key",
            Self::OrgAdmin => "org_admin",
            Self::Invitee => "invitee",
        }
    }
}

/// Why an account cannot be followed under a handle (v1-contract.md 10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleRefusal {
    /// Another active creator of the project has it.
    Taken,
    /// The operator banned it.
    Banned,
    /// It has not the platform's form.
    Invalid,
    /// It is the one the creator has.
    NoChange,
}

/// Randomness of a 503's `Retry-After`, so that those refused together do not return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u8);

impl Jitter {
    /// Of a random byte: 1 to 3 seconds.
    pub const fn from_random(byte: u8) -> Self {
        Self(1 + byte % 3)
    }

    /// The seconds.
    pub const fn seconds(self) -> u64 {
        self.0 as u64
    }
}

/// Input: 400, 408, 412, 413, 415.
impl ApiError {
    /// 400: the query string.
    pub fn invalid_query(issues: &Issues) -> Self {
        Self::invalid(ErrorCode::InvalidQuery, "query", issues)
    }

    /// 400: the body.
    pub fn invalid_body(issues: &Issues) -> Self {
        Self::invalid(ErrorCode::InvalidBody, "body", issues)
    }

    /// 400: an id of the path, or a header.
    pub fn invalid_params(issues: &Issues) -> Self {
        Self::invalid(ErrorCode::InvalidParams, "path or header", issues)
    }

    /// 400: two `Authorization` headers.
    pub fn two_authorizations() -> Self {
        Self::invalid_params(&Issues::one("Authorization", "must be sent once"))
    }

    fn invalid(code: ErrorCode, what: &str, issues: &Issues) -> Self {
        let mut error = Self::new(code, issues.sentence(what));
        error.0.issues = issues.as_slice().to_vec();
        error
    }

    /// 408: the body did not arrive in time.
    pub fn request_timeout() -> Self {
        Self::new(
            ErrorCode::RequestTimeout,
            format!("The body did not arrive within {BODY_SECONDS} seconds"),
        )
    }

    /// 412: `If-Match` with a tag.
    pub fn precondition_failed() -> Self {
        Self::new(
            ErrorCode::PreconditionFailed,
            "If-Match never matches: entity tags are weak here",
        )
    }

    /// 413: more than `max` of `unit` (`bytes`, `lines`).
    pub fn payload_too_large(max: usize, unit: &str) -> Self {
        Self::new(
            ErrorCode::PayloadTooLarge,
            format!("The body is larger than {max} {unit}"),
        )
        .with("max", max)
    }

    /// 413: a good body comes to more than `max` of `unit` (`events`, `bytes`) in all its projects
    /// together.
    pub fn too_much_at_once(size: usize, max: usize, unit: &str) -> Self {
        Self::new(
            ErrorCode::PayloadTooLarge,
            format!(
                "The lines come to {size} {unit} in all projects together, where {max} is the \
                 most: send them for one project at a time (project_id), or fewer at once"
            ),
        )
        .with("max", max)
    }

    /// 415: another `Content-Type` than the expected one, or none.
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::new(
            ErrorCode::UnsupportedMediaType,
            format!("Content-Type must be {expected}"),
        )
    }

    /// 415: a `Content-Encoding`.
    pub fn unsupported_encoding() -> Self {
        Self::new(
            ErrorCode::UnsupportedMediaType,
            "Content-Encoding is not accepted: send the body as it is",
        )
    }
}

/// Callers: 401, 403, 429 and what cannot be checked.
impl ApiError {
    /// 401, always with the same body.
    pub fn invalid_api_key(presented: Presented) -> Self {
        let challenge = match presented {
            Presented::Nothing => r#"Bearer realm="trackagoat""#,
            Presented::BearerToken => r#"Bearer realm="trackagoat", error="invalid_token""#,
        };
        Self::new(ErrorCode::InvalidApiKey, "Invalid or missing API key")
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// 401: sign-in with an unknown person or a wrong password.
    pub fn invalid_credentials() -> Self {
        Self::new(
            ErrorCode::InvalidCredentials,
            "E-mail or password is not right",
        )
    }

    /// 401: what came back from a provider is not of a sign-in that was begun here, is over, or was used.
    pub fn sign_in_over() -> Self {
        Self::new(
            ErrorCode::InvalidCredentials,
            "This sign-in was not begun here, is over, or was used already: begin again",
        )
    }

    /// 403: `required` is the first scope lacking.
    pub fn insufficient_scope(required: Scope, granted: Scopes) -> Self {
        let names: Vec<_> = granted.iter().map(Scope::name).collect();
        Self::new(
            ErrorCode::InsufficientScope,
            format!(
                "This action requires the '{required}' scope. Granted: [{}]",
                names.join(", ")
            ),
        )
        .with("required", required.name())
        .with("granted", names)
    }

    /// 403: right scope, wrong kind of caller.
    pub fn forbidden(required: Caller) -> Self {
        let message = match required {
            Caller::Session => "This action is for signed-in people, not for API keys",
            Caller::Key => "This action is for API keys, not for sessions",
            Caller::OrgAdmin => "This action is for admins of the org",
            Caller::Invitee => "This invitation is to somebody else",
        };
        Self::new(ErrorCode::Forbidden, message).with("required", required.name())
    }

    /// 403: the address is outside the key's allow-list.
    pub fn ip_not_allowed() -> Self {
        Self::new(
            ErrorCode::IpNotAllowed,
            "This key may not be used from this address",
        )
    }

    /// 403: the operator suspended the org.
    pub fn org_suspended() -> Self {
        Self::new(ErrorCode::OrgSuspended, "This org is suspended")
    }

    /// 403: the operator banned the person, or the key's owner.
    pub fn user_suspended() -> Self {
        Self::new(ErrorCode::UserSuspended, "This user is suspended")
    }

    /// 403: signed in, but a member of no org.
    pub fn no_membership() -> Self {
        Self::new(ErrorCode::NoMembership, "You belong to no org")
    }

    /// 429: a window or the day's quota is used up.
    pub fn rate_limited(refusal: Refusal) -> Self {
        let retry_after = refusal.retry_after_seconds.max(1);
        Self::new(ErrorCode::RateLimitExceeded, refusal.sentence())
            .with("retryAfter", retry_after)
            .with("policy", refusal.policy.name())
            .with("limit", refusal.limit)
            .with_header(RETRY_AFTER, HeaderValue::from(retry_after))
    }

    /// 503: the denial of this credential does not hold everywhere yet.
    pub fn key_revocation_in_progress() -> Self {
        Self::new(
            ErrorCode::KeyRevocationInProgress,
            "A change of this credential is taking effect; try again",
        )
        .with_header(RETRY_AFTER, HeaderValue::from(1_u64))
    }

    /// 503: the credential, or the day's quota, cannot be checked now.
    pub fn verification_unavailable(jitter: Jitter) -> Self {
        Self::unavailable(
            ErrorCode::VerificationUnavailable,
            "The credential cannot be checked right now; try again",
            jitter,
        )
    }
}

/// Objects and rules: 402, 404, 405, 409, 410, 422.
impl ApiError {
    /// 402: a count limit of the plan.
    pub fn limit_reached(key: LimitKey, current: u64, max: u64) -> Self {
        Self::new(ErrorCode::LimitReached, format!("Limit reached: {key}"))
            .with("limitKey", key.name())
            .with("current", current)
            .with("max", max)
    }

    /// 402: the range begins before the plan's history.
    pub fn retention_exceeded(days: u64, earliest: NaiveDate) -> Self {
        Self::new(
            ErrorCode::RetentionExceeded,
            format!("Your plan keeps {days} days of history: ask from {earliest} on"),
        )
        .with("tier_retention_days", days)
        .with("earliest", earliest.to_string())
    }

    /// 404: absent, another org's, or an unknown path; always with the same body.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "Not found")
    }

    /// 404: the org was not there at the moment that is asked for.
    pub fn not_yet_founded() -> Self {
        Self::new(
            ErrorCode::NotFound,
            "The org was not there yet: ask for a later moment",
        )
    }

    /// 405: `allow` lists the methods of the path.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            ErrorCode::MethodNotAllowed,
            format!("This path answers to {allow}"),
        )
        .with_header(ALLOW, HeaderValue::from_static(allow))
    }

    /// 409: `what` (`"A creator with this handle"`) exists as `id`.
    pub fn duplicate(what: &str, id: Uuid) -> Self {
        Self::new(ErrorCode::Duplicate, format!("{what} already exists"))
            .with("id", id.as_hyphenated().to_string())
    }

    /// 409: five attempts met newer decisions of the org.
    pub fn conflict() -> Self {
        Self::new(
            ErrorCode::Conflict,
            "Other changes of the org came first; try again",
        )
    }

    /// 409: a handle is refused; `error` is the code itself, `detail` says what is allowed.
    pub fn handle_refused(refusal: HandleRefusal, detail: impl Into<String>) -> Self {
        let code = match refusal {
            HandleRefusal::Taken => ErrorCode::HandleTaken,
            HandleRefusal::Banned => ErrorCode::CreatorBanned,
            HandleRefusal::Invalid => ErrorCode::InvalidHandle,
            HandleRefusal::NoChange => ErrorCode::NoChange,
        };
        Self::new(code, code.name()).with("detail", detail.into())
    }

    /// 409: `path` holds the ids of the cycle.
    pub fn campaign_cycle(path: &[Uuid]) -> Self {
        let path: Vec<_> = path
            .iter()
            .map(|id| id.as_hyphenated().to_string())
            .collect();
        Self::new(
            ErrorCode::CampaignCycle,
            "A campaign cannot hold itself at any depth",
        )
        .with("path", path)
    }

    /// 409: the item belongs to another project.
    pub fn cross_project() -> Self {
        Self::new(
            ErrorCode::CrossProject,
            "The item belongs to another project",
        )
    }

    /// 409: the key is expired, revoked or rotating.
    pub fn key_not_active() -> Self {
        Self::new(
            ErrorCode::KeyNotActive,
            "The key is expired, revoked or being replaced, and no key comes back",
        )
    }

    /// 409: the org would be left without an admin.
    pub fn last_admin() -> Self {
        Self::new(
            ErrorCode::LastAdmin,
            "The org would be left without an admin",
        )
    }

    /// 409: the invited person belongs to the org.
    pub fn already_member() -> Self {
        Self::new(
            ErrorCode::AlreadyMember,
            "This person already belongs to the org",
        )
    }

    /// 409: the member owns so many active keys, and nothing says what becomes of them.
    pub fn member_has_keys(active_keys: u64) -> Self {
        Self::new(
            ErrorCode::MemberHasKeys,
            "The member owns active keys: say with 'keys' what becomes of them",
        )
        .with("active_keys", active_keys)
    }

    /// 409: the invitation is not pending.
    pub fn invitation_closed() -> Self {
        Self::new(
            ErrorCode::InvitationClosed,
            "The invitation is not pending any more",
        )
    }

    /// 409: the object's state does not allow it; the message says why and what does.
    pub fn state_conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::StateConflict, message.into())
    }

    /// 410: the service was set up, or the token for that is worth nothing.
    pub fn setup_over(why: &'static str) -> Self {
        Self::new(ErrorCode::Gone, why)
    }

    /// 410: the endpoint was removed.
    pub fn gone(replacement: &'static str) -> Self {
        Self::new(
            ErrorCode::Gone,
            format!("This endpoint was removed: use {replacement}"),
        )
        .with("replacement", replacement)
    }

    /// 410: what is asked for is no longer kept online, and there is no archive here.
    pub fn gone_position(earliest: GlobalPosition) -> Self {
        Self::new(
            ErrorCode::Gone,
            format!(
                "Events before position {earliest} are archived, and this service has no archive: of them it \
                 has decisions alone"
            ),
        )
        .with("earliest_position", earliest.get())
    }

    /// 409: the first request with this `Idempotency-Key` still runs.
    pub fn idempotency_in_progress() -> Self {
        Self::new(
            ErrorCode::IdempotencyInProgress,
            "The first request with this Idempotency-Key is still running",
        )
    }

    /// 409: the `Idempotency-Key` was used on another route.
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            ErrorCode::IdempotencyKeyReused,
            "This Idempotency-Key was used on another route",
        )
    }

    /// 422: the `Idempotency-Key` came with another body.
    pub fn idempotency_mismatch() -> Self {
        Self::new(
            ErrorCode::IdempotencyMismatch,
            "This Idempotency-Key was used with another body",
        )
    }
}

/// Faults of ours: 500 and 503.
impl ApiError {
    /// 500, with the cause for the log.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::InternalError, "Internal error").because(cause)
    }

    /// 503: no projection, or not at `Tga-Min-Position` in time.
    pub fn projection_unavailable(jitter: Jitter) -> Self {
        Self::unavailable(
            ErrorCode::ProjectionUnavailable,
            "The answer is not available at this position yet; try again",
            jitter,
        )
    }

    /// 503: nobody has signed what was asked for.
    pub fn not_signed(jitter: Jitter) -> Self {
        Self::unavailable(
            ErrorCode::ProjectionUnavailable,
            "The log is not signed at this moment; try again",
            jitter,
        )
    }

    /// 503: the log could not be written; nothing was changed.
    pub fn not_committed(jitter: Jitter) -> Self {
        Self::unavailable(
            ErrorCode::NotCommitted,
            "The change could not be recorded and did not take effect; try again",
            jitter,
        )
    }

    /// 503: whether the log was written is unknown.
    pub fn outcome_unknown(jitter: Jitter) -> Self {
        Self::unavailable(
            ErrorCode::OutcomeUnknown,
            "Whether the change took effect is unknown; try again with the same Idempotency-Key",
            jitter,
        )
    }

    fn unavailable(code: ErrorCode, message: &'static str, jitter: Jitter) -> Self {
        Self::new(code, message).with_header(RETRY_AFTER, HeaderValue::from(jitter.seconds()))
    }
}
