//! Events of API keys. The key's SHA-256 is metadata: neither hashed nor sent.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::cleared;
use crate::credential::CredentialHash;
use crate::ids::{KeyId, UserId};
use crate::scope::Scopes;
use crate::text::Name;
use crate::time::Timestamp;

/// A key may call from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyCreated {
    /// The key.
    pub key_id: KeyId,
    /// What people call it.
    pub name: Name,
    /// What is shown of the secret.
    pub prefix: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The person behind it.
    pub owner_id: Option<UserId>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// From where it may call; null: anywhere.
    #[schemars(with = "Option<Vec<String>>")]
    pub ip_allowlist: Option<Vec<IpNet>>,
    /// Requests in any trailing 60 s.
    pub rate_limit_per_minute: u64,
    /// Whether every request is checked on the primary.
    pub strict: bool,
    /// The key it replaces.
    pub replaces: Option<KeyId>,
    /// SHA-256 of the secret; `None` where the log's metadata is not at hand.
    #[serde(skip)]
    pub hash: Option<CredentialHash>,
}

/// Something about a key changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyChanged {
    /// The key.
    pub key_id: KeyId,
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The new scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// The new end; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Option<Timestamp>>,
    /// The new allow-list; null: anywhere.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<Vec<String>>")]
    pub ip_allowlist: Option<Option<Vec<IpNet>>>,
    /// The new window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_minute: Option<u64>,
    /// Whether every request is checked on the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The new owner; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub owner_id: Option<Option<UserId>>,
    /// Whether a request that was allowed before may now be refused.
    pub narrowed: bool,
}

impl KeyChanged {
    /// A change of nothing.
    pub const fn nothing(key_id: KeyId) -> Self {
        Self {
            key_id,
            name: None,
            scopes: None,
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: None,
            strict: None,
            owner_id: None,
            narrowed: false,
        }
    }
}

/// A key was replaced and ends at the end of the overlap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyRotated {
    /// The old key.
    pub key_id: KeyId,
    /// The key that replaces it.
    pub new_key_id: KeyId,
    /// When the old one ends.
    pub ends_at: Timestamp,
}

/// Why a key was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// Somebody asked for it.
    Requested,
    /// The key ended itself.
    SelfRevoked,
    /// It was rotated without overlap.
    Rotated,
    /// Its owner left the org.
    MemberRemoved,
}

/// A key is dead everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyRevoked {
    /// The key.
    pub key_id: KeyId,
    /// Why.
    pub reason: RevocationReason,
}
