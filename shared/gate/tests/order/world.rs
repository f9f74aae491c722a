//! A replica with one key, as loom's threads share it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::credential::{CredentialHash, CredentialKind};
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch, OrgId};
use domain::scope::Scopes;
use domain::time::Timestamp;
use gate::core::auth::{AuthEvent, Change, Subject};
use gate::core::clocks::FencePoint;
use gate::core::entry::{Basis, CredentialRow, Entry, EntryRef, OrgRow, Status};
use gate::core::follower::{Follower, Statement};
use gate::core::lookup::{Offer, Verified, judge};
use gate::core::mutant::Mutant;
use gate::core::registry::{OrgTerms, Registry};
use gate::core::replica::{Head, Renewal, Replica};
use gate::core::stamp::Mark;
use gate::core::trusted::{Cache, RefusedAs, Trusted};
use loom::sync::atomic::{AtomicUsize, Ordering};
use runtime::clock::{Boottime, MonotonicRaw};
use uuid::Uuid;

/// The newest auth event at the start.
pub const BEFORE: GlobalPosition = GlobalPosition::new(1);
/// The event that revokes the key.
pub const REVOKE: GlobalPosition = GlobalPosition::new(2);
pub const EPOCH: LogEpoch = LogEpoch::from_uuid(Uuid::from_u128(1));
pub const HASH: CredentialHash = CredentialHash::from_bytes([7; 32]);
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const KEY: Uuid = Uuid::from_u128(3);
const ORG: OrgId = OrgId::from_uuid(Uuid::from_u128(9));
const TERM: Duration = Duration::from_secs(2);

/// What requests share with the apply task.
#[derive(Clone)]
pub struct Shared {
    pub trusted: Arc<Trusted<Slot>>,
    pub registry: Arc<Registry>,
}

/// A replica that has loaded, and whose lease runs from second 0 to 2.
pub struct World {
    pub shared: Shared,
    pub follower: Follower<Slot>,
}

/// A cache that promises no more than any: who finds something in it sees how that was made.
#[derive(Debug, Default)]
pub struct Slot {
    /// Which of `entries`, counted from 1; 0: none.
    entry: AtomicUsize,
    refusal: AtomicUsize,
    /// No thread waits for another while it holds one of these, so loom need not know of them.
    entries: Mutex<Vec<EntryRef>>,
    refusals: Mutex<Vec<RefusedAs>>,
}

impl World {
    pub fn new() -> Self {
        let registry = Arc::new(Registry::default());
        let trusted = Arc::new(Trusted::new(Slot::default()));
        let shared = Shared { trusted, registry };
        let (trusted, registry) = (Arc::clone(&shared.trusted), Arc::clone(&shared.registry));
        let follower = Follower::new(trusted, registry, Replica::new(TERM));
        let mut world = Self { shared, follower };
        world.load(BEFORE);
        let renewal = world.renewal(0);
        world.renewed(&renewal, BEFORE);
        world
    }

    /// R0 and R1.
    pub fn load(&mut self, head: GlobalPosition) {
        let generation = self.follower.begin(EPOCH, head).expect("one of few");
        if head < REVOKE {
            let basis = Basis {
                stamp: generation.at(head),
                epoch: EPOCH,
                settled: BEFORE,
            };
            let (row, org) = rows();
            let entry = Entry::new(row, &org, basis, &self.shared.registry);
            let cache = self.shared.trusted.cache();
            cache.insert(&HASH, EntryRef::new(entry));
        }
        self.follower.loaded();
        let fresh = IncarnationId::from_uuid(Uuid::from_u128(u128::from(head.get())));
        let mut statement = self.follower.statement(at(0), fresh);
        while let Some(Statement::Leave(_)) = statement {
            statement = self.follower.statement(at(0), fresh);
        }
        let Some(Statement::Register(made)) = statement else {
            panic!("it has no row");
        };
        assert!(self.follower.registered(&made));
    }

