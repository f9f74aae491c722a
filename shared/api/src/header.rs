//! Names of our headers, and the request headers that v1 reads (v1-contract.md 1.3, 1.4).

use axum::extract::FromRequestParts;
use domain::ids::GlobalPosition;
use domain::limits::IDEMPOTENCY_KEY_CHARS;
use http::header::IF_MATCH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ApiError;
use crate::etag::ETag;
use crate::input::issue::Issues;

/// `Tga-Position`: the log position of an answer.
pub const TGA_POSITION: HeaderName = HeaderName::from_static("tga-position");
/// `Tga-Min-Position`: the position that a query must have reached.
pub const TGA_MIN_POSITION: HeaderName = HeaderName::from_static("tga-min-position");
/// `Tga-Consistency`: `strict` checks the credential against the primary.
pub const TGA_CONSISTENCY: HeaderName = HeaderName::from_static("tga-consistency");
/// `Tga-Key-Expires-At`: when the caller's key ends, if that is near.
pub const TGA_KEY_EXPIRES_AT: HeaderName = HeaderName::from_static("tga-key-expires-at");
/// `Idempotency-Key`.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Idempotency-Replayed`: the answer is that of an earlier request.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// `Prefer` (RFC 7240).
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// `Preference-Applied` (RFC 7240).
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// `X-Request-Id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `Cache-Control` of every answer.
pub const PRIVATE_NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
/// Media type of every JSON answer and body.
pub const APPLICATION_JSON: &str = "application/json";
/// Media type of an ingest body.
pub const APPLICATION_NDJSON: &str = "application/x-ndjson";

/// Whether the gate is to check this request's credential against the primary. What is malformed
/// says no here and is refused later, among the other input ([`QueryHeaders`], [`CommandHeaders`]).
pub fn wants_strict(headers: &HeaderMap) -> bool {
    headers
        .get(&TGA_CONSISTENCY)
        .is_some_and(|value| value == "strict")
}

/// A caller's name for one command, 1 to 255 visible ASCII characters, quotes around it dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the header; `None` if there is none.
    pub fn read(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(value) = single(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")? else {
            return Ok(None);
        };
        let value = value.as_bytes();
        let inner = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        let key = inner.unwrap_or(value);
        let fits = (1..=IDEMPOTENCY_KEY_CHARS).contains(&key.len())
            && key.iter().all(u8::is_ascii_graphic);
        match String::from_utf8(key.to_vec()) {
            Ok(key) if fits => Ok(Some(Self(key))),
            _ => Err(invalid(
                "Idempotency-Key",
                "must be 1 to 255 visible ASCII characters",
            )),
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the headers of a query ask for.
#[derive(Debug, Clone)]
pub struct QueryHeaders {
    /// The position that the answer must have reached; 0 if none was asked for.
    pub min_position: GlobalPosition,
    headers: HeaderMap,
}

impl QueryHeaders {
    /// Reads and checks them.
    pub fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        check_consistency(headers)?;
        let asked = headers.get_all(http::header::IF_NONE_MATCH).iter();
        Ok(Self {
            min_position: min_position(headers)?,
            headers: asked
                .map(|value| (http::header::IF_NONE_MATCH, value.clone()))
                .collect(),
        })
    }

    /// Whether the caller has the answer with this tag, so that 304 is enough.
    pub fn has(&self, tag: &ETag) -> bool {
        tag.is_named_by(&self.headers)
    }
}

/// What the headers of a command ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandHeaders {
    /// The caller's name for this command. PATCH and DELETE ignore it.
    pub idempotency_key: Option<IdempotencyKey>,
    /// `Prefer: respond-async`.
    pub respond_async: bool,
}

impl CommandHeaders {
    /// Reads and checks them; for PATCH and DELETE `with_key` is false.
    pub fn read(headers: &HeaderMap, with_key: bool) -> Result<Self, ApiError> {
        check_consistency(headers)?;
        check_if_match(headers)?;
        let idempotency_key = if with_key {
            IdempotencyKey::read(headers)?
        } else {
            None
        };
        Ok(Self {
            idempotency_key,
            respond_async: prefers_async(headers),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for QueryHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(&parts.headers)
    }
}

impl<S: Sync> FromRequestParts<S> for CommandHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(&parts.headers, parts.method == http::Method::POST)
    }
}

fn min_position(headers: &HeaderMap) -> Result<GlobalPosition, ApiError> {
    let Some(value) = single(headers, &TGA_MIN_POSITION, "Tga-Min-Position")? else {
        return Ok(GlobalPosition::ZERO);
    };
    let text = value.to_str().unwrap_or_default();
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| is_decimal)
        .map(GlobalPosition::new)
        .ok_or_else(|| invalid("Tga-Min-Position", "must be a decimal integer"))
}

