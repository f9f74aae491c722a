//! Drives the apply task: waits for whatever comes first, and carries out what the core asks for.

mod collect;
mod lease;
mod load;
#[cfg(feature = "mutants")]
mod mutants;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::StoredEvent;
use futures_util::future::BoxFuture;
use metrics::{Gauge, counter, gauge};
use runtime::clock::{Clock, Monotonic};
use runtime::lifecycle::Tasks;
use runtime::telemetry::chain;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;

use self::collect::Forgetting;
use self::lease::{Done, Line};
use super::ack::Newest;
use super::feed::{self, Heard};
use super::{Offer, ReplicaConfig};
use crate::bus::{Ack, MacKey};
use crate::cache::Credentials;
use crate::core::auth::AuthEvent;
use crate::core::clocks::FencePoint;
use crate::core::follower::{Discarded, Follower, Next, Progress};
use crate::core::registry::Registry;
use crate::core::stamp::Stamp;
use crate::gate::ReplicaParts;
use crate::hold::Hold;
use crate::metrics as names;
use crate::store::LeaseLine;

/// How long to wait for a missing event before the log is read.
const BUFFER: Duration = Duration::from_millis(20);
/// How long one such read may take.
const READ_DEADLINE: Duration = Duration::from_secs(1);
/// Auth events of one such read.
const READ_EVENTS: u16 = 1_000;

/// What a driver works with.
pub struct Parts {
    pub core: Follower<Credentials>,
    pub registry: Arc<Registry>,
    pub hold: Arc<Hold>,
    pub replica: ReplicaParts,
    pub config: ReplicaConfig,
    pub clock: Clock,
    pub tasks: Tasks,
    pub offers: mpsc::Receiver<Offer>,
    pub acks: watch::Sender<Newest>,
    pub ready: watch::Sender<bool>,
    /// Says what is applied, to whom may have to act on it.
    pub applied: watch::Sender<GlobalPosition>,
}

/// The apply task.
pub struct Driver {
    parts: Parts,
    /// Signs the acknowledgements of the rows that stand for this process.
    ack_key: MacKey,
    /// No lease lasts longer, as of the last snapshot or renewal.
    longest_term: Duration,
    heard: Option<mpsc::Receiver<Heard>>,
    line: Line,
    /// When the log is read because something is missing, and why.
    read_at: Option<(Monotonic, Missing)>,
    /// That read, while it is under way.
    reading: Option<Reading>,
    /// Whether a snapshot was loaded before.
    has_loaded: bool,
    /// Why a snapshot is loaded.
    load_for: &'static str,
    forgetting: Option<Forgetting>,
    /// No tombstones are collected before.
    collect_at: Monotonic,
    gauges: Gauges,
}

struct Gauges {
    applied: Gauge,
    leased: Gauge,
    entries: Gauge,
    tombs: Gauge,
}

/// How it showed that events are missing, as it is counted.
#[derive(Debug, Clone, Copy)]
enum Missing {
    Gap,
    Behind,
}

/// What the log has after a position; nothing if it could not be read.
type Reading = BoxFuture<'static, (GlobalPosition, Option<Vec<StoredEvent>>)>;

/// What the apply task wakes up for.
enum Woken {
    Stop,
    Offer(Offer),
    Heard(Option<Heard>),
    Beat,
    Done(Box<LeaseLine>, Done),
    ReadLog(Missing),
    Read(GlobalPosition, Option<Vec<StoredEvent>>),
    Forgotten(Result<Stamp, JoinError>),
}

impl Driver {
    pub fn new(parts: Parts) -> Self {
        let options = parts.replica.primary.connect_options().as_ref().clone();
        #[cfg(not(feature = "mutants"))]
        let ack_key = MacKey::new(&parts.replica.entropy.bytes::<32>());
        #[cfg(feature = "mutants")]
        let ack_key = mutants::ack_key(&parts);
        let line = Box::new(LeaseLine::new(
            options,
            ack_key.clone(),
            parts.clock.clone(),
        ));
        Self {
            line: Line::Rests(line, parts.clock.monotonic()),
            longest_term: parts.config.term,
            parts,
            ack_key,
            heard: None,
            read_at: None,
            reading: None,
            has_loaded: false,
            load_for: "start",
            forgetting: None,
            collect_at: Monotonic::from_nanos(0),
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
            if self.parts.core.replica().must_load() && !self.load().await {
                break;
            }
            match self.wake().await {
                Woken::Stop => break,
                Woken::Offer(offer) => self.take_offer(offer),
                Woken::Heard(Some(Heard::Events(events))) => self.apply(&events),
                Woken::Heard(Some(Heard::OtherLog) | None) => {
                    tracing::warn!("the log is another one: dropping everything");
                    self.load_for = "other_log";
                    self.parts.core.drop_everything();
                }
                Woken::Beat => self.beat(),
                Woken::Done(line, done) => self.finish(line, done),
                Woken::ReadLog(missing) => self.read_log(missing),
                Woken::Read(after, events) => self.have_read(after, events.as_deref()),
                Woken::Forgotten(looked) => self.forgotten(looked),
            }
        }
        self.leave().await;
    }

