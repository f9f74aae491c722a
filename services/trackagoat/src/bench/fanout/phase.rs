//! One measurement: subscribers that are there, events that are appended at a rate, and what came of
//! them.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::OrgId;
use runtime::clock::Clock;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::deliveries::{Arrived, Everything, Latencies, Sent};
use super::nats::Subscription;
use super::sse::EventStream;
use crate::bench::append::ours::Template;
use crate::bench::error::BenchError;
use crate::bench::open_log::OpenLog;
use crate::bench::pace::{self, Schedule};
use crate::bench::zipf::Random;

/// Appends under way at once, at most.
const WRITERS: u64 = 32;
const PAYLOAD_BYTES: usize = 200;
/// How long subscribers are waited for once everything is sent.
const ARRIVED_WITHIN: Duration = Duration::from_secs(20);

/// How events reach a subscriber.
pub enum Connection {
    Sse(EventStream),
    Nats(Subscription),
}

/// One of them, and the number of its org.
pub struct Subscriber {
    pub org: usize,
    pub connection: Connection,
}

/// How long subscribers go on.
#[derive(Clone, Debug)]
enum Until {
    /// For as long as events are sent.
    Sending,
    /// Until they have the last of their org.
    Last(Arc<Vec<u64>>),
    /// No longer.
    Over,
}

/// What is sent, and how.
#[derive(Clone, Copy)]
pub struct Phase<'a> {
    pub open_log: &'a OpenLog,
    pub orgs: &'a [OrgId],
    pub rate: f64,
    pub length: Duration,
    /// Nothing up to here counts.
    pub after: u64,
    pub clock: &'a Clock,
    pub seed: u64,
}

impl Phase<'_> {
    /// Sends, and compares what arrived.
    pub async fn run(self, subscribers: Vec<Subscriber>) -> Result<Latencies, BenchError> {
        let (tell, until) = watch::channel(Until::Sending);
        let mut following = JoinSet::new();
        for subscriber in subscribers {
            let clock = self.clock.clone();
            following.spawn(follow(subscriber, self.after, until.clone(), clock));
        }
        let everything = Everything::new(self.orgs.len(), self.send().await?);
        tell.send_replace(Until::Last(everything.last_by_org().into()));
        let mut latencies = Latencies::default();
        let compared = compare_all(&mut following, &everything, &mut latencies);
        let Ok(compared) = self.clock.timeout(ARRIVED_WITHIN, compared).await else {
            // What they lack is counted as lost.
            tell.send_replace(Until::Over);
            compare_all(&mut following, &everything, &mut latencies).await?;
            return Ok(latencies);
        };
        compared.map(|()| latencies)
    }

    async fn send(self) -> Result<Vec<Sent>, BenchError> {
        let (mut tasks, mut sinks) = (JoinSet::new(), Vec::new());
        for writer in 0..WRITERS {
            let (sink, due) = unbounded_channel();
            sinks.push(sink);
            let write = Write {
                log: self.open_log.log.clone(),
                orgs: self.orgs.to_vec(),
                random: Random::new(self.seed ^ (writer << 32)),
                clock: self.clock.clone(),
            };
            tasks.spawn(write.run(Schedule::Due(due)));
        }
        let pacer = pace::start(self.clock, self.rate, self.length, sinks);
        let mut sent = Vec::new();
        while let Some(joined) = tasks.join_next().await {
            sent.extend(joined.map_err(|error| BenchError::Wrong(error.to_string()))??);
        }
        pacer
            .join()
            .map_err(|_| BenchError::Wrong("the pacer panicked".into()))?;
        Ok(sent)
    }
}

struct Write {
    log: event_log::EventLog,
    orgs: Vec<OrgId>,
    random: Random,
    clock: Clock,
}

impl Write {
    async fn run(mut self, mut schedule: Schedule) -> Result<Vec<Sent>, BenchError> {
        let template = Template::new(PAYLOAD_BYTES)?;
        let mut sent = Vec::new();
        while schedule.next(&self.clock).await.is_some() {
            let org = self.random.below(self.orgs.len());
            let event = template.event(self.random.bytes());
            let begun = self.clock.monotonic().as_nanos();
            let request = OpenLog::request(self.orgs[org], vec![event]);
            let appended = self.log.append(request).await.map_err(BenchError::Append)?;
            sent.push(Sent {
                position: appended.last.get(),
                org,
                begun,
                answered: self.clock.monotonic().as_nanos(),
            });
        }
        Ok(sent)
    }
}

impl Connection {
    async fn next(&mut self, arrived: &mut Vec<Arrived>, clock: &Clock) -> Result<(), BenchError> {
        match self {
            Self::Sse(stream) => stream.next(arrived, clock).await,
            Self::Nats(subscription) => subscription.next(arrived, clock).await,
        }
    }
}

/// Notes what arrives until it is told to end; the org's number and that.
async fn follow(
    mut subscriber: Subscriber,
    after: u64,
    mut until: watch::Receiver<Until>,
    clock: Clock,
) -> Result<(usize, Vec<Arrived>), BenchError> {
    let mut arrived = Vec::new();
    let mut told = true;
    loop {
        let is_done = match &*until.borrow_and_update() {
            Until::Sending => false,
            Until::Last(last) => {
                let newest = arrived.last().map_or(after, |(position, _)| *position);
                newest >= last[subscriber.org]
            }
            Until::Over => true,
        };
        if is_done {
            arrived.retain(|(position, _)| *position > after);
            return Ok((subscriber.org, arrived));
        }
        tokio::select! {
            read = subscriber.connection.next(&mut arrived, &clock) => read?,
            changed = until.changed(), if told => told = changed.is_ok(),
        }
    }
}

async fn compare_all(
    following: &mut JoinSet<Result<(usize, Vec<Arrived>), BenchError>>,
    everything: &Everything,
    latencies: &mut Latencies,
) -> Result<(), BenchError> {
    while let Some(joined) = following.join_next().await {
        let (org, arrived) = joined.map_err(|error| BenchError::Wrong(error.to_string()))??;
        everything.compare(org, &arrived, latencies)?;
    }
    Ok(())
}
