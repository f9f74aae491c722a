//! Answers that succeeded: the envelope, written once, and its headers (v1-contract.md 1.1, 1.3).

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LOCATION};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::etag::ETag;
use crate::header::{
    APPLICATION_JSON, PREFERENCE_APPLIED, PRIVATE_NO_STORE, QueryHeaders, TGA_POSITION,
};

/// `meta` of a success; null unless a section names a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// Where the next page begins; null at the end. Only of lists.
    #[serde(rename = "nextCursor", skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Option<String>>,
    /// When the answer can next change by time alone; null: never.
    #[serde(rename = "validUntil", skip_serializing_if = "Option::is_none")]
    valid_until: Option<Option<Timestamp>>,
    /// How many rows there are before `limit` and `offset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_count: Option<u64>,
    /// How many groups nothing could be said of. Only of outliers.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_groups: Option<u64>,
}

impl Meta {
    /// None at all: `"meta": null`.
    pub fn none() -> Self {
        Self::default()
    }

    /// Of a page; `None` is the last one.
    pub fn page(next_cursor: Option<String>) -> Self {
        Self {
            next_cursor: Some(next_cursor),
            ..Self::default()
        }
    }

    /// Says when the answer can next change by time alone; `None`: never.
    #[must_use]
    pub fn valid_until(mut self, instant: Option<Timestamp>) -> Self {
        self.valid_until = Some(instant);
        self
    }

    /// Says how many rows there are in all.
    #[must_use]
    pub fn total_count(mut self, count: u64) -> Self {
        self.total_count = Some(count);
        self
    }

    /// Says how many groups nothing could be said of.
    #[must_use]
    pub fn skipped_groups(mut self, count: u64) -> Self {
        self.skipped_groups = Some(count);
        self
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Headers of an answer, those added later included: the map is made once.
const HEADERS: usize = 12;

/// A query's answer, ready to be sent or kept: its bytes and their tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    body: Bytes,
    etag: ETag,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Json,
    /// With its `Content-Disposition`.
    Csv(HeaderValue),
}

impl Rendered {
    /// The envelope around `data`; the tag is of `data` alone.
    pub fn json<T: Serialize + ?Sized>(data: &T, meta: &Meta) -> Result<Self, ApiError> {
        let (body, data_bytes) = write_envelope(data, meta)?;
        let etag = ETag::of(&body[data_bytes]);
        Ok(Self {
            body,
            etag,
            content: Content::Json,
        })
    }

    /// A file; the tag is of the whole body. `filename` is ours: visible ASCII without quotes.
    pub fn csv(body: impl Into<Bytes>, filename: &str) -> Result<Self, ApiError> {
        let body = body.into();
        let disposition = format!("attachment; filename=\"{filename}\"");
        let disposition = HeaderValue::try_from(disposition).map_err(ApiError::internal)?;
        Ok(Self {
            etag: ETag::of(&body),
            body,
            content: Content::Csv(disposition),
        })
    }

    /// The bytes, for a cache that counts them.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The tag.
    pub const fn etag(&self) -> &ETag {
        &self.etag
    }

    /// 200, or 304 if the caller has this answer; `position` is that of the projection, `None`
    /// where the answer comes from none.
    pub fn respond(
        &self,
        position: impl Into<Option<GlobalPosition>>,
        asked: &QueryHeaders,
    ) -> Response {
        let is_known = asked.has(&self.etag);
        let mut response = Response::new(if is_known {
            Body::empty()
        } else {
            Body::from(self.body.clone())
        });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        if !is_known {
            self.set_content(headers);
        }
        headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
        headers.insert(ETAG, self.etag.as_value().clone());
        if let Some(position) = position.into() {
            headers.insert(TGA_POSITION, HeaderValue::from(position.get()));
        }
        response
    }

    fn set_content(&self, headers: &mut HeaderMap) {
        match &self.content {
            Content::Json => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(APPLICATION_JSON));
            }
            Content::Csv(disposition) => {
                let csv = HeaderValue::from_static("text/csv; charset=utf-8");
                headers.insert(CONTENT_TYPE, csv);
                headers.insert(CONTENT_DISPOSITION, disposition.clone());
            }
        }
    }
}

/// A command's answer.
#[derive(Debug)]
#[must_use = "an answer must be returned"]
pub struct Success {
    status: StatusCode,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_secret: bool,
}

/// Extension of a response that holds a secret: it is never compressed.
#[derive(Debug, Clone, Copy)]
pub struct HoldsSecret;

/// Extension of a response whose parts must leave as they are made: it is never compressed.
#[derive(Debug, Clone, Copy)]
pub struct Streamed;

/// Whether an answer may be compressed; a predicate for `tower_http::compression`.
pub fn may_compress(
    _: StatusCode,
    _: http::Version,
    _: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    extensions.get::<HoldsSecret>().is_none() && extensions.get::<Streamed>().is_none()
}

impl Success {
    /// 200.
    pub fn ok<T: Serialize + ?Sized>(data: &T) -> Result<Self, ApiError> {
        Self::with_status(StatusCode::OK, data)
    }

    /// 201 with `Location: /api/v1/<collection>/<id>`.
    pub fn created<T: Serialize + ?Sized>(data: &T, path: &str) -> Result<Self, ApiError> {
        let location = format!("{}/{path}", crate::BASE_PATH);
        let location = HeaderValue::try_from(location).map_err(ApiError::internal)?;
        Ok(Self::with_status(StatusCode::CREATED, data)?.header(LOCATION, location))
    }

