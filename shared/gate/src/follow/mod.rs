//! A replica: what requests read of it, and the tasks that keep it true.

mod ack;
mod feed;
mod task;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::credential::CredentialHash;
use domain::ids::{GlobalPosition, LogEpoch};
use metrics::counter;
use runtime::clock::Clock;
use runtime::lifecycle::{TaskKind, Tasks};
use tokio::sync::{mpsc, watch};

pub use self::ack::{AckMessage, subject as ack_subject};
use self::task::Follower;
use crate::cache::{self, Allowed, CacheKey, Refused};
use crate::core::entry::EntryRef;
use crate::core::lease::LeaseCell;
use crate::core::registry::Registry;
use crate::core::stamp::{Generation, Stamp};
use crate::gate::ReplicaParts;
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
}

impl ReplicaConfig {
    /// D = 2 s, 1 GiB, 100,000 hashes.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            term: Duration::from_secs(2),
            cache_bytes: 1024 * 1024 * 1024,
            refused_entries: 100_000,
        }
    }
}

/// What requests read. Only the apply task writes it.
pub struct Trusted {
    lease: LeaseCell,
    allowed: Allowed,
    refused: Refused,
    current: Mutex<(Generation, Option<LogEpoch>)>,
    applied: AtomicU64,
    offers: mpsc::Sender<Offer>,
    ready: watch::Sender<bool>,
}

/// What a request found on the primary and hands to the apply task.
pub enum Offer {
    /// The credential may call.
    Allowed {
        /// Its hash.
        hash: CredentialHash,
        /// What was read of it.
        entry: EntryRef,
    },
    /// Nobody has the credential, or it was ended for good.
    Ended {
        /// Its hash.
        hash: CredentialHash,
        /// When that was read.
        stamp: Stamp,
    },
    /// The log is another one than that of this generation.
    OtherEpoch {
        /// The generation that was current.
        than: Generation,
    },
}

impl Trusted {
    /// Deadlines and floor.
    pub const fn lease(&self) -> &LeaseCell {
        &self.lease
    }

    /// The cached entry, to be judged before it is used.
    pub fn get(&self, hash: &CredentialHash) -> Option<EntryRef> {
        self.allowed.get(&CacheKey::from(hash))
    }

    /// Whether the primary refused the hash for good, in this generation.
    pub fn is_refused(&self, hash: &CredentialHash) -> bool {
        let generation = self.refused.get(&CacheKey::from(hash));
        generation.is_some_and(|generation| generation.floor() == self.lease.floor())
    }

    /// The generation whose entries count, and the log it was loaded from.
    pub fn current(&self) -> (Generation, Option<LogEpoch>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where every auth event is applied, without a hole; 0 while nothing is loaded.
    pub fn applied(&self) -> GlobalPosition {
        GlobalPosition::new(self.applied.load(Ordering::Acquire))
    }

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
}

/// Starts the tasks of a replica.
pub fn start(
    registry: Arc<Registry>,
    parts: ReplicaParts,
    config: &ReplicaConfig,
    clock: &Clock,
    tasks: &Tasks,
) -> Arc<Trusted> {
    let (offers, offered) = mpsc::channel(OFFERS);
    let trusted = Arc::new(Trusted {
        lease: LeaseCell::default(),
        allowed: cache::allowed(config.cache_bytes),
        refused: cache::refused(config.refused_entries),
        current: Mutex::new((Generation::NONE, None)),
        applied: AtomicU64::new(0),
        offers,
        ready: watch::Sender::new(false),
    });
    let acks = ack::start(parts.nats.clone(), tasks);
    let follower = Follower::new(
        Arc::clone(&trusted),
        registry,
        parts,
        config.clone(),
        clock.clone(),
        tasks.clone(),
        offered,
        acks,
    );
    tasks.spawn(TaskKind::Critical, "gate apply", follower.run());
    trusted
}
