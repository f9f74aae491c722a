//! The mirror: the JetStream stream is the public face of the log. The message at stream sequence
//! p is the CloudEvent of position p, so publishing needs no bookkeeping of its own: a message
//! states which sequence it expects before it, and whoever finds another one goes on from there.
//! Any process may mirror, none is a leader, and nothing is published twice or out of order.

mod message;
mod publish;
mod stream;

use std::time::Duration;

use async_nats::jetstream;
use domain::ids::{GlobalPosition, LogEpoch, OrgId};
use runtime::lifecycle::Tasks;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use thiserror::Error;

use self::publish::{Published, Publisher};
use self::stream::MirrorStream;
use crate::error::ReadError;
use crate::log::EventLog;
use crate::metrics as names;
use crate::stored::StoredEvent;

pub use self::message::LARGEST_MESSAGE;
pub(crate) use self::message::Received;
pub use self::stream::EPOCH_KEY;

/// The stream.
pub const STREAM_NAME: &str = "TGA_EVENTS";
/// Every subject of the stream.
pub(crate) const ALL_SUBJECTS: &str = "tga.events.>";

/// How often the mirror looks whether the stream lags though nobody told it.
const LOOK: Duration = Duration::from_millis(250);
/// How long events of another process may be under way before they are published here.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often it looks meanwhile.
const PATIENCE_STEP: Duration = Duration::from_millis(1);
/// Events published in one go.
const SEGMENT: u16 = 1_024;
/// How long the rest may take when the process stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What an operator may set about the stream.
#[derive(Debug, Clone)]
pub struct MirrorConfig {
    /// How long messages are kept.
    pub max_age: Duration,
    /// How many bytes of messages are kept; the oldest go first.
    pub max_bytes: i64,
    /// Copies of the stream in a cluster.
    pub replicas: usize,
    /// How many of the newest events a stream that is made anew holds.
    pub backfill: u64,
    /// How long NATS may take to acknowledge.
    pub deadline: Duration,
}

impl Default for MirrorConfig {
    /// Seven days, 4 GiB, one copy, a million events, 2 s.
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(7 * 24),
            max_bytes: 4 * 1024 * 1024 * 1024,
            replicas: 1,
            backfill: 1_000_000,
            deadline: Duration::from_secs(2),
        }
    }
}

/// Why the stream could not be continued.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// NATS did not answer, or refused.
    #[error("NATS could not {what}")]
    Nats {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// NATS did not answer in time.
    #[error("NATS did not {what} in time")]
    Late {
        /// What was asked of it.
        what: &'static str,
    },
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] ReadError),
    /// A stream must begin at the position it is told to, which servers before 2.10 ignore.
    #[error("the NATS server is too old: a new stream begins at {found}, not at {wanted}")]
    TooOld {
        /// Where it should begin.
        wanted: u64,
        /// Where it begins.
        found: u64,
    },
    /// An event of the largest size would not fit.
    #[error("NATS takes messages of {found} bytes, {needed} are needed: raise max_payload")]
    SmallPayload {
        /// The server's limit.
        found: usize,
        /// The largest message.
        needed: usize,
    },
}

/// Publishes what is committed; [`run`](Self::run) it as a critical task beside the appender.
#[derive(Debug)]
pub struct Mirror {
    log: EventLog,
    client: async_nats::Client,
    config: MirrorConfig,
}

/// The subject under which all events of an org are published.
pub fn subject_of_org(org: OrgId) -> String {
    format!("tga.events.{org}.>")
}

impl Mirror {
    /// A mirror of this process's log handle. From now on what it commits is kept at hand.
    pub fn new(log: EventLog, client: async_nats::Client, config: MirrorConfig) -> Self {
        log.recent().want();
        Self {
            log,
            client,
            config,
        }
    }