fn check_consistency(headers: &HeaderMap) -> Result<(), ApiError> {
    match single(headers, &TGA_CONSISTENCY, "Tga-Consistency")? {
        Some(value) if value != "strict" => {
            Err(invalid("Tga-Consistency", "must be strict, or absent"))
        }
        _ => Ok(()),
    }
}

fn check_if_match(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_any = |value: &HeaderValue| value.as_bytes().trim_ascii() == b"*";
    if headers.get_all(IF_MATCH).iter().all(is_any) {
        Ok(())
    } else {
        Err(ApiError::precondition_failed())
    }
}

fn prefers_async(headers: &HeaderMap) -> bool {
    headers.get_all(&PREFER).iter().any(|value| {
        let preferences = value.to_str().unwrap_or_default().split(',');
        preferences
            .map(|preference| preference.split(';').next().unwrap_or_default().trim())
            .any(|name| name.eq_ignore_ascii_case("respond-async"))
    })
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &str,
) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(invalid(shown, "must be sent once"));
    }
    Ok(first)
}

fn invalid(name: &str, message: &'static str) -> ApiError {
    ApiError::invalid_params(&Issues::one(name, message))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::error::ErrorCode;

    fn headers(pairs: &[(&HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii_with_or_without_quotes() {
        let read = |text: &str| IdempotencyKey::read(&headers(&[(&IDEMPOTENCY_KEY, text)]));
        assert_eq!(read("a-1").unwrap().unwrap().as_str(), "a-1");
        assert_eq!(read("\"a-1\"").unwrap().unwrap().as_str(), "a-1");
        assert_eq!(read("\"").unwrap().unwrap().as_str(), "\"");
        assert!(read(&"k".repeat(255)).is_ok());
        for bad in ["", "\"\"", "a b", "a\tb", "é", &"k".repeat(256)] {
            assert_eq!(read(bad).unwrap_err().code(), ErrorCode::InvalidParams);
        }
        assert_eq!(IdempotencyKey::read(&HeaderMap::new()).unwrap(), None);
        let two = headers(&[(&IDEMPOTENCY_KEY, "a"), (&IDEMPOTENCY_KEY, "a")]);
        assert!(IdempotencyKey::read(&two).is_err());
    }

    #[test]
    fn a_position_is_a_decimal_integer() {
        let read = |text: &str| QueryHeaders::read(&headers(&[(&TGA_MIN_POSITION, text)]));
        assert_eq!(read("184467").unwrap().min_position.get(), 184_467);
        for bad in ["", "+1", "-1", "1.0", "0x1", " 1 2", "99999999999999999999"] {
            assert_eq!(read(bad).unwrap_err().code(), ErrorCode::InvalidParams);
        }
        let none = QueryHeaders::read(&HeaderMap::new()).unwrap();
        assert_eq!(none.min_position, GlobalPosition::ZERO);
    }

    #[test]
    fn consistency_is_strict_or_absent() {
        let strict = headers(&[(&TGA_CONSISTENCY, "strict")]);
        assert!(wants_strict(&strict));
        assert!(QueryHeaders::read(&strict).is_ok());
        let other = headers(&[(&TGA_CONSISTENCY, "eventual")]);
        assert!(!wants_strict(&other));
        assert!(QueryHeaders::read(&other).is_err());
        assert!(CommandHeaders::read(&other, true).is_err());
    }

    #[test]
    fn if_match_fits_only_as_a_star() {
        let read = |text: &str| CommandHeaders::read(&headers(&[(&IF_MATCH, text)]), false);
        assert!(read("*").is_ok());
        for tag in ["\"x\"", "W/\"x\"", "", "*, \"x\""] {
            let error = read(tag).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PreconditionFailed);
        }
    }

    #[test]
    fn a_command_reads_prefer_and_ignores_min_position() {
        let asked = headers(&[
            (&PREFER, "return=minimal, Respond-Async; wait=10"),
            (&TGA_MIN_POSITION, "soon"),
            (&IDEMPOTENCY_KEY, "no key for DELETE"),
        ]);
        let read = CommandHeaders::read(&asked, false).unwrap();
        assert!(read.respond_async);
        assert_eq!(read.idempotency_key, None);
        assert!(!prefers_async(&headers(&[(
            &PREFER,
            "respond-asynchronously"
        )])));
    }
}
