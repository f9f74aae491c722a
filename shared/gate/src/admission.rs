//! What the gate answers.

use domain::ids::GlobalPosition;
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use thiserror::Error;

use crate::core::entry::EntryRef;
pub use crate::core::entry::Principal;
use crate::core::hold::RestsOn;

/// A request that may go on.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Who calls.
    pub principal: Principal,
    /// The position of the log as of which the caller is known; what made the caller is not above it.
    pub known_at: GlobalPosition,
    /// What took something away from the caller lately: a refusal for want of it may not be told
    /// before that holds everywhere (`Gate::may_tell`).
    pub narrowed_at: Option<RestsOn>,
    /// What is left to the caller, for the rate headers.
    pub rate: Rate,
    /// For `Tga-Key-Expires-At`: when a key ends that is rotating, or ends within 7 days.
    pub key_expires_at: Option<Timestamp>,
    /// What it was admitted by, and when.
    pub(crate) entry: EntryRef,
    pub(crate) at: Timestamp,
}

/// The caller lacks a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this action requires the scope {required}")]
pub struct InsufficientScope {
    /// The scope that is needed.
    pub required: Scope,
    /// The scopes that are held.
    pub granted: Scopes,
}

impl Admission {
    /// Step 5 of the order of checks: the scope.
    pub fn require(&self, scope: Scope) -> Result<(), InsufficientScope> {
        let granted = self.principal.scopes();
        if granted.contains(scope) {
            Ok(())
        } else {
            Err(InsufficientScope {
                required: scope,
                granted,
            })
        }
    }
}

/// Why a request may not go on: the first of steps 1 to 3 that refused it (v1-contract.md 3.2, 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Denial {
    /// Two `Authorization` headers: 400 `invalid_params`.
    #[error("two authorization headers")]
    TwoCredentials,
    /// No Bearer token: 401 without an error code.
    #[error("no credential")]
    Missing,
    /// A Bearer token that is malformed, unknown, revoked or expired: 401 `invalid_token`.
    #[error("the credential is not valid")]
    Invalid,
    /// 403 `ip_not_allowed`.
    #[error("the address is outside the credential's list")]
    AddressNotAllowed,
    /// 403 `org_suspended`.
    #[error("the org is suspended")]
    OrgSuspended,
    /// 403 `user_suspended`.
    #[error("the person is shut out of the org")]
    UserSuspended,
    /// 503 `key_revocation_in_progress`: something was taken away from the credential, or all of it,
    /// but that is not known to hold everywhere yet.
    #[error("a denial of the credential is not in force everywhere yet")]
    RevocationInProgress,
    /// 503 `verification_unavailable`: the primary, or the day's quota, could not be asked.
    #[error("the credential cannot be checked now")]
    VerificationUnavailable,
    /// 429 `rate_limit_exceeded`.
    #[error("a limit on requests is used up")]
    RateLimited(RateLimited),
}

/// A limit that refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// Which.
    pub policy: Policy,
    /// Its size.
    pub limit: u64,
    /// Whole seconds, rounded up, at least 1, until it may be sent again.
    pub retry_after_seconds: u32,
    /// What is left to the caller, for the rate headers.
    pub rate: Rate,
}

/// A limit on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// A key's requests in any trailing 60 s.
    KeyMinute,
    /// A session's requests in any trailing 60 s.
    SessionMinute,
    /// An org's requests with keys per UTC day.
    OrgDay,
}

/// How a caller stands with one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub policy: Policy,
    /// Its size.
    pub limit: u64,
    /// What is left. A floor of the window; of the day as of this process's newest block.
    pub remaining: u64,
    /// Whole seconds, rounded up, until there is more.
    pub reset_seconds: u32,
}

/// How a caller stands with all limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Any trailing 60 s.
    pub minute: Standing,
    /// The UTC day of the org; none if it is not counted.
    pub day: Option<Standing>,
}

impl Rate {
    /// In the order of the headers.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        std::iter::once(self.minute).chain(self.day)
    }
}