    /// 202: recorded, but not in force everywhere yet, as the caller asked.
    pub fn accepted<T: Serialize + ?Sized>(data: &T) -> Result<Self, ApiError> {
        let applied = HeaderValue::from_static("respond-async");
        Ok(Self::with_status(StatusCode::ACCEPTED, data)?.header(PREFERENCE_APPLIED, applied))
    }

    fn with_status<T: Serialize + ?Sized>(status: StatusCode, data: &T) -> Result<Self, ApiError> {
        let (body, _) = write_envelope(data, &Meta::none())?;
        Ok(Self {
            status,
            body,
            headers: Vec::new(),
            is_secret: false,
        })
    }

    /// Says at which log position the answer is.
    pub fn at(self, position: GlobalPosition) -> Self {
        self.header(TGA_POSITION, HeaderValue::from(position.get()))
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says that the body holds a secret: it is not compressed.
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// The status, to be kept for a replay.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, to be kept for a replay. Never keep one that holds a secret.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}

impl IntoResponse for Success {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(APPLICATION_JSON));
        headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
        headers.extend(self.headers);
        if self.is_secret {
            response.extensions_mut().insert(HoldsSecret);
        }
        response
    }
}

/// Writes `{"data": ..., "error": null, "meta": ...}`; also says where `data` stands in it.
fn write_envelope<T: Serialize + ?Sized>(
    data: &T,
    meta: &Meta,
) -> Result<(Bytes, std::ops::Range<usize>), ApiError> {
    const OPENING: &[u8] = b"{\"data\":";
    let mut body = Vec::with_capacity(512);
    body.extend_from_slice(OPENING);
    serde_json::to_writer(&mut body, data).map_err(ApiError::internal)?;
    let data_bytes = OPENING.len()..body.len();
    body.extend_from_slice(b",\"error\":null,\"meta\":");
    if meta.is_none() {
        body.extend_from_slice(b"null");
    } else {
        serde_json::to_writer(&mut body, meta).map_err(ApiError::internal)?;
    }
    body.push(b'}');
    Ok((body.into(), data_bytes))
}

/// An answer as a client of ours reads it (import, tests).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Envelope<T> {
    /// What was asked for; `None` in a failure.
    pub data: Option<T>,
    /// A sentence for people; `None` in a success.
    pub error: Option<String>,
    /// In a failure, `code` says what programs branch on.
    pub meta: Option<BTreeMap<String, serde_json::Value>>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use http::header::IF_NONE_MATCH;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Thing {
        name: &'static str,
    }

    #[test]
    fn the_members_stand_in_the_contracts_order() {
        let plain = Success::ok(&Thing { name: "a" }).unwrap();
        assert_eq!(
            plain.body(),
            r#"{"data":{"name":"a"},"error":null,"meta":null}"#
        );
        let meta = Meta::page(None).valid_until(Timestamp::parse("2026-01-05T00:00:00Z").ok());
        let listed = Rendered::json(&json!([]), &meta).unwrap();
        assert_eq!(
            listed.body(),
            r#"{"data":[],"error":null,"meta":{"nextCursor":null,"validUntil":"2026-01-05T00:00:00.000000Z"}}"#
        );
    }

    #[test]
    fn the_tag_is_of_the_data_alone() {
        let first = Rendered::json(&[1], &Meta::page(Some("a".to_owned()))).unwrap();
        let second = Rendered::json(&[1], &Meta::page(Some("b".to_owned()))).unwrap();
        assert_eq!(first.etag(), second.etag());
        assert_eq!(first.etag(), &ETag::of(b"[1]"));
        assert_ne!(
            first.etag(),
            Rendered::json(&[2], &Meta::none()).unwrap().etag()
        );
    }

    #[test]
    fn a_caller_who_has_the_answer_gets_304_without_a_body() {
        let answer = Rendered::json(&[1], &Meta::none()).unwrap();
        let fresh = QueryHeaders::read(&HeaderMap::new()).unwrap();
        let response = answer.respond(GlobalPosition::new(7), &fresh);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["Tga-Position"], "7");
        assert_eq!(response.headers()["Cache-Control"], "private, no-store");

        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, response.headers()["ETag"].clone());
        let response = answer.respond(GlobalPosition::new(8), &QueryHeaders::read(&asked).unwrap());
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()["Tga-Position"], "8");
        assert!(!response.headers().contains_key(CONTENT_TYPE));
    }

    #[test]
    fn a_created_object_has_a_location_and_a_secret_is_not_compressed() {
        let response = Success::created(&Thing { name: "a" }, "api-keys/id-1")
            .unwrap()
            .at(GlobalPosition::new(3))
            .secret()
            .into_response();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["Location"], "/api/v1/api-keys/id-1");
        assert_eq!(response.headers()["Tga-Position"], "3");
        let (parts, _) = response.into_parts();
        assert!(!may_compress(
            parts.status,
            parts.version,
            &parts.headers,
            &parts.extensions
        ));
    }

    #[test]
    fn a_file_names_itself() {
        let file = Rendered::csv("a,b\r\n", "trackagoat_project_views.csv").unwrap();
        let fresh = QueryHeaders::read(&HeaderMap::new()).unwrap();
        let response = file.respond(GlobalPosition::ZERO, &fresh);
        assert_eq!(
            response.headers()["Content-Disposition"],
            "attachment; filename=\"trackagoat_project_views.csv\""
        );
        assert_eq!(
            response.headers()["Content-Type"],
            "text/csv; charset=utf-8"
        );
    }
}
