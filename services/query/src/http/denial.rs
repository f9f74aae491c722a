//! What the gate says, as v1 says it: the one place where its answers become ours.

use api::error::{ApiError, Jitter, Presented};
use api::rate::{self, Refusal};
use gate::{Denial, Policy, Rate, Standing};
use http::HeaderMap;

/// A denial, and what is left to the caller if one was told apart.
pub fn refused(denial: Denial, jitter: impl FnOnce() -> Jitter) -> (ApiError, Option<Rate>) {
    let error = match denial {
        Denial::TwoCredentials => ApiError::two_authorizations(),
        Denial::Missing => ApiError::invalid_api_key(Presented::Nothing),
        Denial::Invalid => ApiError::invalid_api_key(Presented::BearerToken),
        Denial::AddressNotAllowed => ApiError::ip_not_allowed(),
        Denial::OrgSuspended => ApiError::org_suspended(),
        Denial::UserSuspended => ApiError::user_suspended(),
        Denial::RevocationInProgress => ApiError::key_revocation_in_progress(),
        Denial::VerificationUnavailable => ApiError::verification_unavailable(jitter()),
        Denial::RateLimited(limited) => {
            let refusal = Refusal {
                policy: policy(limited.policy),
                limit: limited.limit,
                retry_after_seconds: u64::from(limited.retry_after_seconds),
            };
            return (ApiError::rate_limited(refusal), Some(limited.rate));
        }
    };
    (error, None)
}

/// Puts the rate headers on an answer.
pub fn set_rate(headers: &mut HeaderMap, rate: &Rate) {
    let minute = standing(rate.minute);
    match rate.day {
        Some(day) => rate::set_headers(headers, &[minute, standing(day)]),
        None => rate::set_headers(headers, &[minute]),
    }
}

fn standing(standing: Standing) -> rate::Standing {
    rate::Standing {
        policy: policy(standing.policy),
        quota: standing.limit,
        remaining: standing.remaining,
        reset_seconds: standing.reset_seconds,
    }
}

const fn policy(policy: Policy) -> rate::Policy {
    match policy {
        Policy::KeyMinute => rate::Policy::KeyMinute,
        Policy::SessionMinute => rate::Policy::SessionMinute,
        Policy::OrgDay => rate::Policy::OrgDay,
    }
}

#[cfg(test)]
mod tests {
    use api::error::ErrorCode;

    use super::*;

    #[test]
    fn every_denial_has_its_code() {
        let jitter = || Jitter::from_random(0);
        for (denial, code) in [
            (Denial::TwoCredentials, ErrorCode::InvalidParams),
            (Denial::Missing, ErrorCode::InvalidApiKey),
            (Denial::Invalid, ErrorCode::InvalidApiKey),
            (Denial::AddressNotAllowed, ErrorCode::IpNotAllowed),
            (Denial::OrgSuspended, ErrorCode::OrgSuspended),
            (Denial::UserSuspended, ErrorCode::UserSuspended),
            (
                Denial::VerificationUnavailable,
                ErrorCode::VerificationUnavailable,
            ),
        ] {
            let (error, rate) = refused(denial, jitter);
            assert_eq!(error.code(), code);
            assert!(rate.is_none());
        }
    }
}
