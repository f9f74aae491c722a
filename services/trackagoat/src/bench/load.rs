//! An HTTP/1.1 load generator: prepared requests over connections that stay open. It does as little
//! as it can, because on few cores what it takes is missing to the server.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use super::error::BenchError;
use super::pace::{self, Schedule};
use super::stats::{Histogram, per_second};

const HEAD_MAX: usize = 16 << 10;

/// What to send, and how.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    /// Whole requests as bytes; each connection goes round them, all beginning far from each other.
    pub requests: Arc<Vec<Vec<u8>>>,
    pub connections: usize,
    pub length: Duration,
    /// Requests a second; none: each connection sends as soon as it was answered.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Answers {
    /// Of answers with status 200.
    pub histogram: Histogram,
    /// Answers with another status than 200.
    pub refused: u64,
    /// What one of them said.
    pub refusal: Option<Answer>,
    pub seconds: f64,
}

/// One whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.body);
        write!(formatter, "{}: {text}", self.status)
    }
}

/// A GET with a credential.
pub fn get(address: SocketAddr, path: &str, key: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n")
        .into_bytes()
}

/// A DELETE with a credential.
pub fn delete(address: SocketAddr, path: &str, key: &str) -> Vec<u8> {
    format!("DELETE {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n")
        .into_bytes()
}

/// Sends one request on a connection of its own and gives back everything that was answered.
pub async fn once(address: SocketAddr, request: &[u8]) -> Result<Answer, BenchError> {
    let mut connection = Connection::open(address).await?;
    let status = connection.exchange(request).await?;
    Ok(connection.last_answer(status))
}

/// Sends each request on one connection, all of which must be answered 200; the last answer.
pub async fn each(
    address: SocketAddr,
    requests: impl Iterator<Item = Vec<u8>>,
) -> Result<Option<Answer>, BenchError> {
    let mut connection = Connection::open(address).await?;
    let mut last = None;
    for request in requests {
        let status = connection.exchange(&request).await?;
        let answer = connection.last_answer(status);
        if status != 200 {
            return Err(BenchError::Wrong(format!(
                "a request was answered {answer}"
            )));
        }
        last = Some(answer);
    }
    Ok(last)
}

impl Load {
    pub async fn run(&self, clock: &Clock) -> Result<Answers, BenchError> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(self.address).await?);
        }
        let mut sinks = Vec::new();
        let mut tasks = JoinSet::new();
        let start = clock.monotonic();
        let end = start + self.length;
        for (number, connection) in connections.into_iter().enumerate() {
            let (clock, requests) = (clock.clone(), Arc::clone(&self.requests));
            let schedule = if self.rate.is_some() {
                let (sink, due) = unbounded_channel();
                sinks.push(sink);
                Schedule::Due(due)
            } else {
                Schedule::Until(end)
            };
            let first = number * requests.len() / self.connections;
            tasks.spawn(drive(connection, requests, first, schedule, clock));
        }
        let pacer = self
            .rate
            .map(|rate| pace::start(clock, rate, self.length, sinks));
        let mut answers = Answers::default();
        while let Some(joined) = tasks.join_next().await {
            let own = joined.map_err(|error| BenchError::Wrong(error.to_string()))??;
            answers.histogram.merge(&own.histogram);
            answers.refused += own.refused;
            answers.refusal = answers.refusal.or(own.refusal);
        }
        answers.seconds = clock.monotonic().saturating_since(start).as_secs_f64();
        if let Some(pacer) = pacer {
            pacer
                .join()
                .map_err(|_| BenchError::Wrong("the pacer panicked".into()))?;
        }
        Ok(answers)
    }
}

impl Answers {
    pub fn per_second(&self) -> f64 {
        per_second(self.histogram.total(), self.seconds)
    }
}

