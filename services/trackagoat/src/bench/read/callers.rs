//! Who calls: the demo's org with a few keys, or many orgs with a project and several keys each,
//! which are appended as events, as the command service would.

use std::net::SocketAddr;
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{Actor, Event, KeyCreated, LimitChanged, OrgCreated, ProjectAdded};
use domain::ids::{KeyId, OrgId, ProjectId, StreamVersion};
use domain::plan::{LimitKey, Plan};
use domain::scope::Scopes;
use domain::text::{Metadata, Name, ProjectName, TextError};
use domain::time::Timestamp;
use event_log::AppendRequest;

use crate::bench::Setting;
use crate::bench::append::ours::CORRELATION_ID;
use crate::bench::error::BenchError;
use crate::bench::load;
use crate::bench::million::RATE_LIMIT;
use crate::bench::open_log::OpenLog;
use crate::bench::product::Product;

/// Keys of one of many orgs.
const KEYS_EACH: usize = 10;
/// What a key with an ordinary window may ask for in a minute: few enough that each request is
/// remembered by itself. Ten thousand keys together reach it at a million requests a second.
pub const ORDINARY_RATE_LIMIT: u64 = 6_000;
const REQUESTS_PER_DAY: u64 = 100_000_000;
/// How long the projection may take to have what was appended.
const READABLE_WITHIN: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);

/// A key, and a project of its org.
pub struct Caller {
    pub key: String,
    pub project: String,
}

/// Keys of the demo's org; their windows refuse nothing.
pub async fn of_the_demo(product: &Product, keys: usize) -> Result<Vec<Caller>, BenchError> {
    let keys = product.make_keys(keys).await?.into_iter();
    let project = &product.ready.demo.project_id;
    let caller = |key| Caller {
        key,
        project: project.clone(),
    };
    Ok(keys.map(caller).collect())
}

/// What is special about an org's key of that number.
pub type Shape = fn(usize, &mut KeyCreated);

/// Half of the keys have an ordinary window.
pub fn half_ordinary(number: usize, key: &mut KeyCreated) {
    if number.is_multiple_of(2) {
        key.rate_limit_per_minute = ORDINARY_RATE_LIMIT;
    }
}

/// Keys of as many orgs as a tenth of them; none belongs to the org of the one before it.
pub async fn of_many_orgs(
    url: &str,
    keys: usize,
    shape: Shape,
    setting: &Setting,
) -> Result<Vec<Caller>, BenchError> {
    let Setting { clock, entropy, .. } = setting;
    let open_log = OpenLog::open(url, clock, entropy).await?;
    let orgs: Vec<_> = (0..keys.div_ceil(KEYS_EACH))
        .map(|_| Org::new(setting))
        .collect();
    for org in &orgs {
        let appended = open_log.log.append(org.request(shape)?).await;
        appended.map_err(BenchError::Append)?;
    }
    open_log.close().await;
    let turn = |n| orgs.iter().map(move |org| org.caller(n));
    Ok((0..KEYS_EACH).flat_map(turn).take(keys).collect())
}

/// Waits until the project of the one made last can be read.
pub async fn until_readable(
    callers: &[Caller],
    address: SocketAddr,
    setting: &Setting,
) -> Result<(), BenchError> {
    // Keys go round the orgs, so the last key belongs to the last org.
    let Some(last) = callers.last() else {
        return Ok(());
    };
    let path = format!("/api/v1/projects/{}", last.project);
    let request = load::get(address, &path, &last.key);
    let readable = async {
        while load::once(address, &request).await?.status != 200 {
            setting.clock.sleep(LOOK).await;
        }
        Ok(())
    };
    let waited = setting.clock.timeout(READABLE_WITHIN, readable).await;
    waited.map_err(|source| BenchError::Late {
        what: "the last org's project in an answer",
        source,
    })?
}

/// The events of an org that may ask for as much as it likes.
pub fn new_org() -> Result<Vec<Event>, TextError> {
    let raised = |limit_key, value| {
        Event::LimitChanged(LimitChanged {
            limit_key,
            value: Some(value),
        })
    };
    Ok(vec![
        Event::OrgCreated(OrgCreated {
            name: Name::parse("Measured agency")?,
            plan: Plan::Ultra,
            timezone: "UTC".to_owned(),
        }),
        raised(LimitKey::MaxApiRequestsPerDay, REQUESTS_PER_DAY),
        raised(LimitKey::MaxRequestsPerMinutePerKey, RATE_LIMIT.into()),
    ])
}

/// A key whose window refuses nothing.
pub fn new_key(
    key_id: KeyId,
    secret: &CredentialSecret,
    scopes: Scopes,
) -> Result<KeyCreated, TextError> {
    Ok(KeyCreated {
        key_id,
        name: Name::parse("Measured")?,
        prefix: secret.prefix(),
        scopes,
        owner_id: None,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: RATE_LIMIT.into(),
        strict: false,
        replaces: None,
        hash: Some(secret.hash()),
    })
}

/// An org that is about to be made.
struct Org {
    id: OrgId,
    project: ProjectId,
    keys: [(KeyId, CredentialSecret); KEYS_EACH],
}

impl Org {
    fn new(setting: &Setting) -> Self {
        let Setting { clock, entropy, .. } = setting;
        let now = Timestamp::from_datetime(clock.now());
        let key = || {
            let secret = CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes());
            (KeyId::generate(now, entropy.bytes()), secret)
        };
        Self {
            id: OrgId::generate(now, entropy.bytes()),
            project: ProjectId::generate(now, entropy.bytes()),
            keys: [(); KEYS_EACH].map(|()| key()),
        }
    }

    fn request(&self, shape: Shape) -> Result<AppendRequest, BenchError> {
        Ok(AppendRequest {
            org_id: self.id,
            expected: Some(StreamVersion::ZERO),
            events: self
                .events(shape)
                .map_err(|error| BenchError::Wrong(error.to_string()))?,
            actor: Actor::System,
            correlation_id: CORRELATION_ID.to_owned(),
            idempotency: None,
            guard: None,
        })
    }

    fn events(&self, shape: Shape) -> Result<Vec<Event>, TextError> {
        let mut events = new_org()?;
        events.push(Event::ProjectAdded(ProjectAdded {
            project_id: self.project,
            name: ProjectName::parse("Goats of the world")?,
            readme: None,
            metadata: Metadata::empty(),
        }));
        for (n, (key_id, secret)) in self.keys.iter().enumerate() {
            let mut key = new_key(*key_id, secret, Scopes::DEFAULT)?;
            shape(n, &mut key);
            events.push(key.into());
        }
        Ok(events)
    }

    fn caller(&self, n: usize) -> Caller {
        Caller {
            key: self.keys[n].1.reveal().to_owned(),
            project: self.project.to_string(),
        }
    }
}
