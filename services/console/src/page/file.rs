//! A file of the API, passed on as it comes.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use runtime::clock::Clock;

use crate::client::Download;

/// How long the next part of a file may take.
const PART_WITHIN: Duration = Duration::from_secs(20);

/// The file under its name. If the API breaks off, so does the answer: a file that ends is whole.
pub fn pass_on(download: Download, clock: Clock) -> Response {
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, CONTENT_DISPOSITION] {
        if let Some(value) = download.response.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let parts = Box::pin(download.response.bytes_stream());
    let parts = stream::unfold(Some((parts, clock)), |state| async {
        let (mut parts, clock) = state?;
        match clock.timeout(PART_WITHIN, parts.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(part))) => Some((Ok(part), Some((parts, clock)))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    });
    (headers, Body::from_stream(parts)).into_response()
}
