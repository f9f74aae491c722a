//! The id by which a request is found again in logs and in the events it caused.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::clock::Clock;
use crate::entropy::Entropy;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from a caller, in characters.
const MAX_CHARS: usize = 64;

/// A request's id: the caller's own, or a new UUID version 7. An extension of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Middleware: keeps an inbound `X-Request-Id` of 1 to 64 characters `[A-Za-z0-9_-]`, makes one
/// otherwise, and says it on the answer.
pub async fn request_id(
    State((clock, entropy)): State<(Clock, Entropy)>,
    mut request: Request,
    next: Next,
) -> Response {
    let inbound = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok());
    let id = match inbound.filter(|id| is_kept(id)) {
        Some(id) => id.to_owned(),
        None => entropy.uuid_v7(clock.now()).to_string(),
    };
    let value = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).await;
    if let Ok(value) = value {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn is_kept(id: &str) -> bool {
    (1..=MAX_CHARS).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
