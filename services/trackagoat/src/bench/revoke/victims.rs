//! Keys that are there to be revoked, of orgs that have another key to do it with.

use std::net::SocketAddr;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::Actor;
use domain::ids::{KeyId, OrgId, StreamVersion};
use domain::scope::Scopes;
use domain::text::TextError;
use domain::time::Timestamp;
use event_log::AppendRequest;

use crate::bench::Setting;
use crate::bench::append::ours::CORRELATION_ID;
use crate::bench::error::BenchError;
use crate::bench::load;
use crate::bench::open_log::OpenLog;
use crate::bench::read::callers::{new_key, new_org};

/// A key, and how it is revoked.
pub struct Victim {
    pub key: String,
    /// The whole request, for the command service.
    pub revocation: Vec<u8>,
}

/// So many keys of each of so many orgs; the next one is of another org.
pub async fn make(
    url: &str,
    command: SocketAddr,
    orgs: usize,
    keys_each: usize,
    setting: &Setting,
) -> Result<Vec<Victim>, BenchError> {
    let Setting { clock, entropy, .. } = setting;
    let open_log = OpenLog::open(url, clock, entropy).await?;
    let mut victims: Vec<_> = (0..keys_each).map(|_| Vec::new()).collect();
    for _ in 0..orgs {
        let (request, of_org) = org(command, keys_each, setting)
            .map_err(|error| BenchError::Wrong(error.to_string()))?;
        let appended = open_log.log.append(request).await;
        appended.map_err(BenchError::Append)?;
        for (turn, victim) in victims.iter_mut().zip(of_org) {
            turn.push(victim);
        }
    }
    open_log.close().await;
    Ok(victims.into_iter().flatten().collect())
}

fn org(
    command: SocketAddr,
    keys: usize,
    setting: &Setting,
) -> Result<(AppendRequest, Vec<Victim>), TextError> {
    let Setting { clock, entropy, .. } = setting;
    let now = Timestamp::from_datetime(clock.now());
    let mut events = new_org()?;
    let mut add = |scopes| {
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes());
        let id = KeyId::generate(now, entropy.bytes());
        events.push(new_key(id, &secret, scopes)?.into());
        Ok((id, secret.reveal().to_owned()))
    };
    let (_, administrator) = add(Scopes::ORG_ADMIN)?;
    let mut victims = Vec::new();
    for _ in 0..keys {
        let (id, key) = add(Scopes::DEFAULT)?;
        let path = format!("/api/v1/api-keys/{id}");
        let revocation = load::delete(command, &path, &administrator);
        victims.push(Victim { key, revocation });
    }
    let request = AppendRequest {
        org_id: OrgId::generate(now, entropy.bytes()),
        expected: Some(StreamVersion::ZERO),
        events,
        actor: Actor::System,
        correlation_id: CORRELATION_ID.to_owned(),
        idempotency: None,
        guard: None,
    };
    Ok((request, victims))
}
