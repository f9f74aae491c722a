//! The apply task: the one writer of cache, tombstones and lease.

mod lease;
mod load;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::ids::IncarnationId;
use event_log::EventLog;
use metrics::{Gauge, counter, gauge};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::telemetry::chain;
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use self::lease::{Done, Line};
use super::ack::AckMessage;
use super::feed::{self, Heard};
use super::{Offer, ReplicaConfig, Trusted};
use crate::cache::CacheKey;
use crate::core::auth::AuthEvent;
use crate::core::clocks::{Deadlines, FencePoint};
use crate::core::registry::Registry;
use crate::core::replica::{Applied, Replica};
use crate::gate::ReplicaParts;
use crate::metrics as names;
use crate::store::LeaseLine;

/// How long to wait for a missing event before the log is read.
const BUFFER: Duration = Duration::from_millis(20);
/// How long one such read may take.
const READ_DEADLINE: Duration = Duration::from_secs(1);
/// Auth events of one such read.
const READ_EVENTS: u16 = 1_000;

/// All that the apply task knows.
pub struct Follower {
    core: Replica,
    trusted: Arc<Trusted>,
    registry: Arc<Registry>,
    config: ReplicaConfig,
    primary: PgPool,
    log: EventLog,
    nats: Option<async_nats::Client>,
    clock: Clock,
    entropy: Entropy,
    tasks: Tasks,
    offers: mpsc::Receiver<Offer>,
    acks: watch::Sender<Option<AckMessage>>,
    heard: Option<mpsc::Receiver<Heard>>,
    line: Line,
    /// Rows that this process left behind and that nobody needs to wait for any more.
    left_behind: Vec<IncarnationId>,
    /// When the log is read because something is missing.
    read_at: Option<Monotonic>,
    gauges: Gauges,
}

struct Gauges {
    applied: Gauge,
    leased: Gauge,
    entries: Gauge,
    tombs: Gauge,
}

/// What the apply task wakes up for.
enum Woken {
    Stop,
    Offer(Offer),
    Heard(Option<Heard>),
    Beat,
    Done(Box<LeaseLine>, Done),
    ReadLog,
}

