//! The codes by which programs tell our refusals apart (v1-contract.md 5).

use std::fmt;
use std::str::FromStr;

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// `meta.code` of an error: stable for ever, alphabetical.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// Every code, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The HTTP status it always comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// A few words for people; the `title` of RFC 9457.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// The page (markdown) that says what it means and what to do.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../errors/", $name, ".md"))),+
                }
            }
        }
    };
}

error_codes! {
    /// The invited person already belongs to the org.
    AlreadyMember = "already_member", CONFLICT, "Already a member";
    /// The campaign would hold itself.
    CampaignCycle = "campaign_cycle", CONFLICT, "Campaign cycle";
    /// Newer decisions of the org came in between, five times.
    Conflict = "conflict", CONFLICT, "Concurrent change";
    /// The operator banned the handle.
    CreatorBanned = "creator_banned", CONFLICT, "Creator banned";
    /// The item belongs to another project.
    CrossProject = "cross_project", CONFLICT, "Item of another project";
    /// There is one already; `id` names it.
    Duplicate = "duplicate", CONFLICT, "Already exists";
    /// Right scope, wrong kind of caller.
    Forbidden = "forbidden", FORBIDDEN, "Wrong kind of caller";
    /// The endpoint or the data is no longer there; `replacement` names what to use.
    Gone = "gone", GONE, "Gone";
    /// Another active creator of the project has the handle.
    HandleTaken = "handle_taken", CONFLICT, "Handle taken";
    /// The first request with this `Idempotency-Key` still runs.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "First request still running";
    /// The `Idempotency-Key` was used on another route.
    IdempotencyKeyReused = "idempotency_key_reused", CONFLICT, "Idempotency-Key used elsewhere";
    /// The `Idempotency-Key` came with another body.
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "Idempotency-Key with another body";
    /// The credential lacks the scope in `required`.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "Insufficient scope";
    /// A fault of ours.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    /// No credential, or one that is malformed, unknown, revoked or expired.
    InvalidApiKey = "invalid_api_key", UNAUTHORIZED, "Invalid or missing API key";
    /// The body is malformed or out of range; `issues` says where.
    InvalidBody = "invalid_body", BAD_REQUEST, "Invalid body";
    /// Unknown person or wrong password at sign-in.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "Invalid credentials";
    /// The new handle is no handle of the platform.
    InvalidHandle = "invalid_handle", CONFLICT, "Invalid handle";
    /// An id in the path or a header is malformed; `issues` says which.
    InvalidParams = "invalid_params", BAD_REQUEST, "Invalid path or header";
    /// The query string is malformed or out of range; `issues` says where.
    InvalidQuery = "invalid_query", BAD_REQUEST, "Invalid query";
    /// The invitation is not pending any more.
    InvitationClosed = "invitation_closed", CONFLICT, "Invitation closed";
    /// The caller's address is outside the key's allow-list.
    IpNotAllowed = "ip_not_allowed", FORBIDDEN, "Address not allowed";
    /// The key is expired or revoked.
    KeyNotActive = "key_not_active", CONFLICT, "Key not active";
    /// The key was revoked a moment ago, which does not hold everywhere yet.
    KeyRevocationInProgress = "key_revocation_in_progress", SERVICE_UNAVAILABLE, "Revocation in progress";
    /// The org would be left without an admin.
    LastAdmin = "last_admin", CONFLICT, "Last admin";
    /// A count limit of the plan is used up.
    LimitReached = "limit_reached", PAYMENT_REQUIRED, "Limit reached";
    /// The member owns active keys; say what becomes of them.
    MemberHasKeys = "member_has_keys", CONFLICT, "Member has keys";
    /// The path exists, but not with this method; see `Allow`.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The new handle is the old one.
    NoChange = "no_change", CONFLICT, "No change";
    /// The person belongs to no org.
    NoMembership = "no_membership", FORBIDDEN, "No membership";
    /// The log could not be written; nothing was changed.
    NotCommitted = "not_committed", SERVICE_UNAVAILABLE, "Not committed";
    /// Absent, another org's, or an unknown path.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The operator suspended the org.
    OrgSuspended = "org_suspended", FORBIDDEN, "Org suspended";
    /// Whether the log was written is unknown.
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE, "Outcome unknown";
    /// The body, or the number of its lines, is over `max`.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "Payload too large";
    /// `If-Match` with a tag: ours are weak and never match.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "Precondition failed";
    /// No projection, or not at `Tga-Min-Position` in time.
    ProjectionUnavailable = "projection_unavailable", SERVICE_UNAVAILABLE, "Projection unavailable";
    /// The window or the day's quota is used up.
    RateLimitExceeded = "rate_limit_exceeded", TOO_MANY_REQUESTS, "Rate limit exceeded";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "Request timeout";
    /// The range begins before the plan's history.
    RetentionExceeded = "retention_exceeded", PAYMENT_REQUIRED, "Beyond the plan's history";
    /// What is asked does not fit the object's state.
    StateConflict = "state_conflict", CONFLICT, "State conflict";
    /// The body's media type or encoding is not accepted.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The operator banned the person, or the key's owner.
    UserSuspended = "user_suspended", FORBIDDEN, "User suspended";
    /// The credential cannot be checked now.
    VerificationUnavailable = "verification_unavailable", SERVICE_UNAVAILABLE, "Verification unavailable";
}

