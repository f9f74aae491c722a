//! The apply task: the one writer of cache, tombstones and lease.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domain::ids::{IncarnationId, LogEpoch};
use event_log::EventLog;
use futures_util::future::BoxFuture;
use metrics::{Gauge, counter, gauge};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use super::ack::AckMessage;
use super::feed::{self, Heard};
use super::{Offer, ReplicaConfig, Trusted};
use crate::cache::{Allowed, CacheKey};
use crate::core::auth::AuthEvent;
use crate::core::clocks::{Deadlines, FencePoint};
use crate::core::entry::Entries;
use crate::core::registry::Registry;
use crate::core::replica::{Applied, Head, Renewal, Renewed, Replica};
use crate::core::stamp::Generation;
use crate::gate::ReplicaParts;
use crate::metrics as names;
use crate::store::{LeaseLine, Snapshot, StoreError};

/// The renewal period T_r, and by how much it varies (revocation.md 3).
const PERIOD: Duration = Duration::from_millis(400);
const PERIOD_JITTER: f64 = 0.2;
/// How long to wait for a missing event before the log is read.
const BUFFER: Duration = Duration::from_millis(20);
/// How long one such read may take.
const READ_DEADLINE: Duration = Duration::from_secs(1);
/// Auth events of one such read.
const READ_EVENTS: u16 = 1_000;
/// Between two tries to load.
const LOAD_AGAIN: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(5));
/// After a registration that was refused: only an operator can mend that.
const REGISTER_AGAIN: Duration = Duration::from_secs(5);

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
    /// At rest, with the time of the next statement, or at work.
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

enum Line {
    Rests(Box<LeaseLine>, Monotonic),
    Works(BoxFuture<'static, (Box<LeaseLine>, Done)>),
    /// Between the two.
    Nowhere,
}

/// What the lease's connection did.
enum Done {
    Registered(IncarnationId, Result<bool, StoreError>),
    Renewed(Renewal, Result<Option<Head>, StoreError>),
    Left(IncarnationId, Result<(), StoreError>),
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