    /// Publishes until the process stops. While NATS is away nothing is lost: the log has it all.
    pub async fn run(self, tasks: Tasks) {
        let policy = Policy::exponential(Duration::from_millis(50), Duration::from_secs(5));
        let entropy = self.log.entropy().clone();
        let mut waits = policy.waits(&entropy);
        while !tasks.is_stopping() {
            let mut has_published = false;
            let error = match Box::pin(Session::open(&self)).await {
                Ok(mut session) => {
                    let ended = session.run(&tasks).await;
                    has_published = session.has_published;
                    let Err(error) = ended else { return };
                    error
                }
                Err(error) => error,
            };
            tracing::warn!(error = %chain(&error), "the stream cannot be continued just now");
            if has_published {
                waits = policy.waits(&entropy);
            }
            let wait = waits.next().unwrap_or(policy.ceiling);
            tokio::select! {
                () = self.log.clock().sleep(wait) => {}
                () = tasks.stopping() => {}
            }
        }
    }
}

/// Mirroring as long as nothing goes wrong.
struct Session<'a> {
    mirror: &'a Mirror,
    stream: MirrorStream,
    publisher: Publisher,
    /// The last position that is known to be on the stream.
    last: GlobalPosition,
    /// Whether anything was published.
    has_published: bool,
}

impl<'a> Session<'a> {
    /// Makes sure that there is a stream and that it holds this log.
    async fn open(mirror: &'a Mirror) -> Result<Self, MirrorError> {
        let context = jetstream::new(mirror.client.clone());
        let stream = MirrorStream::new(context, mirror.log.clone(), mirror.config.clone());
        message::check_payload(&mirror.client)?;
        let open = async {
            let standing = stream.ensure().await?;
            let publisher = Publisher::open(&mirror.client, &mirror.log, standing.epoch).await?;
            Ok((standing.last, publisher))
        };
        // An interrupted connection lets requests wait for ever.
        let limit = mirror.config.deadline * 4;
        let opened = mirror.log.clock().timeout(limit, Box::pin(open)).await;
        let (last, publisher) = opened.unwrap_or(Err(MirrorError::Late { what: "be opened" }))?;
        Ok(Self {
            mirror,
            stream,
            publisher,
            last,
            has_published: false,
        })
    }

    async fn run(&mut self, tasks: &Tasks) -> Result<(), MirrorError> {
        let log = &self.mirror.log;
        let mut committed = log.committed();
        let mut stop_by = None;
        loop {
            let taken = log.recent().take(self.last, usize::from(SEGMENT));
            if !taken.is_empty() {
                self.publish(taken, tasks).await?;
            } else if tasks.is_stopping() {
                return Ok(());
            } else {
                tokio::select! {
                    changed = committed.changed() => {
                        if changed.is_err() {
                            return Ok(());
                        }
                    }
                    () = log.clock().sleep(LOOK) => self.catch_up(tasks).await?,
                    () = tasks.stopping() => {}
                }
            }
            if tasks.is_stopping() {
                let now = log.clock().monotonic();
                if now > *stop_by.get_or_insert(now + LAST_WORDS) {
                    return Ok(());
                }
            }
        }
    }

    /// Publishes events that this process committed, once those before them are there.
    async fn publish(
        &mut self,
        events: Vec<StoredEvent>,
        tasks: &Tasks,
    ) -> Result<(), MirrorError> {
        let Some(first) = events.first().map(|event| event.position) else {
            return Ok(());
        };
        if first > self.last.next() {
            self.bridge(first, tasks).await?;
        }
        self.publish_all(events).await
    }

    /// Waits for others to publish what they appended before `first`; does it if they do not.
    async fn bridge(&mut self, first: GlobalPosition, tasks: &Tasks) -> Result<(), MirrorError> {
        let clock = self.mirror.log.clock().clone();
        let mut moved_at = clock.monotonic();
        let mut stop_by = None;
        loop {
            if tasks.is_stopping() {
                let now = clock.monotonic();
                if now > *stop_by.get_or_insert(now + LAST_WORDS) {
                    // The log has it all, and the next mirror publishes it.
                    return Ok(());
                }
            }
            let last = self.stands().await?;
            if last.next() >= first {
                self.last = last;
                return Ok(());
            }
            let now = clock.monotonic();
            if last > self.last {
                self.last = last;
                moved_at = now;
            } else if now.saturating_since(moved_at) >= PATIENCE {
                self.fill(first, tasks).await?;
                moved_at = clock.monotonic();
                continue;
            }
            clock.sleep(PATIENCE_STEP).await;
        }
    }

