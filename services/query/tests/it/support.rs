//! A query service over its real router, with a real Postgres, and orgs whose events are written
//! by hand.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use api::cursor::Cursors;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use clap::Parser;
use domain::credential::{CredentialHash, CredentialKind, CredentialSecret};
use domain::event::{
    Actor, CampaignAdded, CreatorAdded, Event, InvitationCreated, KeyCreated, LimitChanged,
    MediaType, MemberJoined, OrgCreated, ProjectAdded, Role, SessionOpened, TrackingMode,
    TrackingStatus, VideoDiscovered, VideoStats, WebhookAdded,
};
use domain::ids::{
    CampaignId, CreatorId, GlobalPosition, InvitationId, InviteeId, KeyId, OrgId, ProjectId,
    SessionId, UserId, VideoId, WebhookId, WebhookSecretId,
};
use domain::plan::{LimitKey, Plan};
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::scope::Scopes;
use domain::signed::NoteSigner;
use domain::text::{CampaignName, Metadata, Name, ProjectName, WebhookDescription};
use domain::time::Timestamp;
use domain::webhook::WebhookUrl;
use event_log::{AppendRequest, EventLog, Mirror, MirrorConfig, Signer, SignerConfig};
use gate::Limiter;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use query::subscribers::{DURABLES_INBOX, SYSTEM_INBOX, Subscribers};
use query::{Config, Parts, QueryService};
use read_model::ProjectionVersion;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, TaskKind, Tasks};
use runtime::nats::NatsUrl;
use runtime::nats_keys::SubscriberKeys;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use testkit::{Proxy, TestDatabase, TestNats, TestPostgres};
use tower::ServiceExt;

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

/// An org with a key that may do everything.
pub struct Org {
    pub id: OrgId,
    pub key_id: KeyId,
    pub key: String,
}

