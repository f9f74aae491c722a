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
                    let error = error.without_url();
                    tracing::warn!(%error, "a file of the API broke off");
                    Some((Err(io::Error::other(error)), None))
                }
                Err(_) => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
            }
        });
        // Encoders ask once more when it has ended.
        let mut response = Response::new(Body::from_stream(parts.fuse()));
        response.headers_mut().extend(head);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use axum::body::to_bytes;
    use axum::response::{IntoResponse, Response};
    use futures_util::StreamExt;
    use http::header::CONTENT_DISPOSITION;
    use runtime::clock::Clock;

    use super::Download;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\n\
        content-disposition: attachment; filename=\"a.csv\"\r\ntransfer-encoding: chunked\r\n\r\n";
    const PART: &str = "5\r\nwhole\r\n";
    const END: &str = "0\r\n\r\n";

    /// What a browser gets of a file whose source says this, and then nothing.
    async fn answered(said: String) -> Response {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut browser, _) = listener.accept().expect("a connection");
            let _ = browser.read(&mut [0; 4096]).expect("a request");
            browser.write_all(said.as_bytes()).expect("an answer");
        });
        let answer = reqwest::get(format!("http://{address}/")).await;
        let file = Download::new(answer.expect("a head"), Clock::system()).into_response();
        assert_eq!(
            file.headers()[CONTENT_DISPOSITION],
            "attachment; filename=\"a.csv\""
        );
        file
    }

    async fn passed_on(said: String) -> Result<String, axum::Error> {
        let body = to_bytes(answered(said).await.into_body(), 100).await;
        body.map(|body| String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn a_file_is_passed_on_with_its_name() {
        let file = passed_on(format!("{HEAD}{PART}{END}")).await;
        assert_eq!(file.expect("a file"), "whole");
    }

    #[tokio::test]
    async fn a_file_that_has_ended_stays_ended() {
        let file = answered(format!("{HEAD}{PART}{END}")).await;
        let mut parts = file.into_body().into_data_stream();
        assert!(parts.next().await.is_some_and(|part| part.is_ok()));
        for _ in 0..2 {
            assert!(parts.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_breaks_off() {
        assert!(passed_on(format!("{HEAD}{PART}")).await.is_err());
    }
}
