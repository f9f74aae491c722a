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

/// Subscribers that are there, each with a task of its own.
pub struct Following {
    tell: watch::Sender<Until>,
    tasks: JoinSet<Result<(usize, Vec<Arrived>), BenchError>>,
    /// Nothing up to here counts.
    after: u64,
    clock: Clock,
}

/// What is sent, and how.
#[derive(Clone, Copy)]
pub struct Phase<'a> {
    pub open_log: &'a OpenLog,
    pub orgs: &'a [OrgId],
    pub rate: f64,
    pub length: Duration,
    pub clock: &'a Clock,
    pub seed: u64,
}

impl Following {
    pub fn new(after: u64, clock: &Clock) -> Self {
        Self {
            tell: watch::Sender::new(Until::Sending),
            tasks: JoinSet::new(),
            after,
            clock: clock.clone(),
        }
    }

    /// One more, which is at work from now on.
    pub fn add(&mut self, subscriber: Subscriber) {
        let (until, clock) = (self.tell.subscribe(), self.clock.clone());
        self.tasks
            .spawn(follow(subscriber, self.after, until, clock));
    }

    /// Compares what arrived with everything that was sent.
    async fn compare(mut self, everything: &Everything) -> Result<Latencies, BenchError> {
        self.tell
            .send_replace(Until::Last(everything.last_by_org().into()));
        let mut latencies = Latencies::default();
        let clock = self.clock.clone();
        let compared = self.compare_all(everything, &mut latencies);
        let Ok(compared) = clock.timeout(ARRIVED_WITHIN, compared).await else {
            // What they lack is counted as lost.
            self.tell.send_replace(Until::Over);
            self.compare_all(everything, &mut latencies).await?;
            return Ok(latencies);
        };
        compared.map(|()| latencies)
    }

    async fn compare_all(
        &mut self,
        everything: &Everything,
        latencies: &mut Latencies,
    ) -> Result<(), BenchError> {
        while let Some(joined) = self.tasks.join_next().await {
            let (org, arrived) = joined.map_err(|error| BenchError::Wrong(error.to_string()))??;
            everything.compare(org, &arrived, latencies)?;
        }
        Ok(())
    }
}

impl Phase<'_> {
    /// Sends, and compares what arrived.
    pub async fn run(self, following: Following) -> Result<Latencies, BenchError> {
        let everything = Everything::new(self.orgs.len(), self.send().await?);
        following.compare(&everything).await
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

    async fn end(self, clock: &Clock) -> Result<(), BenchError> {
        match self {
            Self::Sse(_) => Ok(()),
            Self::Nats(subscription) => subscription.end(clock).await,
        }
    }
}

/// Notes what arrives until it is told to end; the org's number and that.
async fn follow(
    subscriber: Subscriber,
    after: u64,
    mut until: watch::Receiver<Until>,
    clock: Clock,
) -> Result<(usize, Vec<Arrived>), BenchError> {
    let Subscriber {
        org,
        mut connection,
    } = subscriber;
    let mut arrived = Vec::new();
    let mut told = true;
    loop {
        let is_done = match &*until.borrow_and_update() {
            Until::Sending => false,
            Until::Last(last) => {
                let newest = arrived.last().map_or(after, |(position, _)| *position);
                newest >= last[org]
            }
            Until::Over => true,
        };
        if is_done {
            connection.end(&clock).await?;
            arrived.retain(|(position, _)| *position > after);
            return Ok((org, arrived));
        }
        tokio::select! {
            read = connection.next(&mut arrived, &clock) => read?,
            changed = until.changed(), if told => told = changed.is_ok(),
        }
    }
}
