//! A query service over its real router, with a real Postgres, and orgs whose events are written
//! by hand.

mod reply;
mod written;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use api::cursor::Cursors;
use axum::Router;
use bytes::Bytes;
use clap::Parser;
use domain::signed::NoteSigner;
use domain::time::Timestamp;
use event_log::{EventLog, Mirror, MirrorConfig, Signer, SignerConfig};
use gate::Limiter;
use http::Method;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use query::subscribers::{DURABLES_INBOX, SYSTEM_INBOX, Subscribers};
use query::{Config, Parts, QueryService};
use read_model::ProjectionVersion;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, TaskKind, Tasks};
use runtime::nats::NatsUrl;
use runtime::nats_keys::SubscriberKeys;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use testkit::{Proxy, TestDatabase, TestNats, TestPostgres};

pub use self::reply::{Reply, bearer, metric};
pub use self::written::{Org, Person, instant, views};

pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    query: Config,
}

/// Where everything stands.
pub enum Database {
    /// On the server that all tests share.
    Shared(Box<TestDatabase>),
    /// On a server of its own, which a test may stop.
    Own(Box<TestPostgres>),
}

/// A database, a log and one replica.
pub struct World {
    pub database: Database,
    pub log: EventLog,
    pub clock: Clock,
    pub entropy: Entropy,
    pub replica: Replica,
    lifecycle: Lifecycle,
}

/// One query service.
#[derive(Clone)]
pub struct Replica {
    /// Where it reads the projection; a test may close it.
    pub reads: PgPool,
    pub router: Router,
}

impl Database {
    pub fn pool_as(&self, role: &'static str) -> PgPool {
        match self {
            Self::Shared(database) => database.pool_as(role),
            Self::Own(server) => server.pool_as(role),
        }
    }

    pub fn options(&self) -> PgConnectOptions {
        match self {
            Self::Shared(database) => database.options().clone(),
            Self::Own(server) => server.options(),
        }
    }

    /// Its own server.
    pub fn server(&mut self) -> &mut TestPostgres {
        match self {
            Self::Shared(_) => panic!("the server is not the test's own"),
            Self::Own(server) => server,
        }
    }
}

/// By what the log is signed.
pub fn signing_key() -> NoteSigner {
    NoteSigner::new("trackagoat".parse().unwrap(), &[7; 32].into())
}

/// Signs the log as it is.
pub async fn sign(log: &EventLog) {
    let signer = Signer::new(log.clone(), None, SignerConfig::new(signing_key()));
    signer.sign_once().await.unwrap();
}

impl World {
    pub async fn start() -> Self {
        Self::start_on(Database::Shared(Box::new(testkit::postgres().await))).await
    }

    pub async fn start_on(database: Database) -> Self {
        recorder();
        let clock = Clock::system();
        let entropy = Entropy::os();
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        let config = event_log::Config::default();
        let writer = database.pool_as("tga_command");
        let (log, appender) = EventLog::new(writer, clock.clone(), entropy.clone(), config);
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        sign(&log).await;
        let replica = replica(&database, &log, &tasks, &[]).await;
        Self {
            database,
            log,
            clock,
            entropy,
            replica,
            lifecycle,
        }
    }

    /// Tasks that end with it.
    pub fn tasks(&self) -> Tasks {
        self.lifecycle.handle()
    }

    /// One more replica in this process, on the same log.
    pub async fn another_replica(&self, flags: &[&str]) -> Replica {
        replica(&self.database, &self.log, &self.lifecycle.handle(), flags).await
    }

    /// One more replica as in a process of its own, which hears of events from the log alone, and
    /// what ends it.
    pub async fn replica_apart(&self, flags: &[&str]) -> (Replica, Lifecycle) {
        let lifecycle = Lifecycle::new(self.clock.clone());
        let reader = self.database.pool_as("tga_query");
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let (log, _) = EventLog::new(reader, clock, entropy, event_log::Config::default());
        let replica = replica(&self.database, &log, &lifecycle.handle(), flags).await;
        (replica, lifecycle)
    }

    /// The same, in a time of its own; only the log is read in everyone's, so that no leap of that time
    /// falls into a question.
    pub async fn replica_in(&self, clock: Clock) -> (Replica, Lifecycle) {
        let lifecycle = Lifecycle::new(clock);
        let reader = self.database.pool_as("tga_query");
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let (log, _) = EventLog::new(reader, clock, entropy, event_log::Config::default());
        let flags = ["--projector", "false"];
        let replica = replica(&self.database, &log, &lifecycle.handle(), &flags).await;
        (replica, lifecycle)
    }

