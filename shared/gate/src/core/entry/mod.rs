//! What is cached of rows of the primary.

mod row;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use domain::credential::CredentialKind;
use domain::ids::{GlobalPosition, KeyId, LogEpoch, OrgId, SessionId, UserId};
use domain::limits::SESSION_RATE;
use domain::scope::Scopes;
use domain::time::Timestamp;
use ipnet::IpNet;
use uuid::Uuid;

pub use self::row::{CredentialRow, OrgRow, Principal, Refusal, Refused, Status};
use self::row::{allows, is_over};
use super::decision::Facts;
use super::hold::RestsOn;
use super::registry::{Credential, Org, Owner, Registry};
use super::stamp::Stamp;
use super::sync::OnceBox;

/// Profiles that are remembered while a snapshot is loaded.
const SHARED_MAX: usize = 65_536;

/// A cached credential, counted without a second count for weak references.
pub type EntryRef = triomphe::Arc<Entry>;

/// What is cached of an allowed credential: small, for a million of them are kept. With its count
/// it fits an allocation of 48 bytes.
#[derive(Debug)]
pub struct Entry {
    id: Uuid,
    profile: Arc<Profile>,
    /// Found on first use.
    credential: OnceBox<Arc<Credential>>,
}

#[cfg(not(feature = "loom"))]
const _: () = assert!(size_of::<Entry>() == 32);

/// What keys of one owner have in common, as one snapshot shows them.
#[derive(Debug)]
struct Profile {
    owner: Arc<Owner>,
    stamp: Stamp,
    plain: Plain,
    bounds: Option<Box<Bounds>>,
}

/// What every row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Plain {
    rate: u32,
    scopes: Scopes,
    is_session: bool,
    strict: bool,
}

/// What most rows have not; a profile that has it is not shared.
#[derive(Debug)]
struct Bounds {
    addresses: Option<Box<[IpNet]>>,
    ends_at: Option<Timestamp>,
    rotating: bool,
    /// See [`Entry::narrowed_at`].
    narrowed_at: Option<RestsOn>,
}

/// What the rows of one snapshot rest on.
#[derive(Debug, Clone, Copy)]
pub struct Basis {
    /// The snapshot.
    pub stamp: Stamp,
    /// The life of the log.
    pub epoch: LogEpoch,
    /// Every denial up to here held everywhere when it was taken.
    pub settled: GlobalPosition,
}

/// Makes the entries of one snapshot; those that have much in common share it.
#[derive(Debug)]
pub struct Entries {
    basis: Basis,
    shared: HashMap<(OrgId, Option<UserId>, Plain), Arc<Profile>>,
}

impl Entries {
    /// Of a snapshot.
    pub fn new(basis: Basis) -> Self {
        Self {
            basis,
            shared: HashMap::new(),
        }
    }

    /// The entry of rows of the snapshot.
    pub fn make(&mut self, row: CredentialRow, org: &OrgRow, registry: &Registry) -> Entry {
        if row.is_bounded(self.basis) {
            return Entry::new(row, org, self.basis, registry);
        }
        if self.shared.len() >= SHARED_MAX {
            // Keys that have much in common mostly stand near each other.
            self.shared.clear();
        }
        let id = row.id;
        let profile = self
            .shared
            .entry((row.org, row.owner, Plain::of(&row)))
            .or_insert_with(|| Arc::new(Profile::of(row, org, self.basis, registry)));
        Entry {
            id,
            profile: Arc::clone(profile),
            credential: OnceBox::new(),
        }
    }
}

impl CredentialRow {
    /// Whether its entry must keep more than keys have in common.
    fn is_bounded(&self, basis: Basis) -> bool {
        let denied_lately = self.denied_at > basis.settled;
        self.addresses.is_some() || self.ends_at.is_some() || denied_lately
    }
}

impl Plain {
    fn of(row: &CredentialRow) -> Self {
        Self {
            rate: row.rate,
            scopes: row.scopes,
            is_session: row.kind == CredentialKind::Session,
            strict: row.strict,
        }
    }
}

impl Profile {
    fn of(row: CredentialRow, org: &OrgRow, basis: Basis, registry: &Registry) -> Self {
        let plain = Plain::of(&row);
        let stamp = basis.stamp;
        let bounded = row.is_bounded(basis);
        Self {
            owner: registry.owner(row.org, row.owner, stamp.position(), org.terms),
            stamp,
            plain,
            bounds: bounded.then(|| {
                Box::new(Bounds {
                    addresses: row.addresses,
                    ends_at: row.ends_at,
                    rotating: row.status == Status::Rotating,
                    narrowed_at: (row.denied_at > basis.settled).then_some(RestsOn {
                        epoch: basis.epoch,
                        position: row.denied_at,
                    }),
                })
            }),
        }
    }
}