impl ErrorCode {
    /// Whether the same request, sent again after a pause, may succeed. A command is safely sent
    /// again if [`Self::has_no_side_effects`], else with the same `Idempotency-Key`.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Conflict
            | Self::IdempotencyInProgress
            | Self::InternalError
            | Self::KeyRevocationInProgress
            | Self::NotCommitted
            | Self::OutcomeUnknown
            | Self::ProjectionUnavailable
            | Self::RateLimitExceeded
            | Self::RequestTimeout
            | Self::VerificationUnavailable => true,
            Self::AlreadyMember
            | Self::CampaignCycle
            | Self::CreatorBanned
            | Self::CrossProject
            | Self::Duplicate
            | Self::Forbidden
            | Self::Gone
            | Self::HandleTaken
            | Self::IdempotencyKeyReused
            | Self::IdempotencyMismatch
            | Self::InsufficientScope
            | Self::InvalidApiKey
            | Self::InvalidBody
            | Self::InvalidCredentials
            | Self::InvalidHandle
            | Self::InvalidParams
            | Self::InvalidQuery
            | Self::InvitationClosed
            | Self::IpNotAllowed
            | Self::KeyNotActive
            | Self::LastAdmin
            | Self::LimitReached
            | Self::MemberHasKeys
            | Self::MethodNotAllowed
            | Self::NoChange
            | Self::NoMembership
            | Self::NotFound
            | Self::OrgSuspended
            | Self::PayloadTooLarge
            | Self::PreconditionFailed
            | Self::RetentionExceeded
            | Self::StateConflict
            | Self::UnsupportedMediaType
            | Self::UserSuspended => false,
        }
    }

    /// Whether it is certain that nothing was changed.
    pub const fn has_no_side_effects(self) -> bool {
        match self {
            Self::InternalError | Self::OutcomeUnknown => false,
            Self::AlreadyMember
            | Self::CampaignCycle
            | Self::Conflict
            | Self::CreatorBanned
            | Self::CrossProject
            | Self::Duplicate
            | Self::Forbidden
            | Self::Gone
            | Self::HandleTaken
            | Self::IdempotencyInProgress
            | Self::IdempotencyKeyReused
            | Self::IdempotencyMismatch
            | Self::InsufficientScope
            | Self::InvalidApiKey
            | Self::InvalidBody
            | Self::InvalidCredentials
            | Self::InvalidHandle
            | Self::InvalidParams
            | Self::InvalidQuery
            | Self::InvitationClosed
            | Self::IpNotAllowed
            | Self::KeyNotActive
            | Self::KeyRevocationInProgress
            | Self::LastAdmin
            | Self::LimitReached
            | Self::MemberHasKeys
            | Self::MethodNotAllowed
            | Self::NoChange
            | Self::NoMembership
            | Self::NotCommitted
            | Self::NotFound
            | Self::OrgSuspended
            | Self::PayloadTooLarge
            | Self::PreconditionFailed
            | Self::ProjectionUnavailable
            | Self::RateLimitExceeded
            | Self::RequestTimeout
            | Self::RetentionExceeded
            | Self::StateConflict
            | Self::UnsupportedMediaType
            | Self::UserSuspended
            | Self::VerificationUnavailable => true,
        }
    }

    /// The `type` of RFC 9457.
    pub fn problem_type(self) -> String {
        format!("/problems/{}", self.name())
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not an error code")]
pub struct UnknownCode;

impl FromStr for ErrorCode {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .binary_search_by(|code| code.name().cmp(text))
            .map(|index| Self::ALL[index])
            .map_err(|_| UnknownCode)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.name())))
            .description(Some(
                "Branch on this alone. New codes may appear; fall back on the HTTP status.",
            ))
            .into()
    }
}

impl utoipa::ToSchema for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_alphabetical_and_read_back() {
        assert!(ErrorCode::ALL.is_sorted_by(|a, b| a.name() < b.name()));
        for code in ErrorCode::ALL {
            assert_eq!(code.name().parse(), Ok(*code));
        }
        assert_eq!("too_many_requests".parse::<ErrorCode>(), Err(UnknownCode));
    }

    #[test]
    fn each_code_has_a_page_that_says_what_it_is_and_what_to_do() {
        for code in ErrorCode::ALL {
            let page = code.page();
            let heading = format!(
                "# `{code}`\n\n**{} {}.** ",
                code.status().as_u16(),
                code.title()
            );
            assert!(page.starts_with(&heading), "{code}: begin with {heading:?}");
            assert!(page.contains("\n## What to do\n\n"), "{code}: what to do?");
            assert!(page.ends_with(".\n"), "{code}: end with a sentence");
        }
    }

    #[test]
    fn there_is_no_page_without_a_code() {
        let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/errors"));
        let pages = pages.map(Iterator::count).unwrap_or_default();
        assert_eq!(pages, ErrorCode::ALL.len());
    }

    #[test]
    fn only_unknown_outcomes_may_have_changed_something() {
        let unsure: Vec<_> = ErrorCode::ALL
            .iter()
            .filter(|code| !code.has_no_side_effects())
            .collect();
        assert_eq!(
            unsure,
            [&ErrorCode::InternalError, &ErrorCode::OutcomeUnknown]
        );
    }

    #[test]
    fn every_503_and_429_may_be_retried() {
        for code in ErrorCode::ALL {
            if matches!(code.status().as_u16(), 429 | 500..) {
                assert!(code.is_retryable(), "{code}");
            }
        }
    }
}
