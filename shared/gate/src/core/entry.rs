//! Rows of the primary, what they allow, and what of them is cached.

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

use super::decision::Facts;
use super::hold::RestsOn;
use super::registry::{Credential, Org, OrgTerms, Owner, Registry};
use super::stamp::Stamp;
use super::sync::OnceBox;

/// Profiles that are remembered while a snapshot is loaded.
const SHARED_MAX: usize = 65_536;

/// Whom a credential stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// A program.
    Key {
        /// The key.
        id: KeyId,
        /// Its org.
        org: OrgId,
        /// What it may do.
        scopes: Scopes,
        /// The person behind it.
        owner: Option<UserId>,
    },
    /// A person.
    Session {
        /// The sign-in.
        id: SessionId,
        /// The org the person acts in.
        org: OrgId,
        /// What they may do.
        scopes: Scopes,
        /// The person.
        user: UserId,
    },
}

impl Principal {
    /// What the caller may do.
    pub const fn scopes(&self) -> Scopes {
        match self {
            Self::Key { scopes, .. } | Self::Session { scopes, .. } => *scopes,
        }
    }

    /// The org the caller acts in.
    pub const fn org(&self) -> OrgId {
        match self {
            Self::Key { org, .. } | Self::Session { org, .. } => *org,
        }
    }
}

/// How far a credential has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It may call until `ends_at`.
    Active,
    /// It was replaced, and may call until `ends_at`.
    Rotating,
    /// It was ended for good.
    Ended,
}

/// A credential's row on the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// The key or session.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// Which of the two.
    pub kind: CredentialKind,
    /// How far it has come.
    pub status: Status,
    /// What it may do.
    pub scopes: Scopes,
    /// Whether every request is checked on the primary.
    pub strict: bool,
    /// The person behind it.
    pub owner: Option<UserId>,
    /// Whether the operator shut that person out of the org.
    pub owner_banned: bool,
    /// Requests in any trailing 60 s.
    pub rate: u32,
    /// From where it may call; none: anywhere.
    pub addresses: Option<Box<[IpNet]>>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// The newest event that took something away from it; zero if none did.
    pub denied_at: GlobalPosition,
}

/// An org's row on the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrgRow {
    /// Its limits on requests.
    pub terms: OrgTerms,
    /// Whether nobody may call for it.
    pub suspended: bool,
    /// The newest event that suspended it; zero if none did.
    pub denied_at: GlobalPosition,
}

/// That a row does not let a request in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why not.
    pub why: Refused,
    /// The event that this rests on, which nobody may be told of before it holds everywhere; zero if
    /// it rests on none.
    pub rests_on: GlobalPosition,
}

/// Why a row does not let a request in, in the contract's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was ended for good, or has come to its end.
    Ended,
    /// Not from that address.
    Address,
    /// The org is suspended.
    OrgSuspended,
    /// The person is shut out.
    OwnerBanned,
}

impl CredentialRow {
    /// Whether its entry must keep more than keys have in common.
    fn is_bounded(&self, basis: Basis) -> bool {
        let denied_lately = self.denied_at > basis.settled;
        self.addresses.is_some() || self.ends_at.is_some() || denied_lately
    }

    /// Whether the row lets a request from `peer` in at `now`.
    pub fn judge(&self, org: &OrgRow, peer: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        let (why, rests_on) = if self.status == Status::Ended || is_over(self.ends_at, now) {
            (Refused::Ended, self.denied_at)
        } else if !allows(self.addresses.as_deref(), peer) {
            (Refused::Address, self.denied_at)
        } else if org.suspended {
            (Refused::OrgSuspended, org.denied_at)
        } else if self.owner_banned {
            (Refused::OwnerBanned, self.denied_at)
        } else {
            return Ok(());
        };
        Err(Refusal { why, rests_on })
    }
}

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

fn is_over(ends_at: Option<Timestamp>, now: Timestamp) -> bool {
    ends_at.is_some_and(|ends_at| ends_at <= now)
}

