//! The product with orgs that have subscribers, and who appends to their logs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::{KeyId, OrgId};
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use event_log::{Mirror, MirrorConfig};
use futures_util::{Stream, StreamExt, stream};
use query::subscribers::durable_name;
use reqwest::{Client, Url};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::TaskKind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::nats::{Reader, Subscription};
use super::phase::{Connection, Subscriber};
use super::sse::EventStream;
use crate::bench::Setting;
use crate::bench::append::ours::Template;
use crate::bench::error::BenchError;
use crate::bench::fleet::{Key, Org};
use crate::bench::open_log::OpenLog;
use crate::bench::product::Product;
use crate::bench::stats::Histogram;
use crate::bench::zipf::Random;
use crate::nats;

/// Connections that are made at once.
const AT_ONCE: usize = 32;
/// Both ends of what a few thousand subscribers hold open, and what else is open.
const FILES: u64 = 8_192;
/// Appends that make plans and open connections, before anything is measured.
const WARM_UP: usize = 64;
/// How often somebody who is not let in connects again, and the wait in between.
const CONNECTS_MAX: u32 = 10;
const AGAIN: Duration = Duration::from_millis(500);

/// How events reach subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sse,
    Nats,
}

/// An org, and keys of its own.
pub struct Tenant {
    pub org: OrgId,
    keys: Vec<Key>,
}

/// What connecting to NATS took.
#[derive(Default)]
struct Connects {
    /// From the connection's begin until a key is let in and its durable is there.
    let_in: Histogram,
    /// How often one was not, and came again.
    refused: u64,
}

pub struct Stage {
    pub open_log: OpenLog,
    pub tenants: Vec<Tenant>,
    product: Product,
    client: Client,
    clock: Clock,
    entropy: Entropy,
    /// Where NATS listens.
    nats: String,
    connects: Mutex<Connects>,
}

impl Stage {
    /// With so many orgs, and so many keys of each.
    pub async fn set(orgs: usize, keys: usize, setting: &Setting) -> Result<Self, BenchError> {
        raise_file_limit()?;
        let Setting {
            folder,
            clock,
            entropy,
        } = setting;
        let product = Product::start(folder.path(), 1, clock).await?;
        let mut tenants = Vec::new();
        for _ in 0..orgs {
            // Ordered as those that are made in the product are.
            let id = OrgId::generate(Timestamp::from_datetime(clock.now()), entropy.bytes());
            let org = Org {
                id: id.as_uuid(),
                ..Org::new(setting)
            };
            let scopes = Scopes::from_iter([Scope::Read, Scope::Audit]);
            let url = &product.ready.database_url;
            let keys = org.write_with(scopes, url, keys, setting).await?;
            tenants.push(Tenant { org: id, keys });
        }
        // Rows are found by those that load them when they start.
        product.stop().await?;
        let product = Product::start(folder.path(), 1, clock).await?;
        let open_log = OpenLog::open(&product.ready.database_url, clock, entropy).await?;
        let connected = nats::connect(&product.ready.nats_url.as_str().into()).await?;
        let mirror = Mirror::new(open_log.log.clone(), connected, MirrorConfig::default());
        let tasks = open_log.tasks.clone();
        tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
        let nats = address(&product.ready.nats_url)?;
        let client = Client::builder().no_proxy().build();
        let stage = Self {
            client: client.map_err(|error| BenchError::Wrong(error.to_string()))?,
            open_log,
            tenants,
            product,
            clock: clock.clone(),
            entropy: entropy.clone(),
            nats,
            connects: Mutex::default(),
        };
        let template = Template::new(200)?;
        let mut random = Random::new(entropy.u64());
        for number in 0..WARM_UP {
            let org = stage.tenants[number % orgs].org;
            let event = template.event(random.bytes());
            stage.open_log.append(org, vec![event]).await?;
        }
        Ok(stage)
    }

