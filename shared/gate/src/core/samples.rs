//! What tests of the core share: numbers as values of ours, rows, and a cache without bounds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use domain::credential::{CredentialHash, CredentialKind};
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch, OrgId, UserId};
use domain::scope::Scopes;
use domain::time::Timestamp;
use runtime::clock::{Boottime, MonotonicRaw};
use uuid::Uuid;

use super::clocks::FencePoint;
use super::entry::{Basis, CredentialRow, Entry, EntryRef, OrgRow, Status};
use super::hold::RestsOn;
use super::registry::{OrgTerms, Registry};
use super::stamp::{Generation, Stamp};
use super::trusted::{Cache, RefusedAs};

pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A cache that forgets nothing by itself.
#[derive(Debug, Default)]
pub struct Unbounded {
    allowed: Mutex<HashMap<[u8; 32], EntryRef>>,
    refused: Mutex<HashMap<[u8; 32], RefusedAs>>,
}

impl Cache for Unbounded {
    fn get(&self, hash: &CredentialHash) -> Option<EntryRef> {
        let allowed = self.allowed.lock().expect("no test panics in here");
        allowed.get(hash.as_bytes()).cloned()
    }

    fn insert(&self, hash: &CredentialHash, entry: EntryRef) {
        let mut allowed = self.allowed.lock().expect("no test panics in here");
        allowed.insert(*hash.as_bytes(), entry);
    }

    fn remove(&self, hash: &CredentialHash) {
        let mut allowed = self.allowed.lock().expect("no test panics in here");
        allowed.remove(hash.as_bytes());
    }

    fn refused(&self, hash: &CredentialHash) -> Option<RefusedAs> {
        let refused = self.refused.lock().expect("no test panics in here");
        refused.get(hash.as_bytes()).copied()
    }

    fn refuse(&self, hash: &CredentialHash, refused_as: RefusedAs) {
        let mut refused = self.refused.lock().expect("no test panics in here");
        refused.insert(*hash.as_bytes(), refused_as);
    }

    fn forget(&self, is_overruled: &dyn Fn(&EntryRef) -> bool) {
        let mut allowed = self.allowed.lock().expect("no test panics in here");
        allowed.retain(|_, entry| !is_overruled(entry));
    }

    /// Of refusals too much is left, as it may be.
    fn clear(&self) {
        let mut allowed = self.allowed.lock().expect("no test panics in here");
        allowed.clear();
    }
}

pub fn position(number: u64) -> GlobalPosition {
    GlobalPosition::new(number)
}

pub fn epoch(number: u128) -> LogEpoch {
    LogEpoch::from_uuid(Uuid::from_u128(number))
}

pub fn incarnation(number: u128) -> IncarnationId {
    IncarnationId::from_uuid(Uuid::from_u128(number))
}

pub fn user(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

/// Everybody's org.
pub fn org_id() -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(1_000))
}

/// The hash of the credential of that number.
pub fn hash(number: u8) -> CredentialHash {
    CredentialHash::from_bytes([number; 32])
}

pub fn first_generation() -> Generation {
    Generation::NONE.next().expect("the first")
}

/// A position of the first generation.
pub fn stamp(number: u64) -> Stamp {
    first_generation().at(position(number))
}

pub fn fence(seconds: u64) -> FencePoint {
    let nanos = seconds * 1_000_000_000;
    FencePoint {
        boot: Boottime::from_nanos(nanos),
        raw: MonotonicRaw::from_nanos(nanos),
    }
}

/// What rests on an event of the first log.
pub fn rests_on(number: u64) -> RestsOn {
    RestsOn {
        epoch: epoch(1),
        position: position(number),
    }
}

pub fn wall() -> Timestamp {
    Timestamp::parse("2026-01-05T00:00:00Z").expect("a time")
}

/// A key of that number, from which nothing was taken away.
pub fn row(number: u8) -> CredentialRow {
    CredentialRow {
        id: Uuid::from_u128(number.into()),
        org: org_id(),
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
    }
}

pub fn org() -> OrgRow {
    OrgRow {
        terms: OrgTerms {
            per_day: Some(1_000),
            per_minute: 60,
        },
        suspended: false,
        denied_at: GlobalPosition::ZERO,
    }
}

/// A row as a snapshot of the first log showed it at `stamp`, when everything up to 5 was settled.
pub fn entry(row: CredentialRow, stamp: Stamp, registry: &Registry) -> EntryRef {
    let basis = Basis {
        stamp,
        epoch: epoch(1),
        settled: position(5),
    };
    EntryRef::new(Entry::new(row, &org(), basis, registry))
}
