use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::fmt::Hyphenated;

use crate::clock::Clock;
use crate::entropy::Entropy;

/// The header in which a request's id comes and goes.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 64;

/// A request's id: what the client sent, if it is short and plain, else a new UUIDv7. In each
/// request's extensions, and on each answer.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that the client sent, or a new one.
    pub fn of(headers: &HeaderMap, clock: &Clock, entropy: &Entropy) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(value) if is_plain(value.as_bytes()) => Self(value.clone()),
            _ => Self::generate(clock, entropy),
        }
    }

    /// A new one.
    pub fn generate(clock: &Clock, entropy: &Entropy) -> Self {
        let mut text = [0; Hyphenated::LENGTH];
        let id = entropy.uuid_v7(clock.now());
        let text = id.hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("a UUID is visible ASCII"))
    }

    /// The id's text: 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("checked when it was made")
    }

    /// The value to answer with.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn is_plain(text: &[u8]) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{RequestId, X_REQUEST_ID};
    use crate::clock::Clock;
    use crate::entropy::Entropy;

    fn of(sent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_str(sent).expect("a header"));
        RequestId::of(&headers, &Clock::system(), &Entropy::seeded(1)).to_string()
    }

    #[test]
    fn a_short_and_plain_one_is_kept() {
        let longest = "x".repeat(64);
        for kept in ["a", "A-b_9", longest.as_str()] {
            assert_eq!(of(kept), kept);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let too_long = "x".repeat(65);
        for replaced in ["", "a b", "a.b", "é", too_long.as_str()] {
            let id: uuid::Uuid = of(replaced).parse().expect("a UUID");
            assert_eq!(id.get_version_num(), 7);
        }
        let none = RequestId::of(&HeaderMap::new(), &Clock::system(), &Entropy::os());
        assert_eq!(none.as_str().len(), 36);
    }
}