async fn drive(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    mut schedule: Schedule,
    clock: Clock,
) -> Result<Answers, BenchError> {
    let mut nanos = Vec::new();
    let mut own = Answers::default();
    let mut turn = requests.iter().cycle().skip(first);
    while let Some(due) = schedule.next(&clock).await {
        let Some(request) = turn.next() else { break };
        let status = connection.exchange(request).await?;
        if status == 200 {
            nanos.push(clock.monotonic().as_nanos() - due.as_nanos());
        } else {
            own.refused += 1;
            own.refusal = Some(connection.last_answer(status));
        }
    }
    own.histogram = nanos.into_iter().collect();
    Ok(own)
}

/// A connection that stays open; one that failed is of no more use.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the last answer: its head, and all of it.
    answer: (usize, usize),
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(BenchError::Talk)?;
        stream.set_nodelay(true).map_err(BenchError::Talk)?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 << 10],
            answer: (0, 0),
        })
    }

    /// Sends a request and reads its answer; the status.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16, BenchError> {
        self.stream
            .write_all(request)
            .await
            .map_err(BenchError::Talk)?;
        let mut filled = 0;
        let (status, head, total) = loop {
            filled += self.read_at(filled).await?;
            if let Some(head) = head_length(&self.buffer[..filled]) {
                let (status, body) = parse_head(&self.buffer[..head])
                    .ok_or_else(|| BenchError::Wrong("an answer without a length".into()))?;
                break (status, head, head + body);
            }
            if filled > HEAD_MAX {
                return Err(BenchError::Wrong("an answer with an endless head".into()));
            }
        };
        if self.buffer.len() < total {
            self.buffer.resize(total, 0);
        }
        while filled < total {
            filled += self.read_at(filled).await?;
        }
        self.answer = (head, total);
        Ok(status)
    }

    /// Whether the server said that it answers no more on this connection.
    pub fn is_last(&self) -> bool {
        let head = self.buffer[..self.answer.0].to_ascii_lowercase();
        let closes = b"connection: close";
        head.windows(closes.len()).any(|some| some == closes)
    }

    /// What was answered last, which had this status.
    pub fn last_answer(&self, status: u16) -> Answer {
        let (head, total) = self.answer;
        Answer {
            status,
            head: self.buffer[..head].to_vec(),
            body: self.buffer[head..total].to_vec(),
        }
    }

    async fn read_at(&mut self, filled: usize) -> Result<usize, BenchError> {
        let count = self.stream.read(&mut self.buffer[filled..]).await;
        match count.map_err(BenchError::Talk)? {
            0 => Err(BenchError::Wrong("the server closed a connection".into())),
            count => Ok(count),
        }
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Status and length of the body.
fn parse_head(head: &[u8]) -> Option<(u16, usize)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Some((status, length?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::Router;
    use axum::routing::get as route;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_gives_status_and_length() {
        let head = b"HTTP/1.1 429 Too Many\r\nx: y\r\nContent-Length: 17\r\n\r\n";
        assert_eq!(head_length(head), Some(head.len()));
        assert_eq!(parse_head(head), Some((429, 17)));
        assert_eq!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(head_length(b"HTTP/1.1 200 OK\r\n"), None);
    }

    #[tokio::test]
    async fn it_counts_what_is_answered_and_what_is_refused() {
        let app = Router::new().route("/ok", route(async || "x".repeat(100_000)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        let answer = once(address, &get(address, "/ok", "k")).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 100_000));
        for rate in [None, Some(200.0)] {
            let requests = vec![get(address, "/ok", "k"), get(address, "/none", "k")];
            let load = Load {
                address,
                requests: Arc::new(requests),
                connections: 2,
                length: Duration::from_millis(100),
                rate,
            };
            let answers = load.run(&Clock::system()).await.unwrap();
            let total = answers.histogram.total() + answers.refused;
            assert!(
                total >= 4 && answers.refused.abs_diff(total / 2) <= 2,
                "{answers:?}"
            );
            assert!(rate.is_none() || total == 20);
        }
    }
}
