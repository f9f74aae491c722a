//! A file of the API, which a browser gets as it comes.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use runtime::clock::Clock;

/// How long a part may be on its way: the API gives what it has within seconds.
const PART_WITHIN: Duration = Duration::from_mins(1);

/// What the API answered, of which only the head has come yet. Of the body never more is held than a
/// part: the next is read when the browser has taken the one before.
pub struct Download {
    response: reqwest::Response,
    clock: Clock,
}

impl Download {
    pub(super) fn new(response: reqwest::Response, clock: Clock) -> Self {
        Self { response, clock }
    }
}

impl IntoResponse for Download {
    /// The file with its name. If its source breaks off, so does it: no browser takes a part for the whole.
    fn into_response(self) -> Response {
        let Self { response, clock } = self;
        let head: Vec<_> = [CONTENT_TYPE, CONTENT_DISPOSITION]
            .into_iter()
            .filter_map(|name| Some((name.clone(), response.headers().get(name)?.clone())))
            .collect();
        let source = response.bytes_stream();
        let parts = stream::unfold(Some((source, clock)), async |going| {
            let (mut source, clock) = going?;
            match clock.timeout(PART_WITHIN, source.next()).await {
                Ok(Some(Ok(part))) => Some((Ok(part), Some((source, clock)))),
                Ok(None) => None,
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "a file of the API broke off");
                    Some((Err(io::Error::other(error)), None))
                }
                Err(_) => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
            }
        });
        let mut response = Response::new(Body::from_stream(parts));
        response.headers_mut().extend(head);
        response
    }
}
