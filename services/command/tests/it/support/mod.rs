//! A service of its own for each test, and what to ask of it.

mod answer;
mod routes;
mod world;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use clap::Parser;
use command::{CommandService, Config, Resources};
use domain::ids::{GlobalPosition, OrgId};
use gate::Limiter;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Lifecycle;
use serde_json::Value;
use testkit::TestDatabase;
use tower::ServiceExt;

pub use self::answer::Answer;
pub use self::routes::{Good, command_routes, good};
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
    _lifecycle: Lifecycle,
}

impl TestApp {
    /// On a database of its own, without NATS.
    pub async fn new() -> Self {
        Self::on(Arc::new(testkit::postgres().await), None)
    }

    /// Another process on the same database.
    pub fn neighbour(&self) -> Self {
        Self::on(Arc::clone(&self.db), None)
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

    /// With NATS, its events mirrored.
    pub async fn mirrored(nats: &testkit::TestNats) -> Self {
        let nats = nats.client().await;
        Self::on(Arc::new(testkit::postgres().await), Some(nats))
    }

    /// A process whose commands reach the database through a proxy; credentials are checked
    /// without it.
    pub async fn behind(proxy: impl AsyncFnOnce(u16) -> testkit::Proxy) -> (Self, testkit::Proxy) {
        let db = Arc::new(testkit::postgres().await);
        let proxy = proxy(db.options().get_port()).await;
        let through = db.options().clone().port(proxy.port());
        let primary = sqlx::postgres::PgPoolOptions::new()
            .acquire_timeout(Duration::from_secs(1))
            .connect_lazy_with(through);
        let (service, lifecycle) = process(
            primary,
            db.pool_as("tga_command"),
            None,
            &["--append-deadline-ms", "3000"],
        );
        let app = Self {
            router: service.router(),
            db,
            service,
            _lifecycle: lifecycle,
        };
        (app, proxy)
    }

    fn on(db: Arc<TestDatabase>, nats: Option<async_nats::Client>) -> Self {
        let pool = db.pool_as("tga_command");
        let (service, lifecycle) = process(pool.clone(), pool, nats, &[]);
        Self {
            router: service.router(),
            db,
            service,
            _lifecycle: lifecycle,
        }
    }

    /// A pool of the superuser's connections, for what stands beside the service.
    pub fn pool(&self) -> &sqlx::PgPool {
        self.db.pool()
    }

    /// Begins a request.
    pub fn request(&self, method: &Method, path: &str) -> Ask<'_> {
        Ask {
            app: self,
            request: Request::builder()
                .method(method)
                .uri(format!("/api/v1{path}"))
                .body(Bytes::new())
                .unwrap(),
        }
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

fn process(
    primary: sqlx::PgPool,
    verify: sqlx::PgPool,
    nats: Option<async_nats::Client>,
    settings: &[&'static str],
) -> (CommandService, Lifecycle) {
    let clock = Clock::system();
    let mut lifecycle = Lifecycle::new(clock.clone());
    let (base, requests) = (lifecycle.handle(), lifecycle.stage("requests"));
    let resources = Resources {
        primary,
        limiter: Limiter::start(verify.clone(), clock.clone(), &base),
        verify,
        nats,
        clock,
        entropy: Entropy::os(),
        base,
        requests,
    };
    // Few at once: on a busy machine many would all be late.
    let few = ["command", "--verify-places", "8"];
    let config = Cli::try_parse_from([&few, settings].concat())
        .unwrap()
        .command;
    (CommandService::start(&config, resources), lifecycle)
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

    /// Sends it; again if a busy machine could not check the credential in time, which changes
    /// nothing.
    pub async fn send(self) -> Answer {
        self.send_while(&["verification_unavailable"]).await
    }

    /// Sends it, and again as long as other decisions of the org come first.
    pub async fn send_patiently(self) -> Answer {
        self.send_while(&["verification_unavailable", "conflict"])
            .await
    }

    async fn send_while(self, transient: &[&str]) -> Answer {
        let what = self.request.uri().to_string();
        testkit::eventually(SOON, &what, async || {
            let request = self.request.clone().map(Body::from);
            let response = self.app.router.clone().oneshot(request).await.unwrap();
            let answer = Answer::read(response).await;
            let code = answer.body["meta"]["code"].as_str().unwrap_or_default();
            if transient.contains(&code) {
                Err(code.to_owned())
            } else {
                Ok(answer)
            }
        })
        .await
    }
}