impl Entry {
    /// Of rows that one snapshot showed.
    pub fn new(row: CredentialRow, org: &OrgRow, basis: Basis, registry: &Registry) -> Self {
        Self {
            id: row.id,
            profile: Arc::new(Profile::of(row, org, basis, registry)),
            credential: OnceBox::new(),
        }
    }

    /// What the decision rests on. Read after the deadlines (pitfall 6).
    pub fn facts(&self, registry: &Registry) -> Facts {
        Facts {
            stamp: self.profile.stamp,
            strict: self.profile.plain.strict,
            credential: self.credential(registry).tomb(),
            owner: self.profile.owner.tomb(),
            org: self.org().tomb(),
        }
    }

    /// Whether a tombstone speaks to it. Makes no cell, unlike [`facts`](Self::facts): most of those
    /// that are asked were never used.
    pub fn is_overruled(&self, registry: &Registry) -> bool {
        let tombs = [
            registry.tomb_of(self.id),
            self.profile.owner.tomb(),
            self.org().tomb(),
        ];
        let stamp = self.profile.stamp;
        tombs.iter().any(|tomb| tomb.says_to(stamp).is_some())
    }

    /// What outlives the entry.
    pub fn credential(&self, registry: &Registry) -> &Arc<Credential> {
        self.credential
            .get_or_init(|| Box::new(registry.credential(self.id, self.org().id)))
    }

    /// Its org.
    pub fn org(&self) -> &Arc<Org> {
        &self.profile.owner.org
    }

    /// Whether it lets a request from `peer` in at `now`, as far as the entry itself can tell. A
    /// refusal rests on [`narrowed_at`](Self::narrowed_at).
    pub fn judge(&self, peer: IpAddr, now: Timestamp) -> Result<(), Refused> {
        let Some(bounds) = &self.profile.bounds else {
            return Ok(());
        };
        if is_over(bounds.ends_at, now) {
            Err(Refused::Ended)
        } else if allows(bounds.addresses.as_deref(), peer) {
            Ok(())
        } else {
            Err(Refused::Address)
        }
    }

    /// The newest event that took something away from the credential, unless none did or it held
    /// everywhere when the entry was made.
    pub fn narrowed_at(&self) -> Option<RestsOn> {
        self.profile.bounds.as_ref()?.narrowed_at
    }

    /// Requests in any trailing 60 s.
    pub fn per_minute(&self) -> u32 {
        if self.is_session() {
            u32::try_from(SESSION_RATE).unwrap_or(u32::MAX)
        } else {
            let most = self.org().terms().per_minute;
            self.profile.plain.rate.min(most)
        }
    }

    /// Requests of its org in a UTC day; none if they are not counted.
    pub fn per_day(&self) -> Option<u64> {
        if self.is_session() {
            None
        } else {
            self.org().terms().per_day
        }
    }

    /// Whether it stands for a person.
    pub fn is_session(&self) -> bool {
        self.profile.plain.is_session
    }

    /// Whom it stands for.
    pub fn principal(&self) -> Principal {
        let (org, scopes) = (self.org().id, self.profile.plain.scopes);
        match self.profile.owner.user {
            Some(user) if self.is_session() => Principal::Session {
                id: SessionId::from_uuid(self.id),
                org,
                scopes,
                user,
            },
            owner => Principal::Key {
                id: KeyId::from_uuid(self.id),
                org,
                scopes,
                owner,
            },
        }
    }

    /// When it ends by itself, and whether that is because it was replaced.
    pub fn end(&self) -> Option<(Timestamp, bool)> {
        let bounds = self.profile.bounds.as_ref()?;
        Some((bounds.ends_at?, bounds.rotating))
    }

    /// What it rests on.
    pub fn stamp(&self) -> Stamp {
        self.profile.stamp
    }

    /// Bytes it takes beside the cache's own, for the cache's bound.
    pub fn weight(&self) -> u32 {
        let own = match (&self.profile.bounds, Arc::strong_count(&self.profile)) {
            (Some(bounds), _) => {
                let addresses = bounds.addresses.as_deref().map_or(0, size_of_val);
                size_of::<Profile>() + size_of::<Bounds>() + addresses
            }
            (None, 1) => size_of::<Profile>(),
            (None, _) => 0,
        };
        u32::try_from(size_of::<Self>() + own).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
