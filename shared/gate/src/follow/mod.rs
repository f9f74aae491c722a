//! A replica: what requests read of it, and the tasks that keep it true.

mod ack;
mod feed;
mod news;
mod task;

use std::sync::Arc;
use std::time::Duration;

use domain::ids::GlobalPosition;
use metrics::counter;
use runtime::clock::Clock;
use runtime::lifecycle::{TaskKind, Tasks};
use tokio::sync::{mpsc, watch};

pub use self::news::listen;
use self::task::{Driver, Parts};
use crate::cache::Credentials;
use crate::core::follower::Follower;
use crate::core::lookup::Offer;
use crate::core::registry::Registry;
use crate::core::replica::Replica;
use crate::core::trusted::Trusted;
use crate::gate::ReplicaParts;
use crate::hold::Hold;
use crate::metrics as names;

/// Offers of requests that wait for the apply task; beyond, they are dropped.
const OFFERS: usize = 4_096;

/// What an operator may set about a replica.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// Its name, for people.
    pub name: String,
    /// The lease term D; at most `gate.head.lease_max_ms`.
    pub term: Duration,
    /// Bytes that cached credentials may take; a million of them take about 400 MB.
    pub cache_bytes: u64,
    /// Hashes to remember as unknown or ended.
    pub refused_entries: u64,
    /// Tombstones from which on those that nobody needs any more are collected; a million take
    /// about 60 MB.
    pub tombstones: usize,
}

impl ReplicaConfig {
    /// D = 2 s, 1 GiB, 100,000 hashes, 10,000 tombstones.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            term: Duration::from_secs(2),
            cache_bytes: 1024 * 1024 * 1024,
            refused_entries: 100_000,
            tombstones: 10_000,
        }
    }
}

/// A replica as requests see it.
pub struct Live {
    /// What they read.
    pub trusted: Arc<Trusted<Credentials>>,
    offers: mpsc::Sender<Offer>,
    ready: watch::Sender<bool>,
    applied: watch::Sender<GlobalPosition>,
}

impl Live {
    /// Hands something to the apply task, unless too much waits there.
    pub fn offer(&self, offer: Offer) {
        if self.offers.try_send(offer).is_err() {
            counter!(names::DISCARDED, "reason" => "full").increment(1);
        }
    }

    /// Becomes true once.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Changes with everything that is applied.
    pub fn applied(&self) -> watch::Receiver<GlobalPosition> {
        self.applied.subscribe()
    }
}

/// Starts the tasks of a replica.
pub fn start(
    registry: Arc<Registry>,
    hold: Arc<Hold>,
    parts: ReplicaParts,
    config: &ReplicaConfig,
    clock: &Clock,
    tasks: &Tasks,
) -> Live {
    let (offers, offered) = mpsc::channel(OFFERS);
    let cache = Credentials::new(config.cache_bytes, config.refused_entries);
    let trusted = Arc::new(Trusted::new(cache));
    let ready = watch::Sender::new(false);
    let applied = watch::Sender::new(GlobalPosition::ZERO);
    let replica = Replica::new(config.term);
    let driver = Driver::new(Parts {
        core: Follower::new(Arc::clone(&trusted), Arc::clone(&registry), replica),
        acks: ack::start(parts.nats.clone(), tasks),
        registry,
        hold,
        replica: parts,
        config: config.clone(),
        clock: clock.clone(),
        tasks: tasks.clone(),
        offers: offered,
        ready: ready.clone(),
        applied: applied.clone(),
    });
    tasks.spawn(TaskKind::Critical, "gate apply", driver.run());
    Live {
        trusted,
        offers,
        ready,
        applied,
    }
}