    /// R0 LOAD, until it succeeds; false if the tasks stop or this process loaded too often.
    async fn load(&mut self) -> bool {
        self.fence();
        self.heard = None;
        self.read_at = None;
        self.left_behind.extend(self.core.incarnation());
        let entropy = self.entropy.clone();
        let mut waits = LOAD_AGAIN.waits(&entropy);
        loop {
            let tasks = self.tasks.clone();
            let loaded = tokio::select! {
                () = tasks.stopping() => return false,
                loaded = self.load_once() => loaded,
            };
            let error = match loaded {
                Ok(()) => return true,
                Err(error) => error,
            };
            tracing::warn!(error = %chain(&error), "credentials could not be loaded");
            let wait = waits.next().unwrap_or(PERIOD);
            tokio::select! {
                () = tasks.stopping() => return false,
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    async fn load_once(&mut self) -> Result<(), StoreError> {
        let began = self.clock.monotonic();
        let mut snapshot = Snapshot::begin(&self.primary).await?;
        let Some(generation) = self.core.load(snapshot.epoch, snapshot.auth_position) else {
            self.tasks
                .fail("gate apply", "loaded too often in one life");
            pending().await
        };
        self.begin(generation, snapshot.epoch);
        let entries = Entries::new(generation.at(snapshot.auth_position));
        let filled = fill(
            &self.trusted.allowed,
            &self.registry,
            &mut snapshot,
            entries,
        );
        if let Err(error) = filled.await {
            self.core.forget();
            return Err(error);
        }
        self.heard = Some(feed::start(
            &self.log,
            self.nats.clone(),
            snapshot.position,
            snapshot.epoch,
            self.clock.clone(),
            &self.tasks,
        ));
        if let Err(error) = snapshot.end().await {
            tracing::debug!(error = %chain(&error), "the snapshot was not ended in order");
        }
        self.trusted.allowed.run_pending_tasks();
        let applied = self.core.applied().get();
        self.trusted.applied.store(applied, Ordering::Release);
        counter!(names::LOADS).increment(1);
        tracing::info!(
            entries = self.trusted.allowed.entry_count(),
            millis = self.clock.monotonic().saturating_since(began).as_millis(),
            "credentials loaded"
        );
        self.beat_at(self.clock.monotonic());
        Ok(())
    }

    /// From here on nothing of an earlier generation is used. The lease is fenced.
    fn begin(&self, generation: Generation, epoch: LogEpoch) {
        self.trusted.lease.begin(generation);
        let mut current = self
            .trusted
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = (generation, Some(epoch));
        drop(current);
        self.trusted.applied.store(0, Ordering::Release);
        self.registry.read_from(epoch);
        self.registry.forget(generation.floor());
        // Only to free the memory: the floor keeps old entries out.
        self.trusted.allowed.invalidate_all();
        self.trusted.refused.invalidate_all();
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

    /// Time for the lease's next statement.
    fn beat(&mut self) {
        let Line::Rests(mut line, _) = std::mem::replace(&mut self.line, Line::Nowhere) else {
            return;
        };
        self.observe();
        let now = self.fence_point();
        if let Some(incarnation) = self.left_behind.pop() {
            self.line = Line::Works(Box::pin(async move {
                let left = line.leave(incarnation).await;
                (line, Done::Left(incarnation, left))
            }));
        } else if let (true, Some(epoch)) = (self.core.must_register(), self.core.epoch()) {
            let incarnation = IncarnationId::from_uuid(self.entropy.uuid_v4());
            let (name, term) = (self.config.name.clone(), self.config.term);
            let (applied, ack_key) = (self.core.applied(), self.entropy.bytes::<32>());
            self.line = Line::Works(Box::pin(async move {
                let answer = line
                    .register(incarnation, &name, term, applied, epoch, &ack_key)
                    .await;
                (line, Done::Registered(incarnation, answer))
            }));
        } else if let Some(renewal) = self.core.renew(now) {
            self.line = Line::Works(Box::pin(async move {
                let answer = line.renew(&renewal).await;
                (line, Done::Renewed(renewal, answer))
            }));
        } else {
            self.line = Line::Rests(line, self.clock.monotonic() + PERIOD);
        }
    }

    fn finish(&mut self, line: Box<LeaseLine>, done: Done) {
        let period = self.entropy.jitter(PERIOD, PERIOD_JITTER);
        let now = self.clock.monotonic();
        let (next, outcome) = match done {
            Done::Registered(incarnation, Ok(true)) => {
                self.core.registered(incarnation);
                (now, "registered")
            }
            Done::Registered(_, Ok(false)) => {
                tracing::error!(
                    lease.term_ms = self.config.term.as_millis(),
                    "the lease term is above gate.head.lease_max_ms: every request is verified"
                );
                self.trusted.ready.send_replace(true);
                (now + REGISTER_AGAIN, "refused")
            }
            Done::Registered(incarnation, Err(error)) => {
                // It may have been committed all the same.
                self.left_behind.push(incarnation);
                self.complain(&error);
                (now + period, "failed")
            }
            Done::Renewed(renewal, Ok(head)) => self.renewed(&renewal, head, now + period),
            Done::Renewed(_, Err(error)) => {
                self.complain(&error);
                (now + period, "failed")
            }
            Done::Left(_, Ok(())) => (now, "left"),
            Done::Left(incarnation, Err(error)) => {
                self.left_behind.insert(0, incarnation);
                self.complain(&error);
                (now + period, "failed")
            }
        };
        counter!(names::RENEWALS, "outcome" => outcome).increment(1);
        self.line = Line::Rests(line, next);
    }

    fn renewed(
        &mut self,
        renewal: &Renewal,
        head: Option<Head>,
        next: Monotonic,
    ) -> (Monotonic, &'static str) {
        match self.core.renewed(renewal, head) {
            Renewed::Extend(deadlines) => {
                self.extend(deadlines);
                (next, "extended")
            }
            Renewed::CatchUp(_) => {
                self.read_soon();
                (next, "behind")
            }
            Renewed::Register => {
                tracing::warn!("the lease was collected: registering anew");
                self.fence();
                (self.clock.monotonic(), "collected")
            }
            Renewed::Reload => {
                tracing::warn!("the log is another one: dropping everything");
                self.drop_everything();
                (next, "other_log")
            }
            Renewed::Ignore => (next, "ignored"),
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

    /// The next statement of the lease is due at `at`, unless one is under way.
    fn beat_at(&mut self, at: Monotonic) {
        if let Line::Rests(_, next) = &mut self.line {
            *next = at.min(*next);
        }
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

    /// R5 LEAVE: refuse first, then delete the row (pitfall 10).
    async fn leave(mut self) {
        self.fence();
        let mut line = match self.line {
            Line::Rests(line, _) => line,
            Line::Works(work) => {
                let (line, done) = work.await;
                if let Done::Registered(incarnation, _) = done {
                    self.left_behind.push(incarnation);
                }
                line
            }
            Line::Nowhere => return,
        };
        self.left_behind.extend(self.core.incarnation());
        for incarnation in self.left_behind {
            if let Err(error) = line.leave(incarnation).await {
                // Whoever revokes waits until its lease has run out.
                tracing::warn!(error = %chain(&error), "the lease's row was not deleted");
            }
        }
    }

    fn fence_point(&self) -> FencePoint {
        FencePoint {
            boot: self.clock.boottime(),
            raw: self.clock.raw(),
        }
    }

    /// What only people look at.
    fn observe(&self) {
        let leased = self.trusted.lease.deadlines().cover(self.fence_point());
        self.gauges.leased.set(f64::from(u8::from(leased)));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        {
            self.gauges
                .entries
                .set(self.trusted.allowed.entry_count() as f64);
            self.gauges.tombs.set(self.registry.tombs() as f64);
        }
    }

    fn complain(&self, error: &StoreError) {
        let leased = self.trusted.lease.deadlines().cover(self.fence_point());
        if leased {
            tracing::debug!(error = %chain(error), "the lease could not be renewed");
        } else {
            tracing::warn!(error = %chain(error), "no lease: every request is verified");
        }
    }
}

/// While one page is inserted, Postgres works on the next.
async fn fill(
    allowed: &Allowed,
    registry: &Registry,
    snapshot: &mut Snapshot,
    mut entries: Entries,
) -> Result<(), StoreError> {
    let mut page = snapshot.page().await?;
    while let Some(rows) = page {
        let insert = async {
            for (hash, row, org) in rows {
                let entry = entries.make(row, &org, registry);
                allowed.insert(CacheKey::from(&hash), Arc::new(entry));
            }
        };
        let (next, ()) = tokio::join!(snapshot.page(), insert);
        page = next?;
    }
    Ok(())
}