    /// A renewal that was sent at that second.
    pub fn renewal(&mut self, second: u64) -> Renewal {
        let fresh = IncarnationId::from_uuid(Uuid::nil());
        let Some(Statement::Renew(renewal)) = self.follower.statement(at(second), fresh) else {
            panic!("it has a row");
        };
        renewal
    }

    /// Its answer.
    pub fn renewed(&mut self, renewal: &Renewal, auth_position: GlobalPosition) {
        let head = Head {
            auth_position,
            epoch: EPOCH,
        };
        self.follower.renewed(renewal, Some(head), renewal.sent);
    }

    /// The event arrives. What is late under ack-before-apply is never applied here.
    pub fn revoke(&mut self) {
        self.follower.apply(&[AuthEvent {
            position: REVOKE,
            previous: BEFORE,
            change: Change::Marks(Subject::Credential(KEY), Mark::Ended),
        }]);
    }
}

impl Shared {
    /// What another request offers, whose statement on the primary ran before the revocation.
    pub fn offer(&self) -> Option<Offer> {
        let known = Some(self.trusted.current());
        let verified = Verified {
            rows: Some(rows()),
            auth_position: BEFORE,
            epoch: EPOCH,
            settled: BEFORE,
        };
        judge(verified, known, &HASH, PEER, today(), &self.registry).offer
    }
}

impl Cache for Slot {
    fn get(&self, _: &CredentialHash) -> Option<EntryRef> {
        let index = self.entry.load(Ordering::Acquire).checked_sub(1)?;
        Some(EntryRef::clone(&lock(&self.entries)[index]))
    }

    fn insert(&self, _: &CredentialHash, entry: EntryRef) {
        let mut entries = lock(&self.entries);
        entries.push(entry);
        let count = entries.len();
        drop(entries);
        self.entry.store(count, Ordering::Release);
    }

    fn remove(&self, _: &CredentialHash) {
        self.entry.store(0, Ordering::Release);
    }

    fn refused(&self, _: &CredentialHash) -> Option<RefusedAs> {
        let index = self.refusal.load(Ordering::Acquire).checked_sub(1)?;
        Some(lock(&self.refusals)[index])
    }

    fn refuse(&self, _: &CredentialHash, refused: RefusedAs) {
        let mut refusals = lock(&self.refusals);
        refusals.push(refused);
        let count = refusals.len();
        drop(refusals);
        self.refusal.store(count, Ordering::Release);
    }

    fn forget(&self, is_overruled: &dyn Fn(&EntryRef) -> bool) {
        if self.get(&HASH).is_some_and(|entry| is_overruled(&entry)) {
            self.remove(&HASH);
        }
    }

    /// In production it only frees memory, some time; nothing may rest on it.
    fn clear(&self) {
        if !Mutant::StaleInsert.is_active() {
            return;
        }
        self.entry.store(0, Ordering::Release);
        self.refusal.store(0, Ordering::Release);
    }
}

/// What fence clocks show at that second.
pub fn at(second: u64) -> FencePoint {
    let nanos = (second + 1) * 1_000_000_000;
    FencePoint {
        boot: Boottime::from_nanos(nanos),
        raw: MonotonicRaw::from_nanos(nanos),
    }
}

/// The wall clock, which nothing here rests on.
pub fn today() -> Timestamp {
    Timestamp::parse("2026-01-05T00:00:00Z").expect("a timestamp")
}

/// The key and its org, as the primary shows them before the revocation.
fn rows() -> (CredentialRow, OrgRow) {
    let row = CredentialRow {
        id: KEY,
        org: ORG,
        kind: CredentialKind::ApiKey,
        status: Status::Active,
        scopes: Scopes::DEFAULT,
        strict: false,
        owner: None,
        owner_banned: false,
        rate: 100,
        addresses: None,
        ends_at: None,
        denied_at: GlobalPosition::ZERO,
    };
    let org = OrgRow {
        terms: OrgTerms {
            per_day: None,
            per_minute: 60,
        },
        suspended: false,
        denied_at: GlobalPosition::ZERO,
    };
    (row, org)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
