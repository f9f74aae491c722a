//! `GET /openapi.json` and `/asyncapi.json`: without a credential, unmetered (v1-contract.md 18.2).

use api::error::{ApiError, Rendering};
use api::header::{APPLICATION_JSON, PRIVATE_NO_STORE};
use api::route::{self, Found, Route};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::fixed::Fixed;
use super::packed::Coding;

/// What describes the service to programs.
#[derive(Debug)]
pub struct Documents([Document; 2]);

/// One document, as it is sent.
#[derive(Debug)]
pub struct Document {
    path: &'static str,
    text: Fixed,
}

impl Documents {
    /// With the bytes of the one that `api::openapi::document` made.
    pub fn new(openapi: Bytes) -> Self {
        let asyncapi = api::asyncapi::document().to_string().into();
        Self([
            Document::new("/api/v1/openapi.json", openapi),
            Document::new("/api/v1/asyncapi.json", asyncapi),
        ])
    }

    /// The one that is at a path.
    pub fn find(&self, path: &str) -> Option<&Document> {
        self.0.iter().find(|document| document.path == path)
    }
}

impl Document {
    fn new(path: &'static str, body: Bytes) -> Self {
        let text = Fixed::new(APPLICATION_JSON, PRIVATE_NO_STORE, body);
        Self { path, text }
    }

    /// Answers; only GET and HEAD.
    pub fn respond(&self, method: &Method, headers: &HeaderMap) -> Response {
        if let Found::MethodNotAllowed(allow) = route::find(method, self.path) {
            let error = ApiError::method_not_allowed(allow);
            return error.into_rendered(Rendering::wanted_by(headers));
        }
        self.text.respond(headers)
    }

    /// Compresses its answer.
    pub async fn pack(&self, response: &mut Response, coding: Coding) {
        self.text.pack(response, coding).await;
    }

    /// Its route in the table.
    pub fn route(&self) -> Option<&'static Route> {
        match route::find(&Method::GET, self.path) {
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
fn openapi() {}

/// Gets the description of events: on NATS, as server-sent events, at webhooks.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "get_asyncapi",
    responses((status = 200, description = "AsyncAPI 3.0", body = serde_json::Value))
)]
#[expect(
    dead_code,
    reason = "only described here: `Document` answers before any endpoint"
)]
fn asyncapi() {}

/// What there is to say of them.
#[derive(utoipa::OpenApi)]
#[openapi(paths(openapi, asyncapi))]
pub struct Described;