impl Follower {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, with everything there is"
    )]
    pub fn new(
        trusted: Arc<Trusted>,
        registry: Arc<Registry>,
        parts: ReplicaParts,
        config: ReplicaConfig,
        clock: Clock,
        tasks: Tasks,
        offers: mpsc::Receiver<Offer>,
        acks: watch::Sender<Option<AckMessage>>,
    ) -> Self {
        let options = parts.primary.connect_options().as_ref().clone();
        let line = Box::new(LeaseLine::new(options, clock.clone()));
        Self {
            core: Replica::new(config.term),
            trusted,
            registry,
            config,
            primary: parts.primary,
            log: parts.log,
            nats: parts.nats,
            line: Line::Rests(line, clock.monotonic()),
            clock,
            entropy: parts.entropy,
            tasks,
            offers,
            acks,
            heard: None,
            left_behind: Vec::new(),
            read_at: None,
            gauges: Gauges {
                applied: gauge!(names::APPLIED_POSITION),
                leased: gauge!(names::LEASED),
                entries: gauge!(names::ENTRIES),
                tombs: gauge!(names::TOMBS),
            },
        }
    }

    /// Runs until the tasks stop, then leaves (R5).
    pub async fn run(mut self) {
        loop {
            if self.core.must_load() && !self.load().await {
                break;
            }
            match self.wake().await {
                Woken::Stop => break,
                Woken::Offer(offer) => self.take_offer(offer),
                Woken::Heard(Some(Heard::Events(events))) => self.apply(&events),
                Woken::Heard(Some(Heard::OtherLog) | None) => {
                    tracing::warn!("the log is another one: dropping everything");
                    self.drop_everything();
                }
                Woken::Beat => self.beat(),
                Woken::Done(line, done) => self.finish(line, done),
                Woken::ReadLog => self.read_log().await,
            }
        }
        self.leave().await;
    }

    async fn wake(&mut self) -> Woken {
        let heard = async {
            match &mut self.heard {
                Some(heard) => heard.recv().await,
                None => pending().await,
            }
        };
        let line = async {
            match &mut self.line {
                Line::Rests(_, until) => {
                    self.clock.sleep_until(*until).await;
                    Woken::Beat
                }
                Line::Works(work) => {
                    let (line, done) = work.await;
                    Woken::Done(line, done)
                }
                Line::Nowhere => pending().await,
            }
        };
        let read_log = async {
            match self.read_at {
                Some(at) => self.clock.sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // Denials first: everything else may wait for them.
            biased;
            () = self.tasks.stopping() => Woken::Stop,
            heard = heard => Woken::Heard(heard),
            woken = line => woken,
            () = read_log => Woken::ReadLog,
            Some(offer) = self.offers.recv() => Woken::Offer(offer),
        }
    }

    /// R3 APPLY.
    fn apply(&mut self, events: &[AuthEvent]) {
        for event in events {
            match self.core.apply(event) {
                Applied::Duplicate => {}
                Applied::Yes { tomb, extend } => {
                    if let Some((subject, tomb)) = tomb {
                        self.registry.entomb(subject, tomb);
                    }
                    if let Some(deadlines) = extend {
                        self.extend(deadlines);
                        // What it had to catch up with must reach the primary soon.
                        self.beat_at(self.clock.monotonic());
                    }
                }
                Applied::Gap => {
                    self.read_soon();
                    break;
                }
                Applied::Reload => {
                    tracing::warn!(
                        event.position = event.position.get(),
                        "an auth event does not follow the last: dropping everything"
                    );
                    return self.drop_everything();
                }
                Applied::GiveUp => return self.give_up(),
            }
        }
        self.acknowledge();
    }

    /// After the tombstones stand (pitfall 8).
    fn acknowledge(&self) {
        let applied = self.core.applied();
        self.trusted.applied.store(applied.get(), Ordering::Release);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        self.gauges.applied.set(applied.get() as f64);
        if let (Some(epoch), Some(incarnation)) = (self.core.epoch(), self.core.incarnation()) {
            self.acks.send_replace(Some(AckMessage {
                epoch,
                incarnation,
                applied,
            }));
        }
    }

    fn take_offer(&mut self, offer: Offer) {
        let discard = |reason: &'static str| {
            counter!(names::DISCARDED, "reason" => reason).increment(1);
        };
        let floor = self.trusted.lease.floor();
        match offer {
            Offer::Allowed { entry, .. } if entry.stamp() < floor => discard("forgotten"),
            Offer::Allowed { hash, entry } => {
                let facts = entry.facts(&self.registry);
                let tombs = [facts.credential, facts.owner, facts.org];
                if tombs.iter().any(|tomb| tomb.says_to(facts.stamp).is_some()) {
                    discard("stale");
                } else {
                    self.trusted.allowed.insert(CacheKey::from(&hash), entry);
                }
            }
            Offer::Ended { stamp, .. } if stamp < floor => discard("forgotten"),
            Offer::Ended { hash, .. } => {
                let key = CacheKey::from(&hash);
                self.trusted.allowed.invalidate(&key);
                self.trusted.refused.insert(key, self.core.generation());
            }
            Offer::OtherEpoch { than } if than == self.core.generation() => {
                tracing::warn!("the primary has another log: dropping everything");
                self.drop_everything();
            }
            Offer::OtherEpoch { .. } => {}
        }
    }

    /// Reads what is missing. An empty answer to a gap means that the feed was ahead of us: it
    /// comes again with the next renewal.
    async fn read_log(&mut self) {
        self.read_at = None;
        counter!(names::CATCH_UPS).increment(1);
        loop {
            let before = self.core.applied();
            let read = self.log.read_auth(before, READ_EVENTS);
            let events = match self.clock.timeout(READ_DEADLINE, read).await {
                Ok(Ok(events)) => events,
                Ok(Err(error)) => {
                    tracing::debug!(error = %chain(&error), "the log could not be read");
                    return;
                }
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "the log could not be read");
                    return;
                }
            };
            let events: Vec<_> = events.iter().filter_map(feed::auth_event).collect();
            self.apply(&events);
            if events.len() < usize::from(READ_EVENTS) || self.core.applied() == before {
                return;
            }
        }
    }

    fn read_soon(&mut self) {
        self.read_at.get_or_insert(self.clock.monotonic() + BUFFER);
    }

    fn extend(&self, deadlines: Deadlines) {
        self.trusted.lease.extend(deadlines);
        self.trusted.ready.send_replace(true);
    }

    fn fence(&self) {
        self.trusted.lease.fence();
    }

    fn drop_everything(&mut self) {
        self.fence();
        self.core.forget();
        self.heard = None;
    }

    /// An event of a newer build: from now on the primary decides about every request.
    fn give_up(&mut self) {
        self.fence();
        self.heard = None;
        self.read_at = None;
        self.left_behind.extend(self.core.incarnation());
        self.beat_at(self.clock.monotonic());
        self.trusted.ready.send_replace(true);
    }

    fn fence_point(&self) -> FencePoint {
        FencePoint {
            boot: self.clock.boottime(),
            raw: self.clock.raw(),
        }
    }
}
