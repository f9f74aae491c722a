//! `GET /openapi.json`: without a credential, unmetered (v1-contract.md 18.2).

use api::BASE_PATH;
use api::error::{ApiError, Rendering};
use api::header::{APPLICATION_JSON, PRIVATE_NO_STORE};
use api::route::{self, Found, Route};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::fixed::Fixed;
use super::packed::Coding;

/// The document, as it is sent.
#[derive(Debug)]
pub struct Document(Fixed);

impl Document {
    /// Where it is.
    pub const PATH: &str = "/api/v1/openapi.json";

    /// The document's bytes, made by `api::openapi::document`.
    pub fn new(body: Bytes) -> Self {
        debug_assert!(Self::PATH.starts_with(BASE_PATH));
        Self(Fixed::new(APPLICATION_JSON, PRIVATE_NO_STORE, body))
    }

    /// Answers; only GET and HEAD.
    pub fn respond(&self, method: &Method, headers: &HeaderMap) -> Response {
        if let Found::MethodNotAllowed(allow) = route::find(method, Self::PATH) {
            let error = ApiError::method_not_allowed(allow);
            return error.into_rendered(Rendering::wanted_by(headers));
        }
        self.0.respond(headers)
    }

    /// Compresses its answer.
    pub async fn pack(&self, response: &mut Response, coding: Coding) {
        self.0.pack(response, coding).await;
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
