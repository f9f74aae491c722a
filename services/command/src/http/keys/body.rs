//! Fields that several calls on keys read alike.

use std::net::IpAddr;

use api::error::{ApiError, ErrorCode};
use api::input::issue::{Invalid, Issues};
use api::input::node::Node;
use chrono::TimeDelta;
use domain::limits::{IP_ALLOWLIST_ENTRIES, KEY_LIFE_MAX_DAYS, KEY_LIFE_MIN_SECONDS, MAX_COUNT};
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use ipnet::IpNet;

/// A set of scopes, at least one.
pub(super) fn scopes(node: Node<'_>) -> Result<Scopes, Invalid> {
    let scopes = node.list(1..=Scope::ALL.len(), Node::from_str::<Scope>)?;
    Ok(scopes.into_iter().collect())
}

/// An allow-list.
pub(super) fn allowlist(node: Node<'_>) -> Result<Vec<IpNet>, Invalid> {
    node.list(1..=IP_ALLOWLIST_ENTRIES, |item| item.parse(range))
}

/// A window, in requests per minute.
pub(super) fn rate(node: Node<'_>) -> Result<u64, Invalid> {
    node.integer(1..=MAX_COUNT)
}

/// A range, or a bare address as the smallest one.
fn range(text: &str) -> Result<IpNet, &'static str> {
    let range = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(
            |_| "must be a range such as 203.0.113.0/24 or 2001:db8::/32, or an address",
        )?,
    };
    if range.trunc() == range {
        Ok(range)
    } else {
        Err("must have host bits of 0: 203.0.113.0/24, not 203.0.113.7/24")
    }
}

/// Input is looked at before what exists and what the rules say: an end that lies too near or too
/// far goes before these refusals. It goes before nothing else: the answer to a request that is
/// repeated under its `Idempotency-Key` is the earlier one, however near the end is by now.
pub(super) fn expiry_first(expiry: Result<(), ApiError>, refusal: ApiError) -> ApiError {
    match refusal.code() {
        ErrorCode::NotFound | ErrorCode::KeyNotActive | ErrorCode::InsufficientScope => {
            expiry.err().unwrap_or(refusal)
        }
        _ => refusal,
    }
}

/// Refuses an end that is too near or too far.
pub(super) fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), ApiError> {
    let earliest = now.plus(TimeDelta::seconds(KEY_LIFE_MIN_SECONDS));
    let latest = now.plus(TimeDelta::days(KEY_LIFE_MAX_DAYS));
    if expires_at.is_none_or(|end| (earliest..=latest).contains(&end)) {
        return Ok(());
    }
    let issues = Issues::one("expires_at", "must lie 60 seconds to 10 years ahead");
    Err(ApiError::invalid_body(&issues))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn ten_years_may_hold_three_leap_days() {
        let at = |text| Timestamp::parse(text).ok();
        let now = at("2027-06-01T00:00:00Z").unwrap();
        assert!(check_expiry(at("2037-06-01T00:00:00Z"), now).is_ok());
        assert!(check_expiry(at("2037-06-01T00:00:01Z"), now).is_err());
    }

    #[test]
    fn ranges_have_host_bits_of_zero_and_an_address_is_the_smallest_range() {
        for (text, expected) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(
                range(text).map(|range| range.to_string()),
                Ok(expected.to_owned())
            );
        }
        for bad in [
            "",
            "203.0.113.7/24",
            "2001:db8::1/32",
            "1.2.3.4/33",
            "1.2.3",
            "all",
        ] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
