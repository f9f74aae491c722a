//! Rows of the primary, and what they allow.

use std::net::IpAddr;

use domain::credential::CredentialKind;
use domain::ids::{GlobalPosition, KeyId, OrgId, SessionId, UserId};
use domain::scope::Scopes;
use domain::time::Timestamp;
use ipnet::IpNet;
use uuid::Uuid;

use super::super::registry::OrgTerms;

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

pub(super) fn is_over(ends_at: Option<Timestamp>, now: Timestamp) -> bool {
    ends_at.is_some_and(|ends_at| ends_at <= now)
}

pub(super) fn allows(addresses: Option<&[IpNet]>, peer: IpAddr) -> bool {
    let Some(addresses) = addresses else {
        return true;
    };
    // An IPv4 peer of a socket that takes both families.
    let peer = peer.to_canonical();
    addresses.iter().any(|range| range.contains(&peer))
}