fn allows(addresses: Option<&[IpNet]>, peer: IpAddr) -> bool {
    let Some(addresses) = addresses else {
        return true;
    };
    // An IPv4 peer of a socket that takes both families.
    let peer = peer.to_canonical();
    addresses.iter().any(|range| range.contains(&peer))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-05T00:00:00Z").unwrap()
    }

    fn row() -> CredentialRow {
        CredentialRow {
            id: Uuid::from_u128(1),
            org: OrgId::from_uuid(Uuid::from_u128(2)),
            kind: CredentialKind::ApiKey,
            status: Status::Active,
            scopes: Scopes::DEFAULT,
            strict: false,
            owner: None,
            owner_banned: false,
            rate: 100,
            addresses: None,
            ends_at: None,
            denied_at: GlobalPosition::new(7),
        }
    }

    fn org() -> OrgRow {
        OrgRow {
            terms: OrgTerms {
                per_day: Some(1_000),
                per_minute: 60,
            },
            suspended: false,
            denied_at: GlobalPosition::new(8),
        }
    }

    /// Made when everything held everywhere.
    const BASIS: Basis = Basis {
        stamp: Stamp::ZERO,
        epoch: LogEpoch::from_uuid(Uuid::nil()),
        settled: GlobalPosition::new(u64::MAX),
    };

    fn ranges(texts: &[&str]) -> Box<[IpNet]> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_entry_of_a_plain_key_is_small() {
        assert!(size_of::<Entry>() <= 40, "{}", size_of::<Entry>());
        assert!(size_of::<Profile>() <= 32, "{}", size_of::<Profile>());
    }

    #[test]
    fn the_first_refusal_of_the_contract_counts() {
        let suspended = OrgRow {
            suspended: true,
            ..org()
        };
        let mut row = CredentialRow {
            status: Status::Ended,
            addresses: Some(ranges(&["10.0.0.0/8"])),
            owner_banned: true,
            ..row()
        };
        let refusal = |why, position| {
            let rests_on = GlobalPosition::new(position);
            Err(Refusal { why, rests_on })
        };
        let judge = |row: &CredentialRow, org: &OrgRow| row.judge(org, PEER, now());
        assert_eq!(judge(&row, &suspended), refusal(Refused::Ended, 7));
        row.status = Status::Active;
        row.ends_at = Some(now());
        assert_eq!(judge(&row, &suspended), refusal(Refused::Ended, 7));
        row.ends_at = None;
        assert_eq!(judge(&row, &suspended), refusal(Refused::Address, 7));
        row.addresses = Some(ranges(&["127.0.0.1/32"]));
        assert_eq!(judge(&row, &suspended), refusal(Refused::OrgSuspended, 8));
        assert_eq!(judge(&row, &org()), refusal(Refused::OwnerBanned, 7));
        row.owner_banned = false;
        assert_eq!(row.judge(&org(), PEER, now()), Ok(()));
    }

    #[test]
    fn addresses_of_both_families_are_compared_as_what_they_are() {
        let list = ranges(&["192.0.2.0/24", "2001:db8::/32"]);
        for (peer, expected) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.3.7", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(
                allows(Some(&list), peer.parse().unwrap()),
                expected,
                "{peer}"
            );
        }
    }

    #[test]
    fn an_entry_judges_as_its_row_does() {
        let registry = Registry::default();
        let soon = now().plus(chrono::TimeDelta::seconds(5));
        let row = CredentialRow {
            ends_at: Some(soon),
            status: Status::Rotating,
            addresses: Some(ranges(&["127.0.0.0/8"])),
            ..row()
        };
        let entry = Entry::new(row.clone(), &org(), BASIS, &registry);
        for at in [now(), soon] {
            for peer in [PEER, "192.0.2.7".parse().unwrap()] {
                let of_row = row.judge(&org(), peer, at).map_err(|refusal| refusal.why);
                assert_eq!(entry.judge(peer, at), of_row);
            }
        }
        assert_eq!(entry.end(), Some((soon, true)));
        assert_eq!((entry.per_minute(), entry.per_day()), (60, Some(1_000)));
    }

    #[test]
    fn what_was_taken_away_lately_is_remembered_and_not_shared() {
        let registry = Registry::default();
        let unsettled = Basis {
            settled: GlobalPosition::new(6),
            ..BASIS
        };
        let rests_on = RestsOn {
            epoch: BASIS.epoch,
            position: GlobalPosition::new(7),
        };
        for (basis, narrowed_at) in [(BASIS, None), (unsettled, Some(rests_on))] {
            let mut entries = Entries::new(basis);
            let entry = entries.make(row(), &org(), &registry);
            let other = entries.make(row(), &org(), &registry);
            assert_eq!(entry.narrowed_at(), narrowed_at);
            let shared = Arc::ptr_eq(&entry.profile, &other.profile);
            assert_eq!(shared, narrowed_at.is_none());
        }
    }

    #[test]
    fn a_session_has_its_own_window_and_no_day() {
        let registry = Registry::default();
        let user = UserId::from_uuid(Uuid::from_u128(3));
        let row = CredentialRow {
            kind: CredentialKind::Session,
            owner: Some(user),
            ..row()
        };
        let entry = Entry::new(row, &org(), BASIS, &registry);
        assert_eq!((entry.per_minute(), entry.per_day()), (600, None));
        assert!(matches!(entry.principal(), Principal::Session { user: who, .. } if who == user));
    }
}
