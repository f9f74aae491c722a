//! Telling the other processes what was admitted, and hearing what they did.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, pending};
use metrics::{Counter, Gauge, counter, gauge};
use runtime::clock::{Boottime, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::TaskKind;
use runtime::telemetry::chain;

use super::Limiter;
use crate::bus::{self, MacKey};
use crate::core::fleet::{Part, TICK, URGENT_TICK};
use crate::core::gossip::Gossip;
use crate::core::gossip::message::{self, ProcessId};
use crate::core::registry::Credential;
use crate::metrics as names;
use crate::store::{self, FleetRows, StoreError};

/// Between two readings of the leases' rows, the same while there was none, and how long one may
/// take.
const READ_EVERY: Duration = Duration::from_secs(1);
const FIRST_READ_AGAIN: Duration = Duration::from_millis(50);
const READ_DEADLINE: Duration = Duration::from_millis(500);
/// How long to wait before NATS is asked for the others' messages again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);
/// How long a message may wait for its connection.
const SEND_DEADLINE: Duration = Duration::from_millis(20);
/// How long the last one may take to be on its way.
const LEAVE_DEADLINE: Duration = Duration::from_millis(500);

/// Keys that were used since the last tick.
pub type Noted = Receiver<Arc<Credential>>;

type Reading = BoxFuture<'static, (Boottime, Result<FleetRows, StoreError>)>;

/// The task.
struct Driver {
    limiter: Limiter,
    nats: Option<Client>,
    me: ProcessId,
    noted: Noted,
    /// Since the rows were read.
    known: Option<(Gossip, MacKey)>,
    began: Boottime,
    heard: Option<Subscriber>,
    subscribe_at: Monotonic,
    ticked_at: Monotonic,
    tick_at: Monotonic,
    reading: Reading,
    counts: Counts,
}

struct Counts {
    sent: Counter,
    heard: Counter,
    forged: Counter,
    fleet: Gauge,
    shares: Gauge,
}

enum Woken {
    Stop,
    Tick,
    Urgent,
    Read(Boottime, Result<FleetRows, StoreError>),
    Heard(Option<Message>),
    Subscribe,
}

impl Limiter {
    /// Joins the other processes that admit the same keys, if none of this process's gates did.
    pub(crate) fn join(&self, nats: Option<Client>, entropy: &Entropy) {
        let noted = self.0.unjoined.lock();
        let noted = noted
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        let Some(noted) = noted else { return };
        let clock = &self.0.clock;
        let driver = Driver {
            nats,
            me: ProcessId(entropy.uuid_v4()),
            noted,
            known: None,
            began: clock.boottime(),
            heard: None,
            subscribe_at: clock.monotonic(),
            ticked_at: clock.monotonic(),
            tick_at: clock.monotonic() + TICK,
            reading: self.read(Duration::ZERO),
            counts: Counts::new(),
            limiter: self.clone(),
        };
        // Without it a process would use its share for ever.
        let tasks = &self.0.tasks;
        tasks.spawn(TaskKind::Critical, "gate window", driver.run());
    }

    fn read(&self, after: Duration) -> Reading {
        let (pool, clock) = (self.0.pool.clone(), self.0.clock.clone());
        Box::pin(async move {
            clock.sleep(after).await;
            let began = clock.boottime();
            let read = clock.timeout(READ_DEADLINE, store::fleet(&pool)).await;
            (began, read.map_err(StoreError::from).flatten())
        })
    }
}

impl Driver {
    async fn run(mut self) {
        loop {
            match self.wake().await {
                Woken::Stop => break,
                Woken::Tick => self.tick().await,
                Woken::Urgent => self.tick_at = self.tick_at.min(self.ticked_at + URGENT_TICK),
                Woken::Read(began, read) => self.read(began, read).await,
                Woken::Heard(Some(message)) => self.hear(&message),
                Woken::Heard(None) => self.heard = None,
                Woken::Subscribe => self.subscribe().await,
            }
        }
        self.leave().await;
    }

    async fn wake(&mut self) -> Woken {
        let Self {
            limiter,
            nats,
            heard,
            reading,
            ..
        } = self;
        let clock = &limiter.0.clock;
        let is_there = heard.is_some();
        let hear = async {
            match heard {
                Some(heard) => Woken::Heard(heard.next().await),
                None => pending().await,
            }
        };
        let subscribe = async {
            if nats.is_none() || is_there {
                pending::<()>().await;
            }
            clock.sleep_until(self.subscribe_at).await;
        };
        tokio::select! {
            () = limiter.0.tasks.stopping() => Woken::Stop,
            () = clock.sleep_until(self.tick_at) => Woken::Tick,
            () = limiter.0.urgent.notified() => Woken::Urgent,
            (began, read) = reading => Woken::Read(began, read),
            woken = hear => woken,
            () = subscribe => Woken::Subscribe,
        }
    }

    async fn tick(&mut self) {
        let clock = self.limiter.0.clock.clone();
        self.ticked_at = clock.monotonic();
        self.tick_at = (self.tick_at + TICK).clamp(self.ticked_at, self.ticked_at + TICK);
        let Some((gossip, _)) = &mut self.known else {
            return;
        };
        let registry = &self.limiter.0.registry;
        let now = clock.boottime();
        let messages = gossip.tick(self.noted.try_iter(), registry, now);
        let (fleet, _) = gossip.sees();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        self.counts.fleet.set(fleet as f64);
        let shares = matches!(registry.fleet().part(now), Some(Part::Share(_)));
        self.counts.shares.set(f64::from(u8::from(shares)));
        self.send(messages).await;
    }

    async fn send(&mut self, messages: Vec<message::Message>) {
        let (Some((_, key)), Some(nats)) = (&self.known, &self.nats) else {
            return;
        };
        // What would wait for a connection is told again once there is one.
        if nats.connection_state() != State::Connected {
            return;
        }
        let counter = &self.counts.sent;
        let send = async {
            for message in messages {
                bus::tell_counts(nats, key, &message).await;
                counter.increment(1);
            }
        };
        let _ = self.limiter.0.clock.timeout(SEND_DEADLINE, send).await;
    }

    async fn read(&mut self, began: Boottime, read: Result<FleetRows, StoreError>) {
        let is_waited_for = self.known.is_none() && read.is_err();
        let again = if is_waited_for {
            FIRST_READ_AGAIN
        } else {
            READ_EVERY
        };
        self.reading = self.limiter.read(again);
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                return tracing::debug!(error = %chain(&error), "the fleet could not be read");
            }
        };
        let known = self.known.take().map(|(gossip, _)| gossip);
        let is_first = known.is_none();
        let new = || Gossip::new(self.me, read.reading.epoch, self.began);
        let mut gossip = known.unwrap_or_else(new);
        gossip.read(&read.reading, began);
        self.known = Some((gossip, read.bus_key));
        if is_first {
            // Requests wait for this.
            self.tick().await;
            self.limiter.0.judged.notify_waiters();
        }
    }

    fn hear(&mut self, message: &Message) {
        let Some((gossip, key)) = &mut self.known else {
            return;
        };
        let Some(message) = bus::read_counts(message, key) else {
            return self.counts.forged.increment(1);
        };
        self.counts.heard.increment(1);
        let now = self.limiter.0.clock.boottime();
        gossip.hear(&message, &self.limiter.0.registry, now);
    }

    async fn subscribe(&mut self) {
        let clock = &self.limiter.0.clock;
        self.subscribe_at = clock.monotonic() + SUBSCRIBE_AGAIN;
        let Some(nats) = &self.nats else { return };
        match nats.subscribe(bus::COUNTS).await {
            Ok(heard) => self.heard = Some(heard),
            Err(error) => tracing::debug!(error = %chain(&error), "no counts of others"),
        }
    }

    async fn leave(mut self) {
        let registry = &self.limiter.0.registry;
        let Some((gossip, _)) = &mut self.known else {
            return;
        };
        let now = self.limiter.0.clock.boottime();
        let messages = gossip.leave(self.noted.try_iter(), registry, now);
        self.send(messages).await;
        if let Some(nats) = &self.nats {
            // So that nobody waits for a process that is gone.
            let flushed = self.limiter.0.clock.timeout(LEAVE_DEADLINE, nats.flush());
            let _ = flushed.await;
        }
    }
}

impl Counts {
    fn new() -> Self {
        let messages = |outcome: &'static str| counter!(names::COUNTS, "outcome" => outcome);
        Self {
            sent: messages("sent"),
            heard: messages("heard"),
            forged: messages("refused"),
            fleet: gauge!(names::FLEET),
            shares: gauge!(names::SHARES),
        }
    }
}
