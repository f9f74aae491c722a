//! The real core, put together from a state's values for one transition and taken apart again.
//!
//! A state holds no cell that others write: two states that are equal must stay so. What stands in
//! atomics and maps while the core works is a plain value here.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::credential::{CredentialHash, CredentialKind};
use domain::ids::{GlobalPosition, LogEpoch, OrgId};
use domain::scope::Scopes;
use domain::time::Timestamp;
use gate::core::auth::{AuthEvent, Change, Subject};
use gate::core::clocks::Deadlines;
use gate::core::entry::{Basis, CredentialRow, Entry, EntryRef, OrgRow, Status};
use gate::core::follower::{Follower, Memory};
use gate::core::lookup::{Found, Judged, Verified, judge};
use gate::core::registry::{OrgTerms, Registry};
use gate::core::replica::Replica;
use gate::core::stamp::{Generation, Mark, Stamp, Tomb};
use gate::core::trusted::{Cache, RefusedAs, Trusted};
use runtime::clock::Boottime;
use uuid::Uuid;

use crate::state::{BEFORE, EPOCH, REVOKE};
use crate::time;

/// The one hash that is asked for.
pub const HASH: CredentialHash = CredentialHash::from_bytes([7; 32]);
/// From where.
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ORG: OrgId = OrgId::from_uuid(Uuid::from_u128(9));
const OTHER_KEY: Uuid = Uuid::nil();
/// Keys of one registry before a new one takes its place: it keeps all that it was ever asked for.
const KEYS: u128 = 512;

/// What a replica's core knows of the one key, as values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Core {
    /// What the apply task remembers.
    pub memory: Memory,
    /// What the lease's cell holds.
    pub lease: Deadlines,
    /// What the cached entry rests on.
    pub entry: Option<Stamp>,
    /// That the primary refused the key.
    pub refused: Option<RefusedAs>,
    /// The tombstone.
    pub tomb: Tomb,
}

/// The core at work on one key.
pub struct Live {
    pub follower: Follower<Slot>,
    pub registry: Arc<Registry>,
    key: Uuid,
    now: Timestamp,
}

/// A cache with room for the one hash.
#[derive(Debug, Default)]
pub struct Slot(Mutex<(Option<EntryRef>, Option<RefusedAs>)>);

/// What a thread uses again and again: most transitions differ in values alone.
struct Bench {
    trusted: Arc<Trusted<Slot>>,
    registry: Arc<Registry>,
    keys: u128,
    now: Timestamp,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

impl Core {
    /// Of a replica that has not loaded.
    pub fn new(replica: Replica) -> Self {
        Self {
            memory: Memory::new(replica),
            lease: Deadlines::default(),
            entry: None,
            refused: None,
            tomb: Tomb::NONE,
        }
    }

    /// Lets the real core act on these values.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Live) -> T) -> T {
        BENCH.with_borrow_mut(|bench| {
            let mut live = bench.revive(self);
            let answer = act(&mut live);
            *self = live.values();
            answer
        })
    }

    /// Up to where every auth event is applied.
    pub fn applied(&self) -> GlobalPosition {
        self.memory.replica().applied()
    }
}

impl Live {
    fn values(&self) -> Core {
        let trusted = self.follower.trusted();
        let cache = trusted.cache().lock();
        Core {
            memory: self.follower.memory(),
            lease: trusted.lease().deadlines(),
            entry: cache.0.as_ref().map(|entry| entry.stamp()),
            refused: cache.1,
            tomb: self.registry.credential(self.key, ORG).tomb(),
        }
    }

    /// The events of the log at these positions.
    pub fn events(&self, positions: &[GlobalPosition]) -> Vec<AuthEvent> {
        let event = |position: GlobalPosition| AuthEvent {
            position,
            previous: GlobalPosition::new(position.get() - 1),
            change: if position == REVOKE {
                Change::Marks(Subject::Credential(self.key), Mark::Ended)
            } else {
                Change::Marks(Subject::Credential(OTHER_KEY), Mark::Changed)
            },
        };
        positions.iter().copied().map(event).collect()
    }

    /// What the primary shows of the key.
    fn verified(&self, head: GlobalPosition) -> Verified {
        let ended = head >= REVOKE;
        let row = CredentialRow {
            id: self.key,
            org: ORG,
            kind: CredentialKind::ApiKey,
            status: if ended { Status::Ended } else { Status::Active },
            scopes: Scopes::DEFAULT,
            strict: false,
            owner: None,
            owner_banned: false,
            rate: 100,
            addresses: None,
            ends_at: None,
            denied_at: if ended { REVOKE } else { GlobalPosition::ZERO },
        };
        Verified {
            rows: Some((row, org())),
            auth_position: head,
            epoch: EPOCH,
            settled: BEFORE,
        }
    }

