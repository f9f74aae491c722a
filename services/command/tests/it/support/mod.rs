//! A service of its own for each test, and what to ask of it.

mod answer;
mod people;
mod provider;
mod receiver;
mod routes;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use clap::Parser;
use command::oidc::Oidc;
use command::{CommandService, Config, Resources};
use domain::ids::{GlobalPosition, OrgId};
use gate::{Ledger, Limiter};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use runtime::clock::{Clock, ManualClock};
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, Outcome, ShutdownPolicy};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use testkit::{Proxy, TestDatabase};
use tower::ServiceExt;

pub use self::answer::Answer;
pub use self::people::{PASSWORD, Person};
pub use self::provider::{CLIENT_ID, CLIENT_SECRET, Fault, Provider, Signed};
pub use self::receiver::{Received, Receiver, Reply};
pub use self::routes::{Good, command_routes, good, path_with, secret_of, with_id};
pub use self::world::{Org, World, ingest_line};

/// How long a busy machine may take.
const SOON: Duration = Duration::from_mins(1);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    command: Config,
}

/// One process's command service.
pub struct TestApp {
    db: Arc<TestDatabase>,
    pub service: CommandService,
    router: Router,
    clock: Clock,
    gate_clock: ManualClock,
    lifecycle: Lifecycle,
    issuer: Option<String>,
}

/// What a process is made of.
struct Setup {
    db: Arc<TestDatabase>,
    /// How commands reach the database.
    primary: PgPool,
    /// How credentials are checked.
    verify: PgPool,
    nats: Option<async_nats::Client>,
    /// That of everything but the gate.
    clock: Clock,
    settings: &'static [&'static str],
    /// The provider that people sign in with.
    issuer: Option<String>,
    /// The folder of its ledger.
    ledger: Option<PathBuf>,
    /// The folder of the log's archives.
    archive: Option<PathBuf>,
}

impl Setup {
    fn on(db: Arc<TestDatabase>) -> Self {
        let pool = db.pool_as("tga_command");
        Self {
            primary: pool.clone(),
            verify: pool,
            db,
            nats: None,
            clock: Clock::system(),
            settings: &[],
            issuer: None,
            ledger: None,
            archive: None,
        }
    }

    async fn anew() -> Self {
        Self::on(Arc::new(testkit::postgres().await))
    }

    /// With commands led through a proxy, each of which waits so long for a connection; credentials
    /// are checked without it.
    async fn behind(
        self,
        proxy: impl AsyncFnOnce(u16) -> Proxy,
        patience: Duration,
    ) -> (Self, Proxy) {
        let proxy = proxy(self.db.options().get_port()).await;
        let through = self.db.options().clone().port(proxy.port());
        let primary = PgPoolOptions::new()
            .acquire_timeout(patience)
            .connect_lazy_with(through);
        (Self { primary, ..self }, proxy)
    }
}

impl TestApp {
    /// On a database of its own, without NATS.
    pub async fn new() -> Self {
        Self::start(Setup::anew().await)
    }

