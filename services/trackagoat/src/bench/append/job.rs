//! One measurement of appending, as a child process runs it.

use std::time::Duration;

use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{message_db, ours, plain};
use crate::bench::error::BenchError;
use crate::bench::stats::{Histogram, per_second};
use crate::bench::worker::Parent;

/// What to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppendJob {
    pub contestant: Contestant,
    pub database_url: String,
    /// With it, what is committed is mirrored too.
    pub nats_url: Option<String>,
    /// Appends under way at once; for plain inserts the rows of one.
    pub writers: usize,
    pub length: Duration,
    pub payload_bytes: usize,
    pub workload: Workload,
    /// Different for each process of a measurement.
    pub seed: u64,
}

/// Whose appends are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contestant {
    Ours,
    /// Rows of ours, without anything that makes them a log.
    Plain {
        connections: u32,
    },
    MessageDb,
}

/// Which streams are appended to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Each append makes a stream, and fails if there is one.
    NewStreams,
    /// Each append names the version it expects of a stream drawn by Zipf's law; a share of them
    /// names a wrong one on purpose.
    Zipf { streams: u32, wrong: f64 },
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Appends {
    /// How long each successful append took.
    pub latencies: Histogram,
    /// Events that are in the log now.
    pub events: u64,
    /// Appends that expected a wrong version on purpose, and were refused.
    pub refused_on_purpose: u64,
    /// Appends that lost a race.
    pub lost_races: u64,
    /// Appends that expected a wrong version on purpose, and were accepted: never.
    pub accepted_wrongly: u64,
    /// Events by second of the measurement.
    pub timeline: Vec<u64>,
    pub seconds: f64,
}

/// One writer's part; latencies are put in order at the end.
pub struct Writer {
    clock: Clock,
    start: Monotonic,
    pub end: Monotonic,
    nanos: Vec<u64>,
    pub done: Appends,
}

impl AppendJob {
    pub async fn run(
        self,
        parent: &mut Parent,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(), BenchError> {
        let appends = match self.contestant {
            Contestant::Ours => ours::run(&self, parent, &clock, &entropy).await?,
            Contestant::Plain { connections } => {
                plain::run(&self, connections, parent, &clock, &entropy).await?
            }
            Contestant::MessageDb => message_db::run(&self, parent, &clock, &entropy).await?,
        };
        parent.report(&appends)
    }
}

impl Appends {
    pub fn per_second(&self) -> f64 {
        per_second(self.events, self.seconds)
    }

    /// Adds what happened at the same time.
    pub fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.events += other.events;
        self.refused_on_purpose += other.refused_on_purpose;
        self.lost_races += other.lost_races;
        self.accepted_wrongly += other.accepted_wrongly;
        let seconds = self.timeline.len().max(other.timeline.len());
        self.timeline.resize(seconds, 0);
        for (sum, count) in self.timeline.iter_mut().zip(&other.timeline) {
            *sum += count;
        }
        self.seconds = self.seconds.max(other.seconds);
    }
}

impl Writer {
    pub fn new(clock: &Clock, start: Monotonic, length: Duration) -> Self {
        Self {
            clock: clock.clone(),
            start,
            end: start + length,
            nanos: Vec::new(),
            done: Appends::default(),
        }
    }

    /// When the next append begins; none at the end.
    pub fn next(&self) -> Option<Monotonic> {
        Some(self.clock.monotonic()).filter(|now| *now < self.end)
    }

    /// An append that began then has just succeeded.
    pub fn succeeded(&mut self, begun: Monotonic, events: u64) {
        let now = self.clock.monotonic();
        self.nanos.push(now.as_nanos() - begun.as_nanos());
        let elapsed = now.saturating_since(self.start);
        let second = usize::try_from(elapsed.as_secs()).unwrap_or(usize::MAX);
        if second >= self.done.timeline.len() {
            self.done.timeline.resize(second + 1, 0);
        }
        self.done.timeline[second] += events;
        self.done.events += events;
        self.done.seconds = elapsed.as_secs_f64();
    }

    pub fn finish(mut self) -> Appends {
        self.done.latencies = self.nanos.into_iter().collect();
        self.done
    }
}

/// Waits for all writers, and adds up what they did.
pub async fn collect(
    mut writers: JoinSet<Result<Writer, BenchError>>,
) -> Result<Appends, BenchError> {
    let mut all = Appends::default();
    while let Some(joined) = writers.join_next().await {
        let writer = joined.map_err(|error| BenchError::Wrong(error.to_string()))??;
        all.merge(&writer.finish());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_ran_together_are_added_up() {
        let mut one = Appends {
            events: 10,
            timeline: vec![4, 6],
            seconds: 1.5,
            ..Appends::default()
        };
        let two = Appends {
            events: 20,
            timeline: vec![5, 5, 10],
            seconds: 2.0,
            ..Appends::default()
        };
        one.merge(&two);
        assert_eq!(
            (one.events, one.timeline.as_slice()),
            (30, &[9, 11, 10][..])
        );
        assert!((one.per_second() - 15.0).abs() < 1e-9);
    }
}
