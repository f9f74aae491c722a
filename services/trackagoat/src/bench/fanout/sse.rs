//! A subscriber of `GET /audit/stream`.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, StatusCode};
use runtime::clock::Clock;

use super::deliveries::Arrived;
use crate::bench::error::BenchError;

/// Longer than any event: what is longer is no line.
const LINE_BYTES_MAX: usize = 4 << 20;
/// How often a service is asked for a stream, and the wait in between.
const ASKED_MAX: u32 = 40;
const AGAIN: Duration = Duration::from_millis(500);

/// An open stream.
pub struct EventStream {
    body: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    lines: Lines,
}

/// What came of a line that is not whole yet, and of an event that is not.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    id: Option<u64>,
    /// Whether the service says that no more will come.
    ends: bool,
}

impl EventStream {
    /// Returns once the service has answered. One that is busy, or has not noticed that earlier
    /// streams of the org are closed, is asked again.
    pub async fn open(
        client: &Client,
        api: &str,
        key: &str,
        after: u64,
        clock: &Clock,
    ) -> Result<Self, BenchError> {
        let mut asked = 0;
        loop {
            let answer = client
                .get(format!("{api}/audit/stream?after_position={after}"))
                .header(AUTHORIZATION, format!("Bearer {key}"))
                .send()
                .await
                .map_err(failed)?;
            asked += 1;
            match answer.status() {
                StatusCode::OK => {
                    return Ok(Self {
                        body: Box::pin(answer.bytes_stream()),
                        lines: Lines::default(),
                    });
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
                    if asked < ASKED_MAX =>
                {
                    clock.sleep(AGAIN).await;
                }
                status => {
                    let text = answer.text().await.unwrap_or_default();
                    let text = format!("a stream was answered {status}: {text}");
                    return Err(BenchError::Wrong(text));
                }
            }
        }
    }

    /// Waits until something came, and adds the events among it. Dropping the future loses nothing.
    pub async fn next(
        &mut self,
        arrived: &mut Vec<Arrived>,
        clock: &Clock,
    ) -> Result<(), BenchError> {
        let chunk = self.body.try_next().await.map_err(failed)?;
        let chunk = chunk.ok_or_else(|| BenchError::Wrong("a stream has ended".into()))?;
        self.lines
            .take(&chunk, clock.monotonic().as_nanos(), arrived)
    }
}

impl Lines {
    fn take(
        &mut self,
        chunk: &[u8],
        now: u64,
        arrived: &mut Vec<Arrived>,
    ) -> Result<(), BenchError> {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.line(now, arrived)?;
                self.rest.clear();
            } else if self.rest.len() > LINE_BYTES_MAX {
                return Err(BenchError::Wrong("a stream sends what is no line".into()));
            }
        }
        Ok(())
    }

    /// An event has arrived with the empty line behind it.
    fn line(&mut self, now: u64, arrived: &mut Vec<Arrived>) -> Result<(), BenchError> {
        let line = self.rest.trim_ascii_end();
        if let Some(id) = line.strip_prefix(b"id:") {
            let id = std::str::from_utf8(id).ok();
            self.id = id.and_then(|id| id.trim().parse().ok());
        } else if let Some(name) = line.strip_prefix(b"event:") {
            self.ends = name.trim_ascii() == b"end";
        } else if line.is_empty() {
            arrived.extend(self.id.take().map(|id| (id, now)));
        } else if self.ends {
            let why = String::from_utf8_lossy(line);
            return Err(BenchError::Wrong(format!("a stream was ended: {why}")));
        }
        Ok(())
    }
}

fn failed(error: reqwest::Error) -> BenchError {
    BenchError::Wrong(format!("a stream failed: {}", error.without_url()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn events_are_found_however_they_are_cut() {
        let text = ": a comment\n\nid: 41\nevent: key.revoked\ndata: {}\n\n\
                    : another\n\nid: 42\nevent: key.created\ndata: {}\n\n";
        for cut in 0..=text.len() {
            let (mut lines, mut arrived) = (Lines::default(), Vec::new());
            let (first, second) = text.as_bytes().split_at(cut);
            lines.take(first, 1, &mut arrived).unwrap();
            lines.take(second, 2, &mut arrived).unwrap();
            let positions: Vec<_> = arrived.iter().map(|(position, _)| *position).collect();
            assert_eq!(positions, [41, 42], "{cut}");
            // Not before the last byte.
            assert_eq!(arrived[1].1, if cut == text.len() { 1 } else { 2 });
        }
    }

    #[test]
    fn a_stream_that_is_ended_is_an_error() {
        let text = b"event: end\ndata: {\"code\":\"slow_consumer\"}\n\n";
        let ended = Lines::default().take(text, 1, &mut Vec::new());
        assert!(ended.unwrap_err().to_string().contains("slow_consumer"));
    }
}
