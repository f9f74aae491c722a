//! The product with orgs that have subscribers, and who appends to their logs.

use std::sync::Arc;

use domain::ids::OrgId;
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use event_log::{Mirror, MirrorConfig, subject_of_org};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Url};
use runtime::clock::Clock;
use runtime::lifecycle::TaskKind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::nats::{Login, Subscription};
use super::phase::{Connection, Subscriber};
use super::sse::EventStream;
use crate::bench::Setting;
use crate::bench::append::ours::Template;
use crate::bench::error::BenchError;
use crate::bench::fleet::Org;
use crate::bench::open_log::OpenLog;
use crate::bench::product::Product;
use crate::bench::zipf::Random;
use crate::nats;

/// Connections that are made at once.
const AT_ONCE: usize = 32;
/// Both ends of what a few thousand subscribers hold open, and what else is open.
const FILES: u64 = 8_192;
/// Appends that make plans and open connections, before anything is measured.
const WARM_UP: usize = 64;

/// How events reach subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sse,
    Nats,
}

/// An org, and a key of its own.
pub struct Tenant {
    pub org: OrgId,
    key: String,
}

pub struct Stage {
    pub open_log: OpenLog,
    pub tenants: Vec<Tenant>,
    product: Product,
    client: Client,
    clock: Clock,
    /// Where NATS listens.
    nats: String,
    operator: Login,
    /// Whether a key may subscribe to its org's subjects. This is the one place that knows.
    by_key: bool,
}

impl Stage {
    pub async fn set(orgs: usize, setting: &Setting) -> Result<Self, BenchError> {
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
            let mut keys = org.write_with(scopes, url, 1, setting).await?;
            let key = keys.pop().unwrap_or_default();
            tenants.push(Tenant { org: id, key });
        }
        // Rows are found by those that load them when they start.
        product.stop().await?;
        let product = Product::start(folder.path(), 1, clock).await?;
        let open_log = OpenLog::open(&product.ready.database_url, clock, entropy).await?;
        let connected = nats::connect(&product.ready.nats_url.as_str().into()).await?;
        let mirror = Mirror::new(open_log.log.clone(), connected, MirrorConfig::default());
        let tasks = open_log.tasks.clone();
        tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
        let (nats, operator) = split(&product.ready.nats_url)?;
        let client = Client::builder().no_proxy().build();
        let mut stage = Self {
            client: client.map_err(|error| BenchError::Wrong(error.to_string()))?,
            open_log,
            tenants,
            product,
            clock: clock.clone(),
            nats,
            operator,
            by_key: true,
        };
        stage.by_key = stage.subscribe(0).await.is_ok();
        let template = Template::new(200)?;
        let mut random = Random::new(entropy.u64());
        for number in 0..WARM_UP {
            let org = stage.tenants[number % orgs].org;
            let event = template.event(random.bytes());
            stage.open_log.append(org, vec![event]).await?;
        }
        Ok(stage)
    }

    /// Whether subscribers over NATS have keys, and not the operator's login.
    pub const fn is_by_key(&self) -> bool {
        self.by_key
    }

    /// Where the log ends.
    pub async fn head(&self) -> Result<u64, BenchError> {
        let head = self.open_log.log.head().await.map_err(BenchError::Read)?;
        Ok(head.position.get())
    }

    /// So many subscribers of the first orgs, in turn; none if there is no such way in this build.
    pub async fn subscribers(
        self: &Arc<Self>,
        way: Way,
        count: usize,
        orgs: usize,
        after: u64,
    ) -> Result<Option<Vec<Subscriber>>, BenchError> {
        let opening = (0..count).map(|number| {
            let (stage, org) = (Arc::clone(self), number % orgs);
            async move {
                let connection = match way {
                    Way::Sse => stage.stream(org, after).await?.map(Connection::Sse),
                    Way::Nats => Some(Connection::Nats(stage.subscribe(org).await?)),
                };
                let subscriber = connection.map(|connection| Subscriber { org, connection });
                Ok::<_, BenchError>(subscriber)
            }
        });
        let opened: Vec<Option<Subscriber>> = stream::iter(opening)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(opened.into_iter().collect())
    }

    async fn stream(&self, org: usize, after: u64) -> Result<Option<EventStream>, BenchError> {
        let api = &self.product.ready.api;
        let key = &self.tenants[org].key;
        EventStream::open(&self.client, api, key, after, &self.clock).await
    }

    async fn subscribe(&self, org: usize) -> Result<Subscription, BenchError> {
        let tenant = &self.tenants[org];
        let login = if self.by_key {
            Login::Key(tenant.key.clone())
        } else {
            self.operator.clone()
        };
        Subscription::open(&self.nats, &login, &subject_of_org(tenant.org)).await
    }

    pub async fn clear(self) -> Result<(), BenchError> {
        self.open_log.close().await;
        self.product.stop().await
    }
}

/// The address in a URL, and the login.
fn split(url: &str) -> Result<(String, Login), BenchError> {
    // The URL itself would show the password.
    let wrong = || BenchError::Wrong("the address of NATS has another form".into());
    let url: Url = url.parse().map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    let port = url.port().ok_or_else(wrong)?;
    let login = Login::Operator {
        user: url.username().to_owned(),
        password: url.password().unwrap_or_default().to_owned(),
    };
    Ok((format!("{host}:{port}"), login))
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
        let (address, login) = split("nats://me:secret@127.0.0.1:4333").unwrap();
        assert_eq!(address, "127.0.0.1:4333");
        let Login::Operator { user, password } = login else {
            panic!("{login:?}")
        };
        assert_eq!((user.as_str(), password.as_str()), ("me", "secret"));
        assert!(split("nats://nowhere").is_err());
    }
}
