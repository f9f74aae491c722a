//! How a refusal is written: v1's envelope, or RFC 9457 where the caller asks for it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{ApiError, ErrorCode};
use crate::header::{APPLICATION_JSON, PRIVATE_NO_STORE};

const PROBLEM_JSON: &str = "application/problem+json";
const UNAUTHORIZED_BODY: &[u8] =
    br#"{"data":null,"error":"Invalid or missing API key","meta":{"code":"invalid_api_key"}}"#;

/// In which form a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// `{"data": null, "error": ..., "meta": {"code": ...}}`.
    Envelope,
    /// `application/problem+json`, RFC 9457.
    Problem,
}

impl Rendering {
    /// What `Accept` asks for: a problem where it is named, unless `application/json` is preferred.
    pub fn wanted_by(headers: &HeaderMap) -> Self {
        let (mut problem, mut json) = (0, 0);
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let (name, quality) = media_range(range);
                if name.eq_ignore_ascii_case(PROBLEM_JSON) {
                    problem = problem.max(quality);
                } else if name.eq_ignore_ascii_case("application/json") {
                    json = json.max(quality);
                }
            }
        }
        if problem > 0 && problem >= json {
            Self::Problem
        } else {
            Self::Envelope
        }
    }
}

/// A media range without its parameters, and its quality in thousandths.
fn media_range(range: &str) -> (&str, u32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts
        .find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")))
        .map_or(1_000, thousandths);
    (name, quality)
}

/// `0.75` as 750; what is malformed counts as unwanted.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > 3 || !digits(fraction) {
        return 0;
    }
    match whole {
        "1" => 1_000,
        "0" => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// A layer (`axum::middleware::from_fn`) that writes refusals as the caller asks for them.
pub async fn negotiate(request: Request, next: Next) -> Response {
    let rendering = Rendering::wanted_by(request.headers());
    rendered(next.run(request).await, rendering)
}

/// The answer, written in this form if it is a refusal.
pub fn rendered(mut response: Response, rendering: Rendering) -> Response {
    if rendering == Rendering::Problem
        && let Some(error) = response.extensions().get::<Arc<ApiError>>().cloned()
    {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(error.body(rendering));
    }
    response
}

impl ApiError {
    /// The answer in the given form, for callers that hold the request's headers.
    pub fn into_rendered(self, rendering: Rendering) -> Response {
        self.log();
        let content_type = match rendering {
            Rendering::Envelope => APPLICATION_JSON,
            Rendering::Problem => PROBLEM_JSON,
        };
        let mut response = Response::new(Body::from(self.body(rendering)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }

    /// The body's bytes.
    pub fn body(&self, rendering: Rendering) -> Bytes {
        let written = match rendering {
            // What a stranger gets costs nothing to write.
            Rendering::Envelope if self.code() == ErrorCode::InvalidApiKey => {
                return Bytes::from_static(UNAUTHORIZED_BODY);
            }
            Rendering::Envelope => serde_json::to_vec(&Envelope(self)),
            Rendering::Problem => serde_json::to_vec(&Problem(self)),
        };
        written
            .expect("strings and JSON values under string keys serialise")
            .into()
    }

    /// Logs faults of ours, here and nowhere else; 4xx stand in the request's summary line.
    fn log(&self) {
        if !self.status().is_server_error() {
            return;
        }
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        tracing::error!(
            error.code = self.code().name(),
            error.causes = causes.join(": "),
            "request failed"
        );
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_rendered(Rendering::Envelope)
    }
}

pub(super) struct Envelope<'a>(pub(super) &'a ApiError);
struct Meta<'a>(&'a ApiError);
struct Problem<'a>(&'a ApiError);

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("data", &())?;
        map.serialize_entry("error", self.0.message())?;
        map.serialize_entry("meta", &Meta(self.0))?;
        map.end()
    }
}

impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.0.code().name())?;
        if !self.0.issues().is_empty() {
            map.serialize_entry("issues", self.0.issues())?;
        }
        for (name, value) in &self.0.0.meta {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Problem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = self.0.code();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &code.problem_type())?;
        map.serialize_entry("title", code.title())?;
        map.serialize_entry("status", &code.status().as_u16())?;
        // Where `error` is only the code, the sentence for people stands in `meta.detail`.
        if self.0.meta("detail").is_none() {
            map.serialize_entry("detail", self.0.message())?;
        }
        map.serialize_entry("code", code.name())?;
        if !self.0.issues().is_empty() {
            map.serialize_entry("issues", self.0.issues())?;
        }
        for (name, value) in &self.0.0.meta {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
