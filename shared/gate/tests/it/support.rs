//! A log, replicas and a coordinator as they run in production, in one process.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{
    Actor, Event, KeyCreated, KeyRevoked, LimitChanged, OrgCreated, RevocationReason,
};
use domain::ids::{GlobalPosition, KeyId, OrgId};
use domain::plan::{LimitKey, Plan};
use domain::scope::Scopes;
use domain::text::Name;
use event_log::{AppendRequest, Config, EventLog, Mirror, MirrorConfig};
use gate::{
    Admission, Coordinator, CoordinatorConfig, CoordinatorParts, Denial, Denials, Gate, Ledger,
    Limiter, Receipt, ReplicaConfig, ReplicaParts, VerifyConfig,
};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use testkit::eventually;

pub const SOON: Duration = Duration::from_secs(20);
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A command service's part: it appends, mirrors and settles.
pub struct Command {
    pub log: EventLog,
    pub coordinator: Coordinator,
    lifecycle: Lifecycle,
}

/// A key with its secret.
pub struct Key {
    pub id: KeyId,
    pub org: OrgId,
    pub headers: HeaderMap,
}

/// What a test says about a new key.
pub struct KeySpec {
    pub scopes: Scopes,
    pub rate: u64,
    pub change: fn(&mut KeyCreated),
}

impl Default for KeySpec {
    fn default() -> Self {
        Self {
            scopes: Scopes::DEFAULT,
            rate: 60,
            change: |_| {},
        }
    }
}

impl Command {
    pub fn start(pool: PgPool, nats: Option<async_nats::Client>) -> Self {
        Self::start_with(pool, nats, None)
    }

    /// With a second copy of denials in a folder.
    pub fn start_with(
        pool: PgPool,
        nats: Option<async_nats::Client>,
        ledger: Option<&Path>,
    ) -> Self {
        let clock = Clock::system();
        let config = Config::default();
        let primary = pool.clone();
        let (log, appender) = EventLog::new(pool, clock.clone(), Entropy::os(), config);
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        let ledger = ledger.map(|folder| Ledger::open(folder, "test", &tasks).unwrap());
        if let Some(nats) = nats.clone() {
            let mirror = Mirror::new(log.clone(), nats, MirrorConfig::default());
            tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
        }
        let parts = CoordinatorParts {
            primary,
            log: log.clone(),
            nats,
            ledger,
            clock,
        };
        let coordinator = Coordinator::start(parts, CoordinatorConfig::default(), &tasks);
        Self {
            log,
            coordinator,
            lifecycle,
        }
    }

    pub async fn append(&self, org_id: OrgId, events: Vec<Event>) -> GlobalPosition {
        let request = AppendRequest {
            org_id,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        self.log.append(request).await.unwrap().last
    }

    /// Appends and waits until it is in force everywhere.
    pub async fn enforce(&self, org: OrgId, event: impl Into<Event>) -> Receipt {
        let position = self.append(org, vec![event.into()]).await;
        self.settle(position).await
    }

    /// Runs the barrier of one event.
    pub async fn settle(&self, position: GlobalPosition) -> Receipt {
        let denials = Denials {
            first: position,
            last: position,
        };
        self.coordinator.settle(denials).await.unwrap()
    }

    pub async fn revoke(&self, key: &Key) -> Receipt {
        self.enforce(key.org, revoked(key.id)).await
    }

    /// An org of plan Starter with its limits on requests raised.
    pub async fn org(&self) -> OrgId {
        let org = self.org_with_day(1_000_000).await;
        let raised = limit(LimitKey::MaxRequestsPerMinutePerKey, 10_000_000);
        self.append(org, vec![raised]).await;
        org
    }

    pub async fn org_with_day(&self, requests_per_day: u64) -> OrgId {
        let org = OrgId::from_uuid(Entropy::os().uuid_v4());
        let created = OrgCreated {
            name: Name::parse("Acme").unwrap(),
            plan: Plan::Starter,
            timezone: "UTC".to_owned(),
        };
        let day = limit(LimitKey::MaxApiRequestsPerDay, requests_per_day);
        self.append(org, vec![created.into(), day]).await;
        org
    }

    pub async fn key(&self, org: OrgId) -> Key {
        self.key_with(org, KeySpec::default()).await
    }

    pub async fn key_with(&self, org: OrgId, spec: KeySpec) -> Key {
        let random = Entropy::os().bytes();
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &random);
        let id = KeyId::from_uuid(Entropy::os().uuid_v4());
        let mut created = KeyCreated {
            key_id: id,
            name: Name::parse("Test").unwrap(),
            prefix: secret.prefix(),
            scopes: spec.scopes,
            owner_id: None,
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: spec.rate,
            strict: false,
            replaces: None,
            hash: Some(secret.hash()),
        };
        (spec.change)(&mut created);
        self.append(org, vec![created.into()]).await;
        Key {
            id,
            org,
            headers: bearer(secret.reveal()),
        }
    }

