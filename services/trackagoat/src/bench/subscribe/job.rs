//! The two ends of a subscription, each a process of its own as in production: one appends at a
//! given rate and mirrors, the other follows the feed. Both read the same steady clock.

use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::time::Timestamp;
use event_log::{EventLog, FeedConfig, Mirror, MirrorConfig};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::TaskKind;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use crate::bench::append::ours::{Template, connect};
use crate::bench::error::BenchError;
use crate::bench::open_log::OpenLog;
use crate::bench::pace;
use crate::bench::worker::Parent;
use crate::bench::zipf::Random;

/// Appends under way at once, at most.
const WRITERS: usize = 256;
/// How long the subscriber may wait for the next batch.
const SILENCE: Duration = Duration::from_secs(20);

/// Where both ends find the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Servers {
    pub database_url: String,
    pub nats_url: String,
}

/// One phase of a publisher.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Phase {
    pub rate: f64,
    pub length: Duration,
}

/// One append: its position, when it was due, when it was known to be committed; nanoseconds of
/// the steady clock.
pub type Sent = (u64, u64, u64);

/// Runs phases until the parent has no more; of each it reports the appends.
pub async fn run_publisher(
    servers: Servers,
    parent: &mut Parent,
    clock: Clock,
    entropy: Entropy,
) -> Result<(), BenchError> {
    let open_log = OpenLog::open(&servers.database_url, &clock, &entropy).await?;
    let client = connect(&servers.nats_url).await?;
    let mirror = Mirror::new(open_log.log.clone(), client, MirrorConfig::default());
    let tasks = open_log.tasks.clone();
    tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
    parent.ready().await?;
    while let Ok(phase) = parent.listen::<Phase>().await {
        let sent = publish(&open_log.log, phase, &clock, &entropy).await?;
        parent.report(&sent)?;
    }
    open_log.close().await;
    Ok(())
}

/// For each position that the parent names, reports when each event up to it arrived: nanoseconds
/// of the steady clock, beginning with the first event after the last report.
pub async fn run_follower(
    servers: Servers,
    parent: &mut Parent,
    clock: Clock,
    entropy: Entropy,
) -> Result<(), BenchError> {
    let open_log = OpenLog::open(&servers.database_url, &clock, &entropy).await?;
    let client = connect(&servers.nats_url).await?;
    let ended = follow(&open_log.log, client, parent, &clock).await;
    open_log.close().await;
    ended
}

async fn follow(
    log: &EventLog,
    client: async_nats::Client,
    parent: &mut Parent,
    clock: &Clock,
) -> Result<(), BenchError> {
    let config = FeedConfig {
        nats: Some(client),
        epoch: None,
    };
    let mut feed = log.subscribe(GlobalPosition::ZERO, config);
    let (found, mut arrivals) = unbounded_channel();
    let read = async {
        loop {
            let batch = feed.next_batch().await.map_err(BenchError::Feed)?;
            if batch.is_empty() {
                continue;
            }
            let now = clock.monotonic().as_nanos();
            let positions = batch
                .iter()
                .map(|event| (event.position.get(), now))
                .collect();
            if found.send(positions).is_err() {
                return Ok(());
            }
        }
    };
    let answer = async {
        parent.ready().await?;
        let mut last = 0;
        while let Ok(until) = parent.listen::<u64>().await {
            let arrived = arrived_until(&mut arrivals, &mut last, until, clock).await?;
            parent.report(&arrived)?;
        }
        Ok(())
    };
    tokio::select! {
        ended = read => ended,
        ended = answer => ended,
    }
}

async fn arrived_until(
    arrivals: &mut UnboundedReceiver<Vec<(u64, u64)>>,
    last: &mut u64,
    until: u64,
    clock: &Clock,
) -> Result<Vec<u64>, BenchError> {
    let mut times = Vec::new();
    while *last < until {
        let batch = clock.timeout(SILENCE, arrivals.recv()).await;
        let late = |source| BenchError::Late {
            what: "the feed's next event",
            source,
        };
        for (position, at) in batch.map_err(late)?.unwrap_or_default() {
            if position != *last + 1 {
                return Err(BenchError::Wrong(format!("{position} came after {last}")));
            }
            *last = position;
            times.push(at);
        }
    }
    Ok(times)
}

async fn publish(
    log: &EventLog,
    phase: Phase,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Vec<Sent>, BenchError> {
    let mut tasks = JoinSet::new();
    let mut sinks = Vec::new();
    for _ in 0..WRITERS {
        let (sink, due) = unbounded_channel();
        sinks.push(sink);
        let random = Random::new(entropy.u64());
        tasks.spawn(write(log.clone(), due, random, clock.clone()));
    }
    let pacer = pace::start(clock, phase.rate, phase.length, sinks);
    let mut sent = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        sent.extend(joined.map_err(|error| BenchError::Wrong(error.to_string()))??);
    }
    pacer
        .join()
        .map_err(|_| BenchError::Wrong("the pacer panicked".into()))?;
    sent.sort_unstable();
    Ok(sent)
}

async fn write(
    log: EventLog,
    mut schedule: UnboundedReceiver<Monotonic>,
    mut random: Random,
    clock: Clock,
) -> Result<Vec<Sent>, BenchError> {
    let template = Template::new(200)?;
    let mut sent = Vec::new();
    while let Some(due) = schedule.recv().await {
        let org = OrgId::generate(Timestamp::from_datetime(clock.now()), random.bytes());
        let request = template.request(org, StreamVersion::ZERO, &mut random);
        let appended = log.append(request).await.map_err(BenchError::Append)?;
        let committed = clock.monotonic().as_nanos();
        sent.push((appended.last.get(), due.as_nanos(), committed));
    }
    Ok(sent)
}
