//! Weak entity tags: a hash of what is answered, so a tag changes only when the content does.

use std::fmt::Write as _;

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

/// The tag of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(HeaderValue);

impl ETag {
    /// Of the bytes of `data` (of a CSV: of the body): 128 bits of their SHA-256.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let mut text = String::with_capacity(36);
        text.push_str("W/\"");
        for byte in &digest[..16] {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('"');
        Self(HeaderValue::try_from(text).expect("hexadecimal digits and quotes are visible"))
    }

    /// The header's value.
    pub const fn as_value(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether `If-None-Match` names this tag, so that 304 is the answer. Weak comparison; what
    /// is malformed matches nothing, which costs only the body.
    pub fn is_named_by(&self, headers: &HeaderMap) -> bool {
        let opaque = &self.0.as_bytes()[2..];
        headers.get_all(IF_NONE_MATCH).iter().any(|value| {
            let mut tags = value.as_bytes().split(|byte| *byte == b',');
            value.as_bytes().trim_ascii() == b"*"
                || tags.any(|tag| {
                    let tag = tag.trim_ascii();
                    tag.strip_prefix(b"W/").unwrap_or(tag) == opaque
                })
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn asking(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_tag_is_weak_and_follows_the_content() {
        let tag = ETag::of(b"[]");
        assert_eq!(tag.as_value().len(), 36);
        assert!(tag.as_value().to_str().unwrap().starts_with("W/\""));
        assert_eq!(tag, ETag::of(b"[]"));
        assert_ne!(tag, ETag::of(b"[1]"));
    }

    #[test]
    fn if_none_match_is_compared_weakly() {
        let tag = ETag::of(b"[]");
        let text = tag.as_value().to_str().unwrap();
        let strong = &text[2..];
        for named in [
            asking(&[text]),
            asking(&[strong]),
            asking(&["*"]),
            asking(&[&format!("\"x\" ,{text}")]),
            asking(&["\"x\"", text]),
        ] {
            assert!(tag.is_named_by(&named), "{named:?}");
        }
        for other in [
            asking(&[]),
            asking(&[""]),
            asking(&["\"x\""]),
            asking(&["\"a,*,b\""]),
            asking(&[strong.trim_matches('"')]),
            asking(&[&text[..35]]),
        ] {
            assert!(!tag.is_named_by(&other), "{other:?}");
        }
    }
}
