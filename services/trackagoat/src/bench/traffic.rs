//! What everybody else does meanwhile: reads at a fixed rate, spread over replicas and many keys. A replica that does not answer costs its own requests and no others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::aim::rounded;
use super::error::BenchError;
use super::load::Connection;
use super::pace;
use super::stats::{Histogram, per_second};

/// Connections to each replica.
const CONNECTIONS: usize = 8;
/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// What is due longer is dropped: its connections were all busy.
const STALE: Duration = Duration::from_millis(100);
/// Longer than any run.
const LONGEST: Duration = Duration::from_hours(1);

/// Reads that go on until they are told to end.
pub struct Traffic {
    tasks: JoinSet<Tally>,
    pacer: JoinHandle<()>,
    end: CancellationToken,
    began: Monotonic,
    clock: Clock,
}

/// What came of them.
#[derive(Default)]
pub struct Tally {
    /// Of answers with status 200, from when they were due.
    answered: Histogram,
    /// Other answers, by status.
    others: BTreeMap<u16, u64>,
    /// No answer, or none in time.
    failed: u64,
    /// Never sent.
    stale: u64,
    seconds: f64,
}

impl Traffic {
    /// So many requests a second in all.
    pub fn start(
        places: &[watch::Receiver<SocketAddr>],
        requests: Vec<Vec<u8>>,
        rate: f64,
        clock: &Clock,
    ) -> Self {
        let requests: Arc<[Vec<u8>]> = requests.into();
        let end = CancellationToken::new();
        let (mut tasks, mut sinks) = (JoinSet::new(), Vec::new());
        let lines = places.len() * CONNECTIONS;
        for line in 0..lines {
            let (sink, due) = unbounded_channel();
            sinks.push(sink);
            let line = Line {
                place: places[line % places.len()].clone(),
                requests: Arc::clone(&requests),
                next: line * requests.len() / lines,
                due,
                clock: clock.clone(),
                connection: None,
                tally: Tally::default(),
            };
            tasks.spawn(line.run(end.clone()));
        }
        Self {
            tasks,
            pacer: pace::start(clock, rate, LONGEST, sinks),
            end,
            began: clock.monotonic(),
            clock: clock.clone(),
        }
    }

    pub async fn stop(mut self) -> Result<Tally, BenchError> {
        self.end.cancel();
        let mut all = Tally::default();
        while let Some(joined) = self.tasks.join_next().await {
            all.add(joined.map_err(|error| BenchError::Wrong(error.to_string()))?);
        }
        let since = self.clock.monotonic().saturating_since(self.began);
        all.seconds = since.as_secs_f64();
        let ended = self.pacer.join();
        ended.map_err(|_| BenchError::Wrong("the pacer panicked".into()))?;
        Ok(all)
    }
}

impl Tally {
    pub fn per_second(&self) -> f64 {
        per_second(self.answered.total(), self.seconds)
    }

    pub fn to_json(&self) -> Value {
        let others: BTreeMap<_, _> = self
            .others
            .iter()
            .map(|(status, count)| (status.to_string(), count))
            .collect();
        json!({
            "answered_200_per_second": rounded(self.per_second()),
            "latency_of_200": self.answered.to_json(),
            "other_answers_by_status": others,
            "no_answer_within_a_second": self.failed,
            "not_sent_for_want_of_a_connection": self.stale,
            "seconds": rounded(self.seconds),
        })
    }

    fn add(&mut self, other: Self) {
        self.answered.merge(&other.answered);
        for (status, count) in other.others {
            *self.others.entry(status).or_default() += count;
        }
        self.failed += other.failed;
        self.stale += other.stale;
    }
}

/// One connection, made anew when it fails.
struct Line {
    place: watch::Receiver<SocketAddr>,
    requests: Arc<[Vec<u8>]>,
    next: usize,
    due: UnboundedReceiver<Monotonic>,
    clock: Clock,
    connection: Option<Connection>,
    tally: Tally,
}

impl Line {
    async fn run(mut self, end: CancellationToken) -> Tally {
        let mut nanos = Vec::new();
        while let Some(Some(due)) = end.run_until_cancelled(self.due.recv()).await {
            if self.clock.monotonic().saturating_since(due) > STALE {
                self.tally.stale += 1;
                continue;
            }
            let clock = self.clock.clone();
            match clock.timeout(ANSWER_WITHIN, self.ask()).await {
                Ok(Ok(200)) => nanos.push(clock.monotonic().as_nanos() - due.as_nanos()),
                Ok(Ok(other)) => *self.tally.others.entry(other).or_default() += 1,
                Ok(Err(_)) | Err(_) => {
                    self.connection = None;
                    self.tally.failed += 1;
                }
            }
        }
        self.tally.answered = nanos.into_iter().collect();
        self.tally
    }

    async fn ask(&mut self) -> Result<u16, BenchError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let address = *self.place.borrow();
                none.insert(Connection::open(address).await?)
            }
        };
        let request = &self.requests[self.next];
        self.next = (self.next + 1) % self.requests.len();
        connection.exchange(request).await
    }
}
