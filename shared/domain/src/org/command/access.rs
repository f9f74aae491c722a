//! What can be asked about people and credentials.

use ipnet::IpNet;

use super::super::Required;
use crate::credential::CredentialHash;
use crate::event::{KeyChanged, Role, SessionEndReason};
use crate::ids::{InvitationId, InviteeId, KeyId, SessionId, UserId};
use crate::scope::{Scope, Scopes};
use crate::text::Name;
use crate::time::Timestamp;

/// What can be asked about an invitation.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "variants and fields say what the contract's calls say"
)]
pub enum InvitationCommand {
    Create(NewInvitation),
    Revoke {
        invitation_id: InvitationId,
    },
    /// Whether it is to this person was found out before.
    Accept {
        invitation_id: InvitationId,
        user_id: UserId,
        session: Option<NewSession>,
    },
    /// The same.
    Decline {
        invitation_id: InvitationId,
        user_id: UserId,
    },
}

impl InvitationCommand {
    pub(super) const fn required(&self) -> Required {
        match self {
            Self::Create(_) | Self::Revoke { .. } => Required::Scope(Scope::Keys),
            Self::Accept { user_id, .. } | Self::Decline { user_id, .. } => {
                Required::Person(*user_id)
            }
        }
    }
}

/// What can be asked about a session.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "variants and fields say what the contract's calls say"
)]
pub enum SessionCommand {
    Open {
        user_id: UserId,
        session: NewSession,
    },
    End {
        session_id: SessionId,
    },
    /// All of a person but one; who asked for it was found out before.
    EndAll {
        user_id: UserId,
        except: Option<SessionId>,
        reason: SessionEndReason,
    },
}

impl SessionCommand {
    pub(super) const fn required(&self) -> Required {
        match self {
            Self::Open { user_id, .. } => Required::Person(*user_id),
            // Whose it is, the state says.
            Self::End { .. } => Required::Nothing,
            Self::EndAll { .. } => Required::Operator,
        }
    }
}

/// An invitation to be made. Who its address is was found out before.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.3")]
pub struct NewInvitation {
    pub invitation_id: InvitationId,
    /// The address, as the org's events name it.
    pub invitee_id: InviteeId,
    /// The person of that address, if there is one.
    pub user_id: Option<UserId>,
    pub role: Role,
}

/// A session to be opened.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.4")]
pub struct NewSession {
    pub session_id: SessionId,
    pub hash: CredentialHash,
}

/// A key to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.2")]
pub struct NewKey {
    pub key_id: KeyId,
    pub name: Name,
    pub prefix: String,
    pub hash: CredentialHash,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
    pub ip_allowlist: Option<Vec<IpNet>>,
    /// None: 60, or the org's maximum if lower.
    pub rate_limit_per_minute: Option<u64>,
    pub strict: bool,
}

/// Changes of a key; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.2")]
pub struct KeyPatch {
    pub name: Option<Name>,
    pub scopes: Option<Scopes>,
    pub expires_at: Option<Option<Timestamp>>,
    pub ip_allowlist: Option<Option<Vec<IpNet>>>,
    pub rate_limit_per_minute: Option<u64>,
    pub strict: Option<bool>,
}

impl KeyPatch {
    /// Whether it asks for something that can take access away and is no part of the change: it was
    /// so before.
    pub fn repeats(&self, changed: &KeyChanged) -> bool {
        let stood = [
            self.scopes.is_some() && changed.scopes.is_none(),
            self.expires_at.is_some() && changed.expires_at.is_none(),
            self.ip_allowlist.is_some() && changed.ip_allowlist.is_none(),
            self.rate_limit_per_minute.is_some() && changed.rate_limit_per_minute.is_none(),
            self.strict.is_some() && changed.strict.is_none(),
        ];
        stood.contains(&true)
    }
}

/// A key's replacement.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 7.2")]
pub struct Rotation {
    pub new_key_id: KeyId,
    pub prefix: String,
    pub hash: CredentialHash,
    pub overlap_seconds: i64,
    pub name: Option<Name>,
    /// None: the old key's span from now; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
}

/// What becomes of the active keys a leaving member owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "variants are those of v1-contract.md 8.2")]
pub enum KeyDisposition {
    Revoke,
    Transfer(UserId),
    Keep,
}