    /// The same, where time stands still: nothing comes too late, however busy the machine is.
    pub async fn without_time(settings: &'static [&'static str]) -> (Self, ManualClock) {
        let (clock, hand) = Clock::manual(Clock::system().now());
        let setup = Setup {
            clock,
            settings,
            ..Setup::anew().await
        };
        (Self::start(setup), hand)
    }

    /// In a time that stands still, with a provider to sign in with.
    pub async fn with_provider(clock: Clock, issuer: &str) -> Self {
        Self::start(Setup {
            clock,
            issuer: Some(issuer.to_owned()),
            ..Setup::anew().await
        })
    }

    /// Another process on the same database, in the same time.
    pub fn neighbour(&self) -> Self {
        Self::start(Setup {
            clock: self.clock.clone(),
            issuer: self.issuer.clone(),
            ..Setup::on(Arc::clone(&self.db))
        })
    }

    /// Another process on the same database, with a folder of archives.
    pub fn neighbour_with_archive(&self, folder: &Path) -> Self {
        Self::start(Setup {
            archive: Some(folder.to_owned()),
            ..Setup::on(Arc::clone(&self.db))
        })
    }

    /// On a database of its own, with a ledger that others may have written too.
    pub async fn with_ledger(folder: &Path) -> Self {
        Self::start(Setup {
            ledger: Some(folder.to_owned()),
            ..Setup::anew().await
        })
    }

    /// With NATS, its events mirrored.
    pub async fn mirrored(nats: &testkit::TestNats) -> Self {
        Self::start(Setup {
            nats: Some(nats.client().await),
            ..Setup::anew().await
        })
    }

    /// On a database of its own that commands reach through a proxy.
    pub async fn behind(proxy: impl AsyncFnOnce(u16) -> Proxy) -> (Self, Proxy) {
        let patience = Duration::from_secs(1);
        let (setup, proxy) = Setup::anew().await.behind(proxy, patience).await;
        let settings = &["--append-deadline-ms", "3000"];
        (Self::start(Setup { settings, ..setup }), proxy)
    }

    /// Another process on the same database, behind a proxy that may hold it up for as long as it
    /// likes: time stands still there.
    pub async fn neighbour_held_up(&self) -> (Self, Proxy) {
        let (clock, _) = Clock::manual(Clock::system().now());
        let setup = Setup {
            clock,
            ..Setup::on(Arc::clone(&self.db))
        };
        let (setup, proxy) = setup.behind(Proxy::to, SOON).await;
        (Self::start(setup), proxy)
    }

    fn start(setup: Setup) -> Self {
        let clock = setup.clock;
        let mut lifecycle = Lifecycle::new(clock.clone());
        let (base, requests) = (lifecycle.handle(), lifecycle.stage("requests"));
        // Its deadlines never pass: a busy machine is not late to check a credential, and whoever
        // is told that it could not be checked met a fault.
        let (still, gate_clock) = Clock::manual(Clock::system().now());
        let ledger = setup.ledger.as_deref();
        let config = config(setup.settings, setup.issuer.as_deref());
        let resources = Resources {
            signer: None,
            oidc: oidc(&config, &clock),
            ledger: ledger.map(|folder| Ledger::open(folder, "test", &base).unwrap()),
            archive: setup.archive,
            primary: setup.primary,
            limiter: Limiter::start(setup.verify.clone(), still, &base),
            verify: setup.verify,
            nats: setup.nats,
            clock: clock.clone(),
            entropy: Entropy::os(),
            base,
            requests,
        };
        let service = CommandService::start(&config, resources);
        Self {
            router: service.router(),
            db: setup.db,
            service,
            clock,
            gate_clock,
            lifecycle,
            issuer: setup.issuer,
        }
    }

    /// Who signs in with the provider, if there is one.
    pub fn oidc(&self) -> Option<Oidc> {
        oidc(&config(&[], self.issuer.as_deref()), &self.clock)
    }

    /// Stops it as a process is stopped, with so long to finish what it began.
    pub async fn stop(self, grace: Duration) -> Outcome {
        let notice = Duration::ZERO;
        let policy = ShutdownPolicy { notice, grace };
        self.lifecycle.shutdown(policy).await
    }

    /// Runs a statement as the superuser.
    pub async fn db_execute(&self, statement: &'static str) {
        sqlx::raw_sql(statement)
            .execute(self.db.pool())
            .await
            .unwrap();
    }

    /// A count, as the superuser sees it.
    pub async fn db_count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(self.db.pool())
            .await
            .unwrap()
    }

    /// All rows of all tables of the service, as text.
    pub async fn dump(&self) -> String {
        let mut dump = String::new();
        for schema in ["log", "gate", "auth"] {
            dump += &self.dump_of(schema).await;
        }
        dump
    }

    /// The same of one schema.
    pub async fn dump_of(&self, schema: &str) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = $1",
        )
        .bind(schema)
        .fetch_all(self.pool())
        .await
        .unwrap();
        let mut dump = String::new();
        for table in tables {
            let query = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
            let rows = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(query));
            dump += &rows.fetch_one(self.pool()).await.unwrap();
        }
        dump
    }

    /// A pool of the superuser's connections, for what stands beside the service.
    pub fn pool(&self) -> &PgPool {
        self.db.pool()
    }

    /// Begins a request.
    pub fn request(&self, method: &Method, path: &str) -> Ask<'_> {
        self.request_to(method, &format!("/api/v1{path}"))
    }

    /// Begins a request beside v1.
    pub fn request_to(&self, method: &Method, path: &str) -> Ask<'_> {
        Ask {
            app: self,
            request: Request::builder()
                .method(method)
                .uri(path)
                .body(Bytes::new())
                .unwrap(),
        }
    }

    /// The time of everything but the gate.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// The end of the log.
    pub async fn head(&self) -> GlobalPosition {
        self.service.log().head().await.unwrap().position
    }

    /// The types of an org's decisions after a position.
    pub async fn events_after(&self, position: GlobalPosition) -> Vec<(OrgId, String)> {
        let events = self.service.log().read(position, 5_000).await.unwrap();
        events
            .into_iter()
            .map(|event| (event.org_id, event.type_name.into_owned()))
            .collect()
    }
}

fn config(settings: &[&str], issuer: Option<&str>) -> Config {
    let common = ["command", "--webhook-allow", "127.0.0.0/8"];
    let mut settings = [&common[..], settings].concat();
    if let Some(issuer) = issuer {
        settings.extend(["--oidc-issuer", issuer, "--oidc-client-id", CLIENT_ID]);
        settings.extend(["--oidc-allow", "127.0.0.0/8"]);
    }
    Cli::try_parse_from(settings).unwrap().command
}

fn oidc(config: &Config, clock: &Clock) -> Option<Oidc> {
    let secret = CLIENT_SECRET.into();
    let (clock, url) = (clock.clone(), config.public_url());
    Oidc::try_new(&config.oidc, Some(&secret), &url, clock, Entropy::os()).unwrap()
}

/// A request being put together.
pub struct Ask<'a> {
    app: &'a TestApp,
    request: http::Request<Bytes>,
}

impl Ask<'_> {
    /// With a credential.
    pub fn with_key(self, secret: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {secret}"))
    }

    /// With a header more.
    pub fn header(mut self, name: impl Into<HeaderName>, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.request.headers_mut().append(name.into(), value);
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With any body.
    pub fn body(self, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut asked = self.header(CONTENT_TYPE, media_type);
        *asked.request.body_mut() = body.into();
        asked
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        self.send_once().await
    }

    /// Sends it, and again as long as other processes' decisions of the org come first.
    pub async fn send_patiently(self) -> Answer {
        let what = self.request.uri().to_string();
        testkit::eventually(SOON, &what, async || {
            let answer = self.send_once().await;
            if answer.body["meta"]["code"] == "conflict" {
                Err("conflict")
            } else {
                Ok(answer)
            }
        })
        .await
    }

    async fn send_once(&self) -> Answer {
        // Keys end by the date.
        self.app.gate_clock.set_wall(Clock::system().now());
        let request = self.request.clone().map(Body::from);
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        Answer::read(response).await
    }
}
