//! The two ends of a subscription, each a process of its own as in production: one appends at a
//! given rate and mirrors, the other follows the feed. Both read the same steady clock.

use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::time::Timestamp;
use event_log::{EventLog, FeedConfig, Mirror, MirrorConfig};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::TaskKind;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::naive::{self, Wake};
use crate::bench::append::ours::Template;
use crate::bench::error::BenchError;
use crate::bench::open_log::OpenLog;
use crate::bench::pace::{self, Schedule};
use crate::bench::worker::Parent;
use crate::bench::zipf::Random;
use crate::nats::connect;

/// Appends under way at once, at most.
const WRITERS: usize = 256;
/// How long the subscriber may wait for the next batch.
const SILENCE: Duration = Duration::from_secs(20);

/// Where both ends find the log, and how one follows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Servers {
    pub database_url: String,
    pub following: Following,
}

/// How a subscriber hears of events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Following {
    /// Our feed, with a mirror on NATS.
    Feed {
        nats_url: String,
    },
    Notified,
    Polling,
}

/// One phase of a publisher.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// Appends a second; none: each writer appends as soon as it was answered.
    pub rate: Option<f64>,
    pub length: Duration,
}

/// An event's position, and when it arrived: nanoseconds of the steady clock.
pub type Arrived = (u64, u64);

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
    if let Following::Feed { nats_url } = &servers.following {
        let client = connect(&nats_url.as_str().into()).await?;
        let mirror = Mirror::new(open_log.log.clone(), client, MirrorConfig::default());
        let tasks = open_log.tasks.clone();
        tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
    }
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
    let url = &servers.database_url;
    let (found, arrivals) = unbounded_channel();
    match &servers.following {
        Following::Feed { nats_url } => {
            let open_log = OpenLog::open(url, &clock, &entropy).await?;
            let client = connect(&nats_url.as_str().into()).await?;
            let feeding = feed(&open_log.log, client, found, &clock);
            let ended = answer(feeding, arrivals, parent, &clock).await;
            open_log.close().await;
            ended
        }
        Following::Notified => {
            let wake = Wake::by_notice(url).await?;
            let following = naive::follow(url, wake, found, &clock);
            answer(following, arrivals, parent, &clock).await
        }
        Following::Polling => {
            let following = naive::follow(url, Wake::Polling, found, &clock);
            answer(following, arrivals, parent, &clock).await
        }
    }
}

/// Follows until nobody wants to know any more.
async fn feed(
    log: &EventLog,
    client: async_nats::Client,
    found: UnboundedSender<Vec<Arrived>>,
    clock: &Clock,
) -> Result<(), BenchError> {
    let config = FeedConfig {
        nats: Some(client),
        epoch: None,
    };
    let mut feed = log.subscribe(GlobalPosition::ZERO, config);
    loop {
        let batch = feed.next_batch().await.map_err(BenchError::Feed)?;
        let now = clock.monotonic().as_nanos();
        // A quiet log says so with an empty batch.
        let arrived: Vec<_> = batch
            .iter()
            .map(|event| (event.position.get(), now))
            .collect();
        if !arrived.is_empty() && found.send(arrived).is_err() {
            return Ok(());
        }
    }
}

/// Tells the parent what has arrived, whenever it asks, until it has no more questions.
async fn answer(
    following: impl Future<Output = Result<(), BenchError>>,
    mut arrivals: UnboundedReceiver<Vec<Arrived>>,
    parent: &mut Parent,
    clock: &Clock,
) -> Result<(), BenchError> {
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
        ended = following => ended,
        ended = answer => ended,
    }
}

async fn arrived_until(
    arrivals: &mut UnboundedReceiver<Vec<Arrived>>,
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
    let end = clock.monotonic() + phase.length;
    for _ in 0..WRITERS {
        let schedule = match phase.rate {
            Some(_) => {
                let (sink, due) = unbounded_channel();
                sinks.push(sink);
                Schedule::Due(due)
            }
            None => Schedule::Until(end),
        };
        let random = Random::new(entropy.u64());
        tasks.spawn(write(log.clone(), schedule, random, clock.clone()));
    }
    let pacer = phase
        .rate
        .map(|rate| pace::start(clock, rate, phase.length, sinks));
    let mut sent = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        sent.extend(joined.map_err(|error| BenchError::Wrong(error.to_string()))??);
    }
    if let Some(pacer) = pacer {
        pacer
            .join()
            .map_err(|_| BenchError::Wrong("the pacer panicked".into()))?;
    }
    sent.sort_unstable();
    Ok(sent)
}

async fn write(
    log: EventLog,
    mut schedule: Schedule,
    mut random: Random,
    clock: Clock,
) -> Result<Vec<Sent>, BenchError> {
    let template = Template::new(200)?;
    let mut sent = Vec::new();
    while let Some(due) = schedule.next(&clock).await {
        let org = OrgId::generate(Timestamp::from_datetime(clock.now()), random.bytes());
        let request = template.request(org, StreamVersion::ZERO, &mut random);
        let appended = log.append(request).await.map_err(BenchError::Append)?;
        let committed = clock.monotonic().as_nanos();
        sent.push((appended.last.get(), due.as_nanos(), committed));
    }
    Ok(sent)
}
