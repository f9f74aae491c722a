//! Events of sessions. The credential's SHA-256 is metadata: neither hashed nor sent.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::credential::CredentialHash;
use crate::ids::{SessionId, UserId};
use crate::time::Timestamp;

/// A person may call from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SessionOpened {
    /// The session.
    pub session_id: SessionId,
    /// The person.
    pub user_id: UserId,
    /// The person's role, which says what the session may do.
    pub role: Role,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// SHA-256 of the credential; `None` where the log's metadata is not at hand.
    #[serde(skip)]
    pub hash: Option<CredentialHash>,
}

/// Why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionEndReason {
    /// The person signed out, or somebody ended it for them.
    Requested,
    /// The person has as many as they may, and opened another.
    Replaced,
    /// The person has fewer rights.
    Demoted,
    /// The person left the org.
    MemberRemoved,
    /// The person has another password.
    PasswordChanged,
}

/// A session is dead everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SessionEnded {
    /// The session.
    pub session_id: SessionId,
    /// The person.
    pub user_id: UserId,
    /// Why.
    pub reason: SessionEndReason,
}
