//! One answer for each code, as the code makes it: the examples of the document.

use domain::ids::ProjectId;
use domain::limits::BODY_BYTES;
use domain::plan::LimitKey;
use domain::scope::{Scope, Scopes};
use uuid::Uuid;

use crate::error::{ApiError, Caller, ErrorCode, HandleRefusal, Jitter, Presented};
use crate::input::issue::Issues;
use crate::rate::{Policy, Refusal};

const ID: Uuid = Uuid::from_u128(0x0192_f0c1_2b7e_7c00_8000_0000_0000_abcd);
const OTHER_ID: Uuid = Uuid::from_u128(0x0192_f0c1_2b7e_7c00_8000_0000_0000_abce);

/// A refusal with this code.
pub fn sample(code: ErrorCode) -> ApiError {
    let jitter = Jitter::from_random(0);
    match code {
        ErrorCode::AlreadyMember => ApiError::already_member(),
        ErrorCode::CampaignCycle => ApiError::campaign_cycle(&[ID, OTHER_ID]),
        ErrorCode::Conflict => ApiError::conflict(),
        ErrorCode::CreatorBanned => ApiError::handle_refused(
            HandleRefusal::Banned,
            "the operator does not allow this account to be followed",
        ),
        ErrorCode::CrossProject => ApiError::cross_project(),
        ErrorCode::Duplicate => ApiError::duplicate("A creator with this handle", ID),
        ErrorCode::Forbidden => ApiError::forbidden(Caller::Key),
        ErrorCode::Gone => ApiError::gone("/api/v1/analytics"),
        ErrorCode::HandleTaken => ApiError::handle_refused(
            HandleRefusal::Taken,
            "another creator of the project has this handle",
        ),
        ErrorCode::IdempotencyInProgress => ApiError::idempotency_in_progress(),
        ErrorCode::IdempotencyKeyReused => ApiError::idempotency_key_reused(),
        ErrorCode::IdempotencyMismatch => ApiError::idempotency_mismatch(),
        ErrorCode::InsufficientScope => {
            ApiError::insufficient_scope(Scope::Write, Scopes::NONE.with(Scope::Read))
        }
        ErrorCode::InternalError => ApiError::internal("a sample"),
        ErrorCode::InvalidApiKey => ApiError::invalid_api_key(Presented::BearerToken),
        ErrorCode::InvalidBody => ApiError::invalid_body(&Issues::one("name", "must not be empty")),
        ErrorCode::InvalidCredentials => ApiError::invalid_credentials(),
        ErrorCode::InvalidHandle => ApiError::handle_refused(
            HandleRefusal::Invalid,
            "a TikTok handle is 1 to 30 letters, digits, '.', '_' or '-'",
        ),
        ErrorCode::InvalidParams => {
            let message = "x"
                .parse::<ProjectId>()
                .map_or_else(|e| e.to_string(), |_| String::new());
            ApiError::invalid_params(&Issues::one("id", message))
        }
        ErrorCode::InvalidQuery => {
            ApiError::invalid_query(&Issues::one("limit", "must be an integer from 1 to 100"))
        }
        ErrorCode::InvitationClosed => ApiError::invitation_closed(),
        ErrorCode::IpNotAllowed => ApiError::ip_not_allowed(),
        ErrorCode::KeyNotActive => ApiError::key_not_active(),
        ErrorCode::KeyRevocationInProgress => ApiError::key_revocation_in_progress(),
        ErrorCode::LastAdmin => ApiError::last_admin(),
        ErrorCode::LimitReached => ApiError::limit_reached(LimitKey::MaxCreatorsPerOrg, 5, 5),
        ErrorCode::MemberHasKeys => ApiError::member_has_keys(2),
        ErrorCode::MethodNotAllowed => ApiError::method_not_allowed("GET, HEAD"),
        ErrorCode::NoChange => ApiError::handle_refused(
            HandleRefusal::NoChange,
            "the creator has this handle already",
        ),
        ErrorCode::NoMembership => ApiError::no_membership(),
        ErrorCode::NotCommitted => ApiError::not_committed(jitter),
        ErrorCode::NotFound => ApiError::not_found(),
        ErrorCode::OrgSuspended => ApiError::org_suspended(),
        ErrorCode::OutcomeUnknown => ApiError::outcome_unknown(jitter),
        ErrorCode::PayloadTooLarge => ApiError::payload_too_large(BODY_BYTES, "bytes"),
        ErrorCode::PreconditionFailed => ApiError::precondition_failed(),
        ErrorCode::ProjectionUnavailable => ApiError::projection_unavailable(jitter),
        ErrorCode::RateLimitExceeded => ApiError::rate_limited(Refusal {
            policy: Policy::KeyMinute,
            limit: 60,
            retry_after_seconds: 12,
        }),
        ErrorCode::RequestTimeout => ApiError::request_timeout(),
        ErrorCode::RetentionExceeded => {
            let earliest = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
            ApiError::retention_exceeded(365, earliest)
        }
        ErrorCode::StateConflict => {
            ApiError::state_conflict("A video added by URL is not reviewed: delete it instead")
        }
        ErrorCode::UnsupportedMediaType => ApiError::unsupported_media_type("application/json"),
        ErrorCode::UserSuspended => ApiError::user_suspended(),
        ErrorCode::VerificationUnavailable => ApiError::verification_unavailable(jitter),
    }
}