    pub async fn stop(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}

/// A query service's part.
pub struct Replica {
    pub gate: Gate,
    tasks: Tasks,
    lifecycle: Lifecycle,
}

impl Replica {
    /// Started, loaded and with a lease.
    pub async fn start(pool: PgPool, nats: Option<async_nats::Client>) -> Self {
        let replica = Self::launch(pool, nats, Clock::system(), &config());
        replica.ready().await;
        replica
    }

    pub fn launch(
        pool: PgPool,
        nats: Option<async_nats::Client>,
        clock: Clock,
        config: &ReplicaConfig,
    ) -> Self {
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        // The log polls on its own: a test that stops the replica's clock cuts its servers off.
        let (log, _) = EventLog::new(
            pool.clone(),
            Clock::system(),
            Entropy::os(),
            Config::default(),
        );
        let limiter = Limiter::start(pool.clone(), clock, &tasks);
        let parts = ReplicaParts {
            primary: pool,
            log,
            nats,
            entropy: Entropy::os(),
        };
        let gate = Gate::cached(limiter, parts, VerifyConfig::default(), config, &tasks);
        Self {
            gate,
            tasks,
            lifecycle,
        }
    }

    pub async fn ready(&self) {
        let mut ready = self.gate.ready();
        let ready = ready.wait_for(|ready| *ready);
        Clock::system().timeout(SOON, ready).await.unwrap().unwrap();
    }

    /// Asks once, and takes 503 for an answer.
    pub async fn ask_once(&self, key: &Key) -> Result<Admission, Denial> {
        self.gate.authorize(&key.headers, PEER).await
    }

    /// Asks as a patient client does: the machine may be too busy for an answer in time.
    pub async fn ask(&self, key: &Key) -> Result<Admission, Denial> {
        patiently(&self.gate, &key.headers).await
    }

    /// Ends without a word, as a killed process does.
    pub fn kill(&self) {
        self.tasks.hard().cancel();
    }

    pub async fn stop(self) {
        self.lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}

/// Asks until the answer is another than 503.
pub async fn patiently(gate: &Gate, headers: &HeaderMap) -> Result<Admission, Denial> {
    patiently_from(gate, headers, PEER).await
}

/// The same from another address.
pub async fn patiently_from(
    gate: &Gate,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Admission, Denial> {
    eventually(SOON, "an answer other than 503", async || {
        match gate.authorize(headers, peer).await {
            Err(Denial::VerificationUnavailable | Denial::RevocationInProgress) => None,
            answer => Some(answer),
        }
    })
    .await
}

pub fn config() -> ReplicaConfig {
    ReplicaConfig::new("test")
}

/// A short lease, for tests that wait for its end: W is 1.253 s.
pub fn short_lease() -> ReplicaConfig {
    ReplicaConfig {
        term: Duration::from_secs(1),
        ..config()
    }
}

pub fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    headers
}

pub fn revoked(key_id: KeyId) -> KeyRevoked {
    KeyRevoked {
        key_id,
        reason: RevocationReason::Requested,
    }
}

pub fn limit(limit_key: LimitKey, value: u64) -> Event {
    Event::LimitChanged(LimitChanged {
        limit_key,
        value: Some(value),
    })
}

/// A pool through a proxy, in the role of a query service.
pub fn proxied(options: &PgConnectOptions, port: u16) -> PgPool {
    PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with(options.clone().port(port))
}

/// Asks until the primary need not be asked any more: the entry is cached.
pub async fn cached(replica: &Replica, key: &Key) {
    eventually(SOON, "the key is admitted", async || replica.ask(key).await).await;
}
