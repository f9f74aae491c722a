//! A client of `GET /audit/export`, which looks at nothing but the ends of lines and the last event.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use runtime::clock::Clock;
use serde::Deserialize;

use crate::bench::error::BenchError;

/// What is kept of the end, to read the last line: more than any event has.
const TAIL_BYTES: usize = 1 << 20;

/// What an export gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exported {
    pub lines: u64,
    pub bytes: u64,
    /// Position of the last event.
    pub last: u64,
}

/// The last event, as far as it is looked at.
#[derive(Deserialize)]
struct Event {
    /// Decimal, as CloudEvents' integers end at 2³¹.
    position: String,
}

/// Exports everything, and how long that took in seconds; none if the service has no such endpoint.
pub async fn export(
    url: &str,
    key: &str,
    clock: &Clock,
) -> Result<Option<(Exported, f64)>, BenchError> {
    let client = reqwest::Client::builder().no_proxy().build();
    let begun = clock.monotonic();
    let answer = client
        .map_err(failed)?
        .get(format!("{url}/api/v1/audit/export"))
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .send()
        .await
        .map_err(failed)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => {
            let text = answer.text().await.unwrap_or_default();
            let text = format!("the export was answered {status}: {text}");
            return Err(BenchError::Wrong(text));
        }
    }
    let exported = read(answer.bytes_stream().map_err(failed)).await?;
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    Ok(Some((exported, seconds)))
}

/// Reads it to its end; an error if it is broken off, be it in the middle of a line.
async fn read(body: impl Stream<Item = Result<Bytes, BenchError>>) -> Result<Exported, BenchError> {
    let mut body = std::pin::pin!(body);
    let (mut lines, mut bytes) = (0_u64, 0_u64);
    let mut tail = Vec::new();
    while let Some(chunk) = body.try_next().await? {
        bytes += chunk.len() as u64;
        let ends = chunk.iter().filter(|byte| **byte == b'\n');
        lines += ends.count() as u64;
        keep(&mut tail, &chunk);
    }
    let Some(whole) = tail.strip_suffix(b"\n") else {
        return Err(BenchError::Wrong("the export ends within a line".into()));
    };
    let line = whole.rsplit(|byte| *byte == b'\n').next();
    let event: Event =
        serde_json::from_slice(line.unwrap_or_default()).map_err(BenchError::json)?;
    let last = event.position.parse();
    let last = last.map_err(|_| BenchError::Wrong("the last position is none".into()))?;
    Ok(Exported { lines, bytes, last })
}

fn keep(tail: &mut Vec<u8>, chunk: &[u8]) {
    if chunk.len() >= TAIL_BYTES {
        tail.clear();
    } else if tail.len() >= TAIL_BYTES {
        tail.drain(..tail.len() - TAIL_BYTES);
    }
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL_BYTES)..]);
}

fn failed(error: reqwest::Error) -> BenchError {
    BenchError::Wrong(format!("an export failed: {}", error.without_url()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use futures_util::stream;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    /// A service for as long as the tasks are kept.
    async fn stand_in(router: Router) -> (String, JoinSet<std::io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        (url, tasks)
    }

    type Chunks = Vec<Result<&'static str, std::io::ErrorKind>>;

    /// A service that exports these, to whoever asks.
    fn exporting(chunks: Chunks) -> Router {
        let route = get(async move || {
            let chunks = chunks.into_iter();
            Body::from_stream(stream::iter(
                chunks.map(|chunk| chunk.map_err(std::io::Error::from)),
            ))
        });
        Router::new().route("/api/v1/audit/export", route)
    }

    fn provide_tls() {
        // Only the first of this process's tests does.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }

    #[tokio::test]
    async fn lines_are_counted_however_they_are_cut() {
        provide_tls();
        let chunks = [r#"{"position":"#, "\"7\"}\n{\"pos", "ition\":\"12\"}", "\n"];
        let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let (url, _tasks) = stand_in(exporting(chunks.map(Ok).into())).await;
        let (exported, _) = export(&url, "key", &Clock::system())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            exported,
            Exported {
                lines: 2,
                bytes,
                last: 12
            }
        );
    }

    #[tokio::test]
    async fn what_is_broken_off_is_no_export() {
        provide_tls();
        let cut = vec![Ok("{\"position\":\"7\"}\n"), Err(std::io::ErrorKind::Other)];
        let within = vec![Ok("{\"position\":\"7\"}\n{\"posi")];
        for chunks in [cut, within] {
            let (url, _tasks) = stand_in(exporting(chunks)).await;
            assert!(export(&url, "key", &Clock::system()).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_service_without_exports_is_no_failure() {
        provide_tls();
        let (url, _tasks) = stand_in(Router::new()).await;
        assert_eq!(export(&url, "key", &Clock::system()).await.unwrap(), None);
        let refusing = get(async || StatusCode::FORBIDDEN);
        let (url, _tasks) = stand_in(Router::new().route("/api/v1/audit/export", refusing)).await;
        assert!(export(&url, "key", &Clock::system()).await.is_err());
    }

    #[test]
    fn the_end_is_kept_and_little_else() {
        let mut tail = Vec::new();
        for size in [10, TAIL_BYTES, 10, TAIL_BYTES - 1, 3 * TAIL_BYTES, 7] {
            let chunk: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            keep(&mut tail, &chunk);
            let end = &chunk[chunk.len().saturating_sub(TAIL_BYTES)..];
            assert!(tail.ends_with(end));
            assert!(tail.len() < 2 * TAIL_BYTES + 1);
        }
    }
}
