//! `GET /openapi.json`: without a credential, unmetered (v1-contract.md 18.2).

use api::BASE_PATH;
use api::error::{ApiError, Rendering};
use api::etag::ETag;
use api::header::{APPLICATION_JSON, PRIVATE_NO_STORE};
use api::route::{self, Found, Route};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::packed::{Coding, Packed};

/// The document, as it is sent.
#[derive(Debug)]
pub struct Document {
    body: Bytes,
    etag: ETag,
    packed: Packed,
}

impl Document {
    /// Where it is.
    pub const PATH: &str = "/api/v1/openapi.json";

    /// The document's bytes, made by `api::openapi::document`.
    pub fn new(body: Bytes) -> Self {
        debug_assert!(Self::PATH.starts_with(BASE_PATH));
        Self {
            etag: ETag::of(&body),
            body,
            packed: Packed::default(),
        }
    }

    /// Answers; only GET and HEAD.
    pub fn respond(&self, method: &Method, headers: &HeaderMap) -> Response {
        if let Found::MethodNotAllowed(allow) = route::find(method, Self::PATH) {
            let error = ApiError::method_not_allowed(allow);
            return error.into_rendered(Rendering::wanted_by(headers));
        }
        let mut response = if self.etag.is_named_by(headers) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Body::from(self.body.clone()));
            let json = HeaderValue::from_static(APPLICATION_JSON);
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
        headers.insert(ETAG, self.etag.as_value().clone());
        response
    }

    /// Compresses its answer: once for all, since strangers may ask.
    pub async fn pack(&self, response: &mut Response, coding: Coding) {
        self.packed.put(response, &self.body, coding).await;
    }

    /// Its route in the table.
    pub fn route() -> Option<&'static Route> {
        match route::find(&Method::GET, Self::PATH) {
            Found::Route(route) => Some(route),
            Found::MethodNotAllowed(_) | Found::Nothing { .. } => None,
        }
    }
}

/// Gets this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
#[expect(
    dead_code,
    reason = "only described here: `Document` answers before any endpoint"
)]
fn handle() {}

/// What there is to say of it.
#[derive(utoipa::OpenApi)]
#[openapi(paths(handle))]
pub struct Described;
