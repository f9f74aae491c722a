//! `/schemas/events/<type>.v<n>.json`: where the `dataschema` of every event leads. Without a
//! credential and unmetered, like the documents.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use api::error::{ApiError, Rendering};
use axum::response::Response;
use domain::event::EventType;
use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderMap, HeaderValue, Method};

use super::fixed::Fixed;
use super::packed::Coding;

const ROOT: &str = "/schemas/events/";
const JSON_SCHEMA: &str = "application/schema+json";
/// May be kept, and is asked for again each time: a version may gain optional fields.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// By file name. The files are the same in every service of the process.
static FILES: LazyLock<BTreeMap<String, Fixed>> = LazyLock::new(|| {
    let versions = EventType::ALL.iter().flat_map(|event_type| {
        let versions = 1..=event_type.schema_version();
        versions.filter_map(|version| {
            let schema = event_type.schema_text(version)?.into_owned();
            let name = format!("{}.v{version}.json", event_type.name());
            Some((name, Fixed::new(JSON_SCHEMA, NO_CACHE, schema.into())))
        })
    });
    versions.collect()
});

/// Whether a path is one of theirs.
pub fn has(path: &str) -> bool {
    path.starts_with(ROOT)
}

/// Answers; only GET and HEAD.
pub async fn respond(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    coding: Option<Coding>,
) -> Response {
    let rendering = Rendering::wanted_by(headers);
    if !matches!(*method, Method::GET | Method::HEAD) {
        return ApiError::method_not_allowed("GET, HEAD").into_rendered(rendering);
    }
    let name = path.strip_prefix(ROOT);
    let Some(file) = name.and_then(|name| FILES.get(name)) else {
        return ApiError::not_found().into_rendered(rendering);
    };
    let mut response = file.respond(headers);
    if let Some(coding) = coding {
        file.pack(&mut response, coding).await;
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
