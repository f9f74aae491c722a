//! What is left to a caller, as headers (v1-contract.md 4; draft-ietf-httpapi-ratelimit-headers-11).

use http::{HeaderMap, HeaderName, HeaderValue};

/// `RateLimit-Policy`.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `RateLimit`.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A limit on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// A key's requests in any trailing 60 s.
    KeyMinute,
    /// An org's requests with keys per UTC day.
    OrgDay,
    /// A session's requests in any trailing 60 s.
    SessionMinute,
    /// An org's open event streams.
    OrgStreams,
    /// An org's exports under way.
    OrgExports,
    /// Tests of an org's webhooks under way.
    OrgTests,
}

impl Policy {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyMinute => "key-minute",
            Self::OrgDay => "org-day",
            Self::SessionMinute => "session-minute",
            Self::OrgStreams => "org-streams",
            Self::OrgExports => "org-exports",
            Self::OrgTests => "org-tests",
        }
    }

    /// Seconds over which it counts; `None` for what is counted while it is open.
    pub const fn window_seconds(self) -> Option<u32> {
        match self {
            Self::KeyMinute | Self::SessionMinute => Some(60),
            Self::OrgDay => Some(86_400),
            Self::OrgStreams | Self::OrgExports | Self::OrgTests => None,
        }
    }
}

/// A request that a limit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The limit.
    pub policy: Policy,
    /// Its size.
    pub limit: u64,
    /// Whole seconds, rounded up, until it may be sent again.
    pub retry_after_seconds: u64,
}

impl Refusal {
    /// The sentence for people.
    pub fn sentence(self) -> String {
        let limit = self.limit;
        match self.policy {
            Policy::KeyMinute => {
                format!("Rate limit exceeded: {limit} requests per minute for this key")
            }
            Policy::OrgDay if limit == 0 => {
                "Rate limit exceeded: this org's plan allows no requests".to_owned()
            }
            Policy::OrgDay => {
                format!("Rate limit exceeded: {limit} requests per day for this org")
            }
            Policy::SessionMinute => {
                format!("Rate limit exceeded: {limit} requests per minute for this session")
            }
            Policy::OrgStreams => {
                format!("Rate limit exceeded: {limit} open streams for this org")
            }
            Policy::OrgExports => {
                format!("Rate limit exceeded: {limit} exports at once for this org")
            }
            Policy::OrgTests => {
                format!("Rate limit exceeded: {limit} tests of webhooks at once for this org")
            }
        }
    }
}

/// How a caller stands with one limit. An unlimited one has no standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub policy: Policy,
    /// Its size.
    pub quota: u64,
    /// What is left, a floor.
    pub remaining: u64,
    /// Whole seconds until there is more.
    pub reset_seconds: u32,
}

/// Puts both headers on an answer; nothing if there is no limit.
pub fn set_headers(headers: &mut HeaderMap, standings: &[Standing]) {
    if let (Some(policy), Some(state)) = (policy_value(standings), state_value(standings)) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, state);
    }
}

/// `"key-minute";q=60;w=60, "org-day";q=50000;w=86400`. It changes only with the limits, so a
/// caller may keep it; a copy costs no allocation.
pub fn policy_value(standings: &[Standing]) -> Option<HeaderValue> {
    write_items(standings, |line, standing| {
        line.text(";q=");
        line.number(standing.quota);
        if let Some(window) = standing.policy.window_seconds() {
            line.text(";w=");
            line.number(u64::from(window));
        }
    })
}

/// `"key-minute";r=59;t=60, "org-day";r=49120;t=40211`.
pub fn state_value(standings: &[Standing]) -> Option<HeaderValue> {
    write_items(standings, |line, standing| {
        line.text(";r=");
        line.number(standing.remaining);
        line.text(";t=");
        line.number(u64::from(standing.reset_seconds));
    })
}

fn write_items(
    standings: &[Standing],
    parameters: impl Fn(&mut Line, &Standing),
) -> Option<HeaderValue> {
    let mut line = Line::default();
    for (index, standing) in standings.iter().enumerate() {
        if index > 0 {
            line.text(", ");
        }
        line.text("\"");
        line.text(standing.policy.name());
        line.text("\"");
        parameters(&mut line, standing);
    }
    line.into_value()
}

/// A line on the stack: the header value made of it is the only allocation.
struct Line {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Line {
    /// Any four policies with the largest numbers fit.
    const CAPACITY: usize = 256;

    fn text(&mut self, text: &str) {
        let end = self.length + text.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(text.as_bytes());
            self.length = end;
        }
    }

    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut from = digits.len();
        loop {
            from -= 1;
            // The remainder is a single digit.
            digits[from] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text(std::str::from_utf8(&digits[from..]).unwrap_or_default());
    }

    fn into_value(self) -> Option<HeaderValue> {
        let bytes = &self.bytes[..self.length];
        (!bytes.is_empty())
            .then(|| HeaderValue::from_bytes(bytes).ok())
            .flatten()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            length: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standings() -> [Standing; 2] {
        [
            Standing {
                policy: Policy::KeyMinute,
                quota: 60,
                remaining: 59,
                reset_seconds: 60,
            },
            Standing {
                policy: Policy::OrgDay,
                quota: 50_000,
                remaining: 49_120,
                reset_seconds: 40_211,
            },
        ]
    }

    #[test]
    fn a_limit_of_none_is_not_said_to_end_tomorrow() {
        let refusal = |limit| Refusal {
            policy: Policy::OrgDay,
            limit,
            retry_after_seconds: 60,
        };
        assert_eq!(
            refusal(0).sentence(),
            "Rate limit exceeded: this org's plan allows no requests"
        );
        assert_eq!(
            refusal(5).sentence(),
            "Rate limit exceeded: 5 requests per day for this org"
        );
    }

    #[test]
    fn the_headers_are_those_of_the_contract() {
        let mut headers = HeaderMap::new();
        set_headers(&mut headers, &standings());
        assert_eq!(
            headers["RateLimit-Policy"],
            r#""key-minute";q=60;w=60, "org-day";q=50000;w=86400"#
        );
        assert_eq!(
            headers["RateLimit"],
            r#""key-minute";r=59;t=60, "org-day";r=49120;t=40211"#
        );
    }

    #[test]
    fn without_a_limit_there_is_no_header() {
        let mut headers = HeaderMap::new();
        set_headers(&mut headers, &[]);
        assert!(headers.is_empty());
    }

    #[test]
    fn the_largest_numbers_fit() {
        let largest = |policy| Standing {
            policy,
            quota: u64::MAX,
            remaining: u64::MAX,
            reset_seconds: u32::MAX,
        };
        let all = [
            Policy::KeyMinute,
            Policy::OrgDay,
            Policy::SessionMinute,
            Policy::OrgExports,
        ]
        .map(largest);
        let state = state_value(&all);
        let state = state.as_ref().and_then(|value| value.to_str().ok());
        assert!(
            state.is_some_and(|text| {
                text.ends_with(r#""org-exports";r=18446744073709551615;t=4294967295"#)
            }),
            "{state:?}"
        );
    }
}