    async fn wake(&mut self) -> Woken {
        let clock = &self.parts.clock;
        let heard = async {
            match &mut self.heard {
                Some(heard) => heard.recv().await,
                None => pending().await,
            }
        };
        let line = async {
            match &mut self.line {
                Line::Rests(_, until) => {
                    clock.sleep_until(*until).await;
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
            match (&mut self.reading, self.read_at) {
                (Some(reading), _) => {
                    let (after, events) = reading.await;
                    Woken::Read(after, events)
                }
                (None, Some((at, missing))) => {
                    clock.sleep_until(at).await;
                    Woken::ReadLog(missing)
                }
                (None, None) => pending().await,
            }
        };
        let forgotten = async {
            match &mut self.forgetting {
                Some(forgetting) => forgetting.await,
                None => pending().await,
            }
        };
        tokio::select! {
            // Denials first: everything else may wait for them. But the lease takes a moment, then has to
            // wait itself, and a feed that never ends must not cost it.
            biased;
            () = self.parts.tasks.stopping() => Woken::Stop,
            woken = line => woken,
            heard = heard => Woken::Heard(heard),
            woken = read_log => woken,
            looked = forgotten => Woken::Forgotten(looked),
            Some(offer) = self.parts.offers.recv() => Woken::Offer(offer),
        }
    }

    /// R3 APPLY.
    fn apply(&mut self, events: &[AuthEvent]) {
        let Progress { ack, next } = self.parts.core.apply(events);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let gauge = self.parts.core.replica().applied().get() as f64;
        self.gauges.applied.set(gauge);
        self.parts
            .applied
            .send_replace(self.parts.core.replica().applied());
        if let Some((incarnation, ack)) = ack {
            let key = &self.ack_key;
            let ack = Ack {
                epoch: ack.epoch,
                incarnation,
                applied: ack.applied,
            };
            self.parts.acks.send_replace(Some((ack, key.clone())));
        }
        match next {
            Next::Nothing => {}
            Next::Read => self.read_soon(Missing::Gap),
            Next::Renew => {
                self.parts.ready.send_replace(true);
                self.beat_at(self.parts.clock.monotonic());
            }
            Next::Load => {
                tracing::warn!("an auth event does not follow the last: dropping everything");
                self.load_for = "broken_chain";
            }
            // From now on the primary decides about every request.
            Next::GaveUp => {
                self.heard = None;
                self.read_at = None;
                self.reading = None;
                self.beat_at(self.parts.clock.monotonic());
                self.parts.ready.send_replace(true);
            }
        }
    }

    fn take_offer(&mut self, offer: Offer) {
        let reason = match self.parts.core.take(offer) {
            Ok(false) => return,
            Ok(true) => {
                self.load_for = "other_log";
                return tracing::warn!("the primary has another log: dropping everything");
            }
            Err(Discarded::Forgotten) => "forgotten",
            Err(Discarded::Stale) => "stale",
        };
        counter!(names::DISCARDED, "reason" => reason).increment(1);
    }

    /// Begins to read what is missing; renewals and the feed go on beside it.
    fn read_log(&mut self, missing: Missing) {
        self.read_at = None;
        let reason = match missing {
            Missing::Gap => "gap",
            Missing::Behind => "behind",
        };
        counter!(names::CATCH_UPS, "reason" => reason).increment(1);
        self.reading = Some(self.read_page());
    }

    fn read_page(&self) -> Reading {
        let (log, clock) = (self.parts.replica.log.clone(), self.parts.clock.clone());
        let after = self.parts.core.replica().applied();
        Box::pin(async move {
            let read = log.read_auth(after, READ_EVENTS);
            let read = clock.timeout(READ_DEADLINE, read).await;
            let failed = |error: &dyn std::error::Error| {
                tracing::debug!(error = %chain(error), "the log could not be read");
            };
            let events = match read {
                Ok(Ok(events)) => Some(events),
                Ok(Err(error)) => {
                    failed(&error);
                    None
                }
                Err(error) => {
                    failed(&error);
                    None
                }
            };
            (after, events)
        })
    }

    /// Takes what was read after a position. An empty answer to a gap means that the feed was ahead of
    /// us: it comes again with the next renewal.
    fn have_read(&mut self, after: GlobalPosition, events: Option<&[StoredEvent]>) {
        self.reading = None;
        let Some(events) = events else { return };
        let understood: Vec<_> = events.iter().filter_map(feed::auth_event).collect();
        self.apply(&understood);
        let is_full = events.len() >= usize::from(READ_EVENTS);
        let replica = self.parts.core.replica();
        if is_full && replica.applied() > after && !replica.must_load() {
            self.reading = Some(self.read_page());
        }
    }

    fn read_soon(&mut self, missing: Missing) {
        let soon = self.parts.clock.monotonic() + BUFFER;
        self.read_at.get_or_insert((soon, missing));
    }

    /// What the primary showed of its head and of settlements.
    fn see(&self, epoch: LogEpoch, head: GlobalPosition, settled: GlobalPosition) {
        self.parts.hold.see(epoch, head, self.longest_term);
        self.parts.hold.settle(epoch, settled);
    }

    fn fence_point(&self) -> FencePoint {
        FencePoint {
            boot: self.parts.clock.boottime(),
            raw: self.parts.clock.raw(),
        }
    }
}