    /// Publishes what follows the last; leaves out what is there already.
    async fn publish_all(&mut self, mut events: Vec<StoredEvent>) -> Result<(), MirrorError> {
        loop {
            events.retain(|event| event.position > self.last);
            let follows = events
                .first()
                .is_some_and(|first| first.position == self.last.next());
            if !follows {
                return Ok(());
            }
            match self
                .publisher
                .publish(&events, self.mirror.config.deadline)
                .await?
            {
                Published::All(last) => {
                    self.last = last;
                    self.has_published = true;
                }
                Published::Elsewhere => {
                    metrics::counter!(names::MIRROR_RESUMED).increment(1);
                    // Perhaps another mirror, perhaps a stream that lost its end or was replaced.
                    let standing = self.stream.ensure().await?;
                    self.check_epoch(standing.epoch)?;
                    self.last = standing.last;
                }
            }
        }
    }

    /// Nobody here has committed for a while: sees to it that what others committed is there.
    async fn catch_up(&mut self, tasks: &Tasks) -> Result<(), MirrorError> {
        let head = self.mirror.log.head().await?;
        self.check_epoch(head.epoch)?;
        let before = self.last;
        self.last = self.stands().await?;
        if self.last > head.position {
            // Either the log has moved since, or the stream holds what is not in the log.
            let standing = self.stream.ensure().await?;
            self.check_epoch(standing.epoch)?;
            self.last = standing.last;
        }
        let lag = self.lag_behind(head.position);
        if lag == 0 || self.last > before {
            return Ok(());
        }
        self.fill(head.position, tasks).await
    }

    /// How many positions up to `head` are not on the stream, for whoever watches.
    fn lag_behind(&self, head: GlobalPosition) -> u64 {
        let lag = head.get().saturating_sub(self.last.get());
        metrics::gauge!(names::MIRROR_LAG).set(u64_as_f64(lag));
        lag
    }

    /// Publishes what the log holds after the last, up to `until`, reading ahead meanwhile. Ends
    /// early if somebody else publishes too, or the process stops.
    async fn fill(&mut self, until: GlobalPosition, tasks: &Tasks) -> Result<(), MirrorError> {
        let (log, epoch) = (&self.mirror.log, self.publisher.epoch());
        let mut page = page_after(log, epoch, self.last).await?;
        while let Some(end) = page.last().map(|event| event.position) {
            let ahead = async {
                if end < until {
                    page_after(log, epoch, end).await
                } else {
                    Ok(Vec::new())
                }
            };
            let (published, ahead) = tokio::join!(self.publish_all(page), ahead);
            published?;
            self.lag_behind(until);
            if self.last != end || tasks.is_stopping() {
                return Ok(());
            }
            page = ahead?;
        }
        Ok(())
    }

    /// The last position on the stream.
    async fn stands(&self) -> Result<GlobalPosition, MirrorError> {
        let standing = self.stream.standing().await?;
        self.check_epoch(standing.epoch)?;
        Ok(standing.last)
    }

    fn check_epoch(&self, epoch: LogEpoch) -> Result<(), MirrorError> {
        same_epoch(self.publisher.epoch(), epoch)
    }
}

/// The next events of the log, all of one epoch.
async fn page_after(
    log: &EventLog,
    epoch: LogEpoch,
    after: GlobalPosition,
) -> Result<Vec<StoredEvent>, MirrorError> {
    let page = log.read(after, SEGMENT).await?;
    // Afterwards: an epoch that has not ended by then had not ended when they were read.
    same_epoch(epoch, log.head().await?.epoch)?;
    Ok(page)
}

/// Events of another epoch must not be published under this one's name: the next session will
/// know it.
fn same_epoch(known: LogEpoch, found: LogEpoch) -> Result<(), MirrorError> {
    if known == found {
        return Ok(());
    }
    Err(MirrorError::Nats {
        what: "continue the stream",
        source: "the log has begun a new epoch".into(),
    })
}

fn u64_as_f64(count: u64) -> f64 {
    names::as_f64(usize::try_from(count).unwrap_or(usize::MAX))
}
