//! `trackagoat keys`: keys made and ended by the operator.

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use domain::credential::{CredentialKind, CredentialSecret};
use domain::ids::{KeyId, OrgId};
use domain::org::{Command, NewKey};
use domain::scope::{Scope, Scopes};
use domain::text::Name;
use domain::time::Timestamp;
use ipnet::IpNet;
use runtime::entropy::Entropy;

use super::orgs::name;

/// API keys of an org.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key; prints it, this once.
    Create(CreateKey),
    /// List an org's keys.
    List {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
    },
    /// End a key; prints the receipt once it is dead everywhere.
    Revoke {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// The key's id, as `keys list` shows it; neither its prefix nor the secret.
        key: KeyId,
    },
}

/// Terms of a new key.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// Whose key: the org's id, as `orgs list` shows it.
    pub org: OrgId,
    /// What people call it.
    #[arg(long, value_parser = name)]
    name: Name,
    /// Comma-separated: read, write, keys, ingest, audit, admin.
    #[arg(long, value_delimiter = ',', default_value = "read,write")]
    scopes: Vec<Scope>,
    /// Requests in any trailing minute; by default 60. At most the org's
    /// max_requests_per_minute_per_key, which `orgs set-limit` raises.
    #[arg(long)]
    rate_limit_per_minute: Option<u64>,
    /// Days until it ends by itself; by default never.
    #[arg(long)]
    expires_in_days: Option<u16>,
    /// Comma-separated address ranges from which it may call; by default anywhere.
    #[arg(long, value_delimiter = ',')]
    allow: Vec<IpNet>,
    /// Check every request on the primary.
    #[arg(long)]
    strict: bool,
}

impl CreateKey {
    /// The command for the domain, and the secret it is about.
    pub fn command(self, now: Timestamp, entropy: &Entropy) -> (Command, CredentialSecret) {
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes());
        let days = |days: u16| now.plus(TimeDelta::days(i64::from(days)));
        let new = NewKey {
            key_id: KeyId::generate(now, entropy.bytes()),
            name: self.name,
            prefix: secret.prefix(),
            hash: secret.hash(),
            scopes: self.scopes.into_iter().collect::<Scopes>(),
            expires_at: self.expires_in_days.map(days),
            ip_allowlist: (!self.allow.is_empty()).then_some(self.allow),
            rate_limit_per_minute: self.rate_limit_per_minute,
            strict: self.strict,
        };
        (Command::CreateKey(new), secret)
    }
}