    /// The same, which reads archived events from a folder.
    pub async fn replica_with_archive(&self, folder: &Path) -> (Replica, Lifecycle) {
        let lifecycle = Lifecycle::new(self.clock.clone());
        let reader = self.database.pool_as("tga_query");
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let (log, _) = EventLog::new(reader, clock, entropy, event_log::Config::default());
        let log = log.with_archive(Some(folder.to_owned()));
        let flags = ["--projector", "false"];
        let replica = replica(&self.database, &log, &lifecycle.handle(), &flags).await;
        (replica, lifecycle)
    }

    /// A replica as in a process of its own, that lets subscribers in on this server.
    pub async fn replica_for_subscribers(&self, nats: &TestNats) -> (Replica, Lifecycle) {
        let lifecycle = Lifecycle::new(self.clock.clone());
        let reader = self.database.pool_as("tga_query");
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let (log, _) = EventLog::new(reader, clock, entropy, event_log::Config::default());
        let tasks = lifecycle.handle();
        let flags = ["--projector", "false"];
        let replica = replica_on(&self.database, &log, &tasks, &flags, Some(nats)).await;
        (replica, lifecycle)
    }

    /// Has what is appended from now on mirrored on this server.
    pub async fn mirror(&self, nats: &TestNats) {
        let client = nats.client().await;
        let mirror = Mirror::new(self.log.clone(), client, MirrorConfig::default());
        let tasks = self.lifecycle.handle();
        tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
    }

    /// The same, with its log behind a proxy, which a test may stall; nothing else of it is.
    pub async fn replica_behind(&self, proxy: &Proxy) -> (Replica, Lifecycle) {
        let lifecycle = Lifecycle::new(self.clock.clone());
        let options = self.database.options().port(proxy.port());
        let reader = PgPoolOptions::new().connect_lazy_with(options);
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let (log, _) = EventLog::new(reader, clock, entropy, event_log::Config::default());
        let flags = ["--projector", "false"];
        let replica = replica(&self.database, &log, &lifecycle.handle(), &flags).await;
        (replica, lifecycle)
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }

    /// Asks after everything that was written.
    pub async fn get(&self, key: &str, path: &str) -> Reply {
        let head = self.log.head().await.unwrap().position;
        let head = head.to_string();
        self.replica
            .send(
                Method::GET,
                path,
                &[bearer(key), ("tga-min-position", &head)],
            )
            .await
    }
}

fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

async fn replica(database: &Database, log: &EventLog, tasks: &Tasks, flags: &[&str]) -> Replica {
    replica_on(database, log, tasks, flags, None).await
}

async fn replica_on(
    database: &Database,
    log: &EventLog,
    tasks: &Tasks,
    flags: &[&str],
    nats: Option<&TestNats>,
) -> Replica {
    let (clock, entropy) = (tasks.clock().clone(), Entropy::os());
    let config = Cli::try_parse_from(["query"].iter().chain(flags))
        .unwrap()
        .query;
    let (reader, reads) = (database.pool_as("tga_query"), database.pool_as("tga_query"));
    let parts = Parts {
        log: log.clone(),
        primary: reader.clone(),
        reads: reads.clone(),
        projector: ProjectionVersion::CURRENT.in_schema(database.options()),
        nats: match nats {
            Some(nats) => Some(nats.replica_client().await),
            None => None,
        },
        subscribers: match nats {
            Some(nats) => Some(subscribers(nats).await),
            None => None,
        },
        limiter: Limiter::start(reader, clock.clone(), tasks),
        cursors: Cursors::new([7; 32], None),
        openapi: Bytes::from_static(b"{\"openapi\":\"3.1.0\"}"),
        clock: clock.clone(),
        entropy,
    };
    let service = QueryService::start(&config, parts, tasks);
    for mut ready in [service.gate_ready(), service.projection_ready()] {
        let waited = clock
            .timeout(PATIENCE, ready.wait_for(|ready| *ready))
            .await;
        waited.expect("the service is ready in time").unwrap();
    }
    let router = service.router();
    Replica { reads, router }
}

/// By what a replica lets subscribers in on this server.
async fn subscribers(nats: &TestNats) -> Subscribers {
    let keys = nats.subscriber_keys();
    let connect = async |url: String, inbox: &str| {
        let url: NatsUrl = url.parse().unwrap();
        let options = url.options().custom_inbox_prefix(inbox);
        options.connect(url.addresses()).await.unwrap()
    };
    Subscribers {
        system: connect(nats.subscribers_url(), SYSTEM_INBOX).await,
        durables: connect(nats.durables_url(), DURABLES_INBOX).await,
        keys: SubscriberKeys::from_seeds(&keys.account_seed(), &keys.curve_seed()).unwrap(),
    }
}