/// A person who is signed in.
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub session_id: SessionId,
    /// The session's credential.
    pub secret: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
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

    /// An org on plan ultra with a generous window, and its key.
    pub async fn org(&self) -> Org {
        self.org_on(Plan::Ultra).await
    }

    pub async fn org_on(&self, plan: Plan) -> Org {
        let id = OrgId::generate(self.now(), self.entropy.bytes());
        let (key_id, key, event) = self.new_key(Scopes::ORG_ADMIN, 1_000_000);
        let limit = |limit_key, value| {
            Event::from(LimitChanged {
                limit_key,
                value: Some(value),
            })
        };
        let events = vec![
            OrgCreated {
                name: Name::parse("Acme").unwrap(),
                plan,
                timezone: "UTC".to_owned(),
            }
            .into(),
            limit(LimitKey::MaxApiRequestsPerDay, 1_000_000),
            limit(LimitKey::MaxRequestsPerMinutePerKey, 1_000_000),
            event,
        ];
        let org = Org { id, key_id, key };
        self.append(&org, events).await;
        org
    }

    /// A key that no event has made yet.
    pub fn new_key(&self, scopes: Scopes, per_minute: u64) -> (KeyId, String, Event) {
        let key_id = KeyId::generate(self.now(), self.entropy.bytes());
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &self.entropy.bytes());
        let text = secret.reveal().to_owned();
        let hash = secret.hash();
        let event = KeyCreated {
            prefix: secret.prefix(),
            ..key_created(key_id, scopes, per_minute, hash)
        };
        (key_id, text, event.into())
    }

    /// Gives the org one more key.
    pub async fn key(&self, org: &Org, scopes: Scopes) -> String {
        let (_, key, event) = self.new_key(scopes, 1_000_000);
        self.append(org, vec![event]).await;
        key
    }

    /// A new member of the org, signed in.
    pub async fn person(&self, org: &Org, role: Role, name: &str) -> Person {
        let id = UserId::generate(self.now(), self.entropy.bytes());
        let email = format!(
            "{}.{}@example.com",
            name.to_lowercase(),
            id.as_uuid().simple()
        );
        sqlx::query(
            "insert into auth.users (id, email, name, password_hash, created_at)
             values ($1, $2, $3, '', now())",
        )
        .bind(id.as_uuid())
        .bind(&email)
        .bind(name)
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        let joined = MemberJoined { user_id: id, role };
        self.append(org, vec![joined.into()]).await;
        let (session_id, secret) = self.session(org, id, role).await;
        Person {
            id,
            email,
            session_id,
            secret,
        }
    }

    /// Another session of a member.
    pub async fn session(&self, org: &Org, user_id: UserId, role: Role) -> (SessionId, String) {
        let session_id = SessionId::generate(self.now(), self.entropy.bytes());
        let secret = CredentialSecret::generate(CredentialKind::Session, &self.entropy.bytes());
        sqlx::query(
            "insert into auth.sessions (id, org_id, user_id, ip, user_agent, created_at)
             values ($1, $2, $3, '203.0.113.7', 'test', now())",
        )
        .bind(session_id.as_uuid())
        .bind(org.id.as_uuid())
        .bind(user_id.as_uuid())
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        let opened = SessionOpened {
            session_id,
            user_id,
            role,
            expires_at: self.now().plus(chrono::TimeDelta::days(7)),
            hash: Some(secret.hash()),
        };
        self.append(org, vec![opened.into()]).await;
        (session_id, secret.reveal().to_owned())
    }

    /// An open invitation of the org to an address.
    pub async fn invite(&self, org: &Org, email: &str) -> InvitationId {
        let invitation_id = InvitationId::generate(self.now(), self.entropy.bytes());
        let invitee_id = InviteeId::generate(self.now(), self.entropy.bytes());
        let token: [u8; 32] = self.entropy.bytes();
        sqlx::query(
            "with invitee as (
                 insert into auth.invitees (id, org_id, email) values ($2, $3, $4) returning id
             )
             insert into auth.invitations (id, invitee_id, token_hash, created_at)
             select $1, invitee.id, $5, now() from invitee",
        )
        .bind(invitation_id.as_uuid())
        .bind(invitee_id.as_uuid())
        .bind(org.id.as_uuid())
        .bind(email)
        .bind(&token[..])
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        let created = InvitationCreated {
            invitation_id,
            invitee_id,
            role: Role::Member,
            expires_at: self.now().plus(chrono::TimeDelta::days(7)),
        };
        self.append(org, vec![created.into()]).await;
        invitation_id
    }

    pub async fn append(&self, org: &Org, events: Vec<Event>) -> GlobalPosition {
        let request = AppendRequest {
            org_id: org.id,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        self.log.append(request).await.unwrap().last
    }

    pub async fn project(&self, org: &Org, name: &str) -> ProjectId {
        let project_id = ProjectId::generate(self.now(), self.entropy.bytes());
        let added = ProjectAdded {
            project_id,
            name: ProjectName::parse(name).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        };
        self.append(org, vec![added.into()]).await;
        project_id
    }

    pub async fn campaign(&self, org: &Org, project_id: ProjectId, name: &str) -> CampaignId {
        let campaign_id = CampaignId::generate(self.now(), self.entropy.bytes());
        let added = CampaignAdded {
            campaign_id,
            project_id,
            name: CampaignName::parse(name).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
            target_views: None,
            target_at: None,
        };
        self.append(org, vec![added.into()]).await;
        campaign_id
    }

    pub async fn webhook(&self, org: &Org, description: &str) -> WebhookId {
        let webhook_id = WebhookId::generate(self.now(), self.entropy.bytes());
        let added = WebhookAdded {
            webhook_id,
            url: WebhookUrl::parse("https://hooks.example.com/in").unwrap(),
            description: Some(WebhookDescription::parse(description).unwrap()),
            types: vec![],
            secret_id: WebhookSecretId::generate(self.now(), self.entropy.bytes()),
        };
        self.append(org, vec![added.into()]).await;
        webhook_id
    }

    /// Keeps a delivery to a webhook, to which this was answered; gives its id.
    pub async fn delivery(&self, org: &Org, webhook: WebhookId, answer: &str) -> uuid::Uuid {
        let id = self.entropy.uuid_v7(self.now().datetime());
        sqlx::query(
            "insert into hooks.deliveries (delivery_id, webhook_id, org_id, position, event_id,
                    event_type, subject, status, ready, apart, attempts, tries, last_attempt_at,
                    last_status, last_error, last_answer, created_at)
             values ($1, $2, $3, (select count(*) from hooks.deliveries), $1, 'key.revoked', 'keys/x',
                    'abandoned', false, false, 10, 10, now(), 500, 'status', $4, now())",
        )
        .bind(id)
        .bind(webhook.as_uuid())
        .bind(org.id.as_uuid())
        .bind(answer)
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        id
    }

    pub async fn creator(&self, org: &Org, project_id: ProjectId, handle: &str) -> CreatorId {
        let creator_id = CreatorId::generate(self.now(), self.entropy.bytes());
        let added = CreatorAdded {
            creator_id,
            project_id,
            platform: Platform::Tiktok,
            handle: Handle::parse(Platform::Tiktok, handle).unwrap(),
            tracking_mode: TrackingMode::Auto,
            tracking_start_date: None,
            display_name: None,
            readme: None,
            metadata: Metadata::empty(),
        };
        self.append(org, vec![added.into()]).await;
        creator_id
    }

    pub async fn video(
        &self,
        org: &Org,
        project_id: ProjectId,
        creator_id: CreatorId,
        number: u64,
        tracking_status: TrackingStatus,
    ) -> VideoId {
        let video_id = VideoId::generate(self.now(), self.entropy.bytes());
        let name = PlatformVideoId::parse(Platform::Tiktok, &number.to_string()).unwrap();
        let found = VideoDiscovered {
            video_id,
            project_id,
            creator_id,
            platform: Platform::Tiktok,
            url: name.url(Platform::Tiktok, None),
            platform_video_id: name,
            media_type: MediaType::Video,
            tracking_status,
            posted_at: Some(instant("2026-01-01T12:00:00Z")),
        };
        self.append(org, vec![found.into()]).await;
        video_id
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

impl Replica {
    /// The answer, once the primary can be asked, which may be late on a busy machine, and a denial
    /// may be told: nobody settles it here but time.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        testkit::eventually(PATIENCE, "the gate says yes or no", async || {
            let reply = self.send_once(method.clone(), path, headers).await;
            let says = |code: &str| {
                let mut parts = reply.body.windows(code.len());
                parts.any(|part| part == code.as_bytes())
            };
            let waits = says("verification_unavailable") || says("key_revocation_in_progress");
            (!waits).then_some(reply)
        })
        .await
    }

    pub async fn send_once(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask(method, &format!("/api/v1{path}"), headers).await
    }

    /// The answer to a path that need not be one of v1.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, mut body) = response.into_parts();
        // What never ends is looked at once.
        let goes_on = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it == "text/event-stream");
        let body = if goes_on {
            let first = body.frame().await.unwrap().unwrap();
            first.into_data().unwrap()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// An answer whose body is read by the test, once the primary could be asked.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        testkit::eventually(PATIENCE, "the gate says yes or no", async || {
            let response = self.open_once(path, headers).await;
            (response.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(response)
        })
        .await
    }

    async fn open_once(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().uri(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks for whatever there is now.
    pub async fn get(&self, key: &str, path: &str) -> Reply {
        self.send(Method::GET, path, &[bearer(key)]).await
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `data` of a success.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{:?}", self.body);
        self.json()["data"].clone()
    }

    /// `meta.code` of a refusal.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["data"], Value::Null);
        body["meta"]["code"].as_str().unwrap().to_owned()
    }

    /// `invalid_query`, first of all for this parameter, with this hint.
    #[track_caller]
    pub fn is_refused_for(&self, parameter: &str, hint: &str) {
        assert_eq!(self.code(), "invalid_query", "{:?}", self.body);
        let issue = self.json()["meta"]["issues"][0].clone();
        assert_eq!(issue["path"], parameter, "{issue}");
        let message = issue["message"].as_str().unwrap();
        assert!(message.contains(hint), "{issue}");
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn position(&self) -> u64 {
        self.header("tga-position").parse().unwrap()
    }
}

/// The Authorization header; leaked, since a test names its few keys once.
pub fn bearer(key: &str) -> (&'static str, &'static str) {
    ("authorization", Box::leak(format!("Bearer {key}").into()))
}

/// A metric of this process as it is exported, all its tests together.
pub fn metric(line: &str) -> f64 {
    let text = recorder().render();
    let value = text.lines().find_map(|known| known.strip_prefix(line));
    value.map_or(0.0, |value| value.trim().parse().unwrap())
}

fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

pub fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn views(video_id: VideoId, at: &str, views: u64) -> VideoStats {
    VideoStats {
        video_id,
        observed_at: instant(at),
        view_count: Some(views),
        like_count: None,
        comment_count: None,
        share_count: None,
        save_count: None,
    }
}

fn key_created(key_id: KeyId, scopes: Scopes, per_minute: u64, hash: CredentialHash) -> KeyCreated {
    KeyCreated {
        key_id,
        name: Name::parse("Reporting").unwrap(),
        prefix: String::new(),
        scopes,
        owner_id: None,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: per_minute,
        strict: false,
        replaces: None,
        hash: Some(hash),
    }
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
