//! Keys of every fate, and keys that nobody has.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{Actor, Event, KeyCreated, KeyRevoked, RevocationReason};
use domain::ids::{KeyId, OrgId};
use domain::scope::Scopes;
use domain::text::TextError;
use domain::time::Timestamp;
use event_log::AppendRequest;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use runtime::entropy::Entropy;

use crate::bench::Setting;
use crate::bench::append::ours::CORRELATION_ID;
use crate::bench::error::BenchError;
use crate::bench::open_log::OpenLog;
use crate::bench::read::callers::{ORDINARY_RATE_LIMIT, new_key, new_org};

/// Long enough that nobody meets an expired key that was never valid.
const EXPIRES_AFTER: Duration = Duration::from_secs(1);

/// Keys by what became of them.
pub struct Fates {
    pub expired: Vec<String>,
    pub revoked: Vec<String>,
    pub unknown: Vec<String>,
    /// Active, but not for callers on this machine.
    pub elsewhere: Vec<String>,
}

/// An ordinary window and no list.
pub fn ordinary(_: usize, key: &mut KeyCreated) {
    key.rate_limit_per_minute = ORDINARY_RATE_LIMIT;
}

/// An ordinary window, and a list whose last range fits callers on this machine.
pub fn listed(_: usize, key: &mut KeyCreated) {
    key.rate_limit_per_minute = ORDINARY_RATE_LIMIT;
    let mut ranges = others();
    ranges.extend(Ipv4Net::new(Ipv4Addr::new(127, 0, 0, 0), 8).map(IpNet::from));
    key.ip_allowlist = Some(ranges);
}

/// A window that refuses nothing, and no list.
pub fn plain(_: usize, _: &mut KeyCreated) {}

/// So many of each; the revoked ones are so by now, the others soon.
pub async fn fates(url: &str, each: usize, setting: &Setting) -> Result<Fates, BenchError> {
    let Setting { clock, entropy, .. } = setting;
    let open_log = OpenLog::open(url, clock, entropy).await?;
    let made = Made::new(each, setting).map_err(|error| BenchError::Wrong(error.to_string()))?;
    for events in [made.created, made.revoked] {
        let request = AppendRequest {
            org_id: made.org,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: CORRELATION_ID.to_owned(),
            idempotency: None,
            guard: None,
        };
        let appended = open_log.log.append(request).await;
        appended.map_err(BenchError::Append)?;
    }
    open_log.close().await;
    Ok(made.fates)
}

/// Seven ranges that no caller on this machine is in.
fn others() -> Vec<IpNet> {
    let v4 = (0..4).filter_map(|n| Ipv4Net::new(Ipv4Addr::new(198, 51, 100, n * 64), 26).ok());
    let v6 = (0..3)
        .filter_map(|n| Ipv6Net::new(Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0), 48).ok());
    v4.map(IpNet::from).chain(v6.map(IpNet::from)).collect()
}

fn secret(entropy: &Entropy) -> CredentialSecret {
    CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes())
}

/// An org's events, and its keys.
struct Made {
    org: OrgId,
    created: Vec<Event>,
    revoked: Vec<Event>,
    fates: Fates,
}

impl Made {
    fn new(each: usize, setting: &Setting) -> Result<Self, TextError> {
        let Setting { clock, entropy, .. } = setting;
        let now = Timestamp::from_datetime(clock.now());
        let soon = Timestamp::from_datetime(clock.now() + EXPIRES_AFTER);
        let mut created = new_org()?;
        let mut add = |shape: &dyn Fn(&mut KeyCreated)| {
            let id = KeyId::generate(now, entropy.bytes());
            let secret = secret(entropy);
            let mut key = new_key(id, &secret, Scopes::DEFAULT)?;
            shape(&mut key);
            created.push(key.into());
            Ok::<_, TextError>((id, secret.reveal().to_owned()))
        };
        let mut fates = Fates {
            expired: Vec::new(),
            revoked: Vec::new(),
            unknown: Vec::new(),
            elsewhere: Vec::new(),
        };
        let mut revoked = Vec::new();
        for _ in 0..each {
            fates
                .expired
                .push(add(&|key| key.expires_at = Some(soon))?.1);
            fates
                .elsewhere
                .push(add(&|key| key.ip_allowlist = Some(others()))?.1);
            let (key_id, key) = add(&|_| {})?;
            fates.revoked.push(key);
            let reason = RevocationReason::Requested;
            revoked.push(KeyRevoked { key_id, reason }.into());
            fates.unknown.push(secret(entropy).reveal().to_owned());
        }
        Ok(Self {
            org: OrgId::generate(now, entropy.bytes()),
            created,
            revoked,
            fates,
        })
    }
}