    /// An entry of the key as an active row shows it.
    pub fn entry(&self, stamp: Stamp) -> EntryRef {
        let basis = Basis {
            stamp,
            epoch: EPOCH,
            settled: BEFORE,
        };
        let rows = self.verified(BEFORE).rows.expect("the key is known");
        EntryRef::new(Entry::new(rows.0, &rows.1, basis, &self.registry))
    }

    /// What a request finds of the key, in the order of production's `LiveReads`.
    pub fn find(&self) -> Found {
        let trusted = self.follower.trusted();
        if let Some(entry) = trusted.cache().get(&HASH) {
            let facts = entry.facts(&self.registry);
            return Found::Entry(entry, facts);
        }
        match trusted.refused(&HASH) {
            Some(rests_on) => Found::Refused(rests_on),
            None => Found::Nothing,
        }
    }

    /// Judges what one statement on the primary showed.
    pub fn judge(&self, head: GlobalPosition) -> Judged {
        let (verified, now) = (self.verified(head), self.now);
        let known = Some(self.follower.trusted().current());
        judge(verified, known, &HASH, PEER, now, &self.registry)
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The snapshot of R0 is loaded.
    pub fn load(&mut self, head: GlobalPosition) {
        let generation = self.follower.begin(EPOCH, head);
        let stamp = generation.expect("it loads once").at(head);
        if head < REVOKE {
            let entry = self.entry(stamp);
            self.follower.trusted().cache().insert(&HASH, entry);
        }
        self.follower.loaded();
    }

    /// The cache lacks room for the entry, and the sweeper frees what nothing points to any more.
    pub fn evict(&mut self) {
        self.follower.trusted().cache().remove(&HASH);
        self.registry.sweep(Boottime::from_nanos(u64::MAX / 2));
    }
}

impl Bench {
    fn new() -> Self {
        let registry = Arc::new(Registry::default());
        Self {
            trusted: loaded(&registry),
            registry,
            keys: 0,
            now: Timestamp::parse("2026-01-05T00:00:00Z").expect("a timestamp"),
        }
    }

    fn revive(&mut self, core: &Core) -> Live {
        self.keys += 1;
        if self.keys.is_multiple_of(KEYS) {
            self.registry = Arc::default();
        }
        let (memory, registry) = (core.memory.clone(), Arc::clone(&self.registry));
        let trusted = if memory.replica().generation() == Generation::NONE {
            Arc::new(Trusted::new(Slot::default()))
        } else {
            Arc::clone(&self.trusted)
        };
        trusted.lease().fence();
        trusted.lease().extend(core.lease);
        let live = Live {
            follower: Follower::resume(trusted, registry, memory),
            registry: Arc::clone(&self.registry),
            key: Uuid::from_u128(self.keys),
            now: self.now,
        };
        let entry = core.entry.map(|stamp| live.entry(stamp));
        if let Some(entry) = &entry {
            // It was used before: its credential has a cell.
            entry.facts(&live.registry);
        }
        if core.tomb != Tomb::NONE {
            live.registry.credential(live.key, ORG);
            let subject = Subject::Credential(live.key);
            live.registry.entomb(subject, core.tomb);
        }
        *live.follower.trusted().cache().lock() = (entry, core.refused);
        live
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, (Option<EntryRef>, Option<RefusedAs>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache for Slot {
    fn get(&self, _: &CredentialHash) -> Option<EntryRef> {
        self.lock().0.clone()
    }

    fn insert(&self, _: &CredentialHash, entry: EntryRef) {
        self.lock().0 = Some(entry);
    }

    fn remove(&self, _: &CredentialHash) {
        self.lock().0 = None;
    }

    fn refused(&self, _: &CredentialHash) -> Option<RefusedAs> {
        self.lock().1
    }

    fn refuse(&self, _: &CredentialHash, refused: RefusedAs) {
        self.lock().1 = Some(refused);
    }

    fn forget(&self, is_overruled: &dyn Fn(&EntryRef) -> bool) {
        let mut slot = self.lock();
        slot.0 = slot.0.take().filter(|entry| !is_overruled(entry));
    }

    fn clear(&self) {
        *self.lock() = (None, None);
    }
}

/// A cache whose first generation has begun: all replicas of the model are in it once they load.
fn loaded(registry: &Arc<Registry>) -> Arc<Trusted<Slot>> {
    let trusted = Arc::new(Trusted::new(Slot::default()));
    let replica = Replica::new(time::TICK);
    let mut follower = Follower::new(Arc::clone(&trusted), Arc::clone(registry), replica);
    follower.begin(EPOCH, BEFORE).expect("the first");
    trusted
}

fn org() -> OrgRow {
    OrgRow {
        terms: OrgTerms {
            per_day: None,
            per_minute: 60,
        },
        suspended: false,
        denied_at: GlobalPosition::ZERO,
    }
}

/// The life of the log, for [`EPOCH`].
pub const fn epoch() -> LogEpoch {
    LogEpoch::from_uuid(Uuid::from_u128(1))
}