    /// Where the log ends.
    pub async fn head(&self) -> Result<u64, BenchError> {
        let head = self.open_log.log.head().await.map_err(BenchError::Read)?;
        Ok(head.position.get())
    }

    /// So many subscribers of all orgs in turn, as they are there.
    pub fn subscribers(
        self: &Arc<Self>,
        way: Way,
        count: usize,
        after: u64,
    ) -> impl Stream<Item = Result<Subscriber, BenchError>> + use<> {
        let stage = Arc::clone(self);
        let opening = (0..count).map(move |number| {
            let stage = Arc::clone(&stage);
            async move {
                let org = number % stage.tenants.len();
                let tenant = &stage.tenants[org];
                let key = &tenant.keys[number / stage.tenants.len() % tenant.keys.len()];
                let connection = match way {
                    Way::Sse => Connection::Sse(stage.stream(key, after).await?),
                    Way::Nats => Connection::Nats(stage.subscribe(tenant.org, key).await?),
                };
                Ok(Subscriber { org, connection })
            }
        });
        stream::iter(opening).buffer_unordered(AT_ONCE)
    }

    async fn stream(&self, key: &Key, after: u64) -> Result<EventStream, BenchError> {
        let api = &self.product.ready.api;
        EventStream::open(&self.client, api, &key.secret, after, &self.clock).await
    }

    /// With all read that the key's durable held; the next event is the next one of the org.
    async fn subscribe(&self, org: OrgId, key: &Key) -> Result<Subscription, BenchError> {
        let mut refusal = String::new();
        for _ in 0..CONNECTS_MAX {
            let began = self.clock.monotonic();
            let reader = Reader {
                address: &self.nats,
                key: &key.secret,
                durable: durable_name(org, KeyId::from_uuid(key.id)),
                number: self.entropy.u64(),
            };
            let opened = Subscription::open(reader, &self.clock).await?;
            let took = self.clock.monotonic().as_nanos() - began.as_nanos();
            match opened {
                Ok(mut subscription) => {
                    self.note(|connects| connects.let_in.record(took));
                    subscription.settle(&self.clock).await?;
                    return Ok(subscription);
                }
                Err(said) => refusal = said,
            }
            self.note(|connects| connects.refused += 1);
            self.clock.sleep(AGAIN).await;
        }
        let text = format!("NATS lets a key in no more: {refusal}");
        Err(BenchError::Wrong(text))
    }

    fn note(&self, change: impl FnOnce(&mut Connects)) {
        change(&mut self.connects.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What connecting to NATS took, over all keys and repeats.
    pub fn connects(&self) -> Value {
        let connects = self.connects.lock().unwrap_or_else(PoisonError::into_inner);
        let let_in = connects.let_in.to_json();
        json!({ "at_once": AT_ONCE, "let_in": let_in, "refused": connects.refused })
    }

    pub async fn clear(self) -> Result<(), BenchError> {
        self.open_log.close().await;
        self.product.stop().await
    }
}

/// The address in a URL.
fn address(url: &str) -> Result<String, BenchError> {
    // The URL itself would show the password.
    let wrong = || BenchError::Wrong("the address of NATS has another form".into());
    let url: Url = url.parse().map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    let port = url.port().ok_or_else(wrong)?;
    Ok(format!("{host}:{port}"))
}

/// For this process, and for those that it starts.
fn raise_file_limit() -> Result<(), BenchError> {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(FILES);
    if limit.current.is_some_and(|current| current < FILES) {
        let raised = Rlimit {
            current: Some(FILES.min(allowed)),
            ..limit
        };
        let set = setrlimit(Resource::Nofile, raised);
        set.map_err(|error| BenchError::Talk(error.into()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_address_of_nats_is_parted_from_the_login() {
        let address_of = address("nats://me:secret@127.0.0.1:4333");
        assert_eq!(address_of.unwrap(), "127.0.0.1:4333");
        assert!(address("nats://nowhere").is_err());
    }
}
