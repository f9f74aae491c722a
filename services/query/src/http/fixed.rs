//! Texts that stay the same while the process lives: labelled, compressed once.

use api::etag::ETag;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::packed::{Coding, Packed};

/// One text, as it is sent.
#[derive(Debug)]
pub struct Fixed {
    media_type: HeaderValue,
    cache_control: HeaderValue,
    body: Bytes,
    etag: ETag,
    packed: Packed,
}

impl Fixed {
    /// A text, what it is, and who may keep it.
    pub fn new(media_type: &'static str, cache_control: HeaderValue, body: Bytes) -> Self {
        Self {
            media_type: HeaderValue::from_static(media_type),
            cache_control,
            etag: ETag::of(&body),
            body,
            packed: Packed::default(),
        }
    }

    /// The text, or 304 for whoever has it.
    pub fn respond(&self, headers: &HeaderMap) -> Response {
        let mut response = if self.etag.is_named_by(headers) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Body::from(self.body.clone()));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, self.media_type.clone());
            response
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        headers.insert(ETAG, self.etag.as_value().clone());
        response
    }

    /// Compresses its answer: once for all, since strangers may ask.
    pub async fn pack(&self, response: &mut Response, coding: Coding) {
        self.packed.put(response, &self.body, coding).await;
    }
}
