//! A log, replicas and a coordinator as they run in production, in one process.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::event::{
    Actor, Event, KeyChanged, KeyCreated, KeyRevoked, LimitChanged, OrgCreated, RevocationReason,
};
use domain::ids::{GlobalPosition, IncarnationId, KeyId, OrgId};
use domain::plan::{LimitKey, Plan};
use domain::scope::Scopes;
use domain::text::Name;
use event_log::{AppendRequest, Config, EventLog, Mirror, MirrorConfig};
use gate::{
    Admission, Coordinator, CoordinatorConfig, CoordinatorParts, Denial, Denials, Gate, Hold,
    Ledger, Limiter, Receipt, ReplicaConfig, ReplicaParts, VerifyConfig,
};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use testkit::{TestDatabase, eventually};

pub const SOON: Duration = Duration::from_secs(20);
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A command service's part: it appends, mirrors and settles.
pub struct Command {
    pub log: EventLog,
    pub coordinator: Coordinator,
    primary: PgPool,
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
        let hold = Arc::new(Hold::new(Clock::system()));
        Self::start_holding(pool, nats, ledger, hold)
    }

    /// In one process with those whose knowledge of settlements it is.
    pub fn start_holding(
        pool: PgPool,
        nats: Option<async_nats::Client>,
        ledger: Option<&Path>,
        hold: Arc<Hold>,
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
            primary: primary.clone(),
            log: log.clone(),
            nats,
            ledger,
            hold,
            clock,
        };
        let coordinator = Coordinator::start(parts, CoordinatorConfig::default(), &tasks);
        Self {
            log,
            coordinator,
            primary,
            lifecycle,
        }
    }

    /// The gate of its callers: every request asks the primary.
    pub fn gate(&self, primary: PgPool) -> Gate {
        let tasks = self.lifecycle.handle();
        let limiter = Limiter::start(primary.clone(), Clock::system(), &tasks);
        let config = VerifyConfig::default();
        Gate::verify_always(limiter, primary, &self.coordinator, config)
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

    /// Runs the barrier of one event, as a patient caller does: the machine may be too busy.
    pub async fn settle(&self, position: GlobalPosition) -> Receipt {
        let denials = Denials {
            first: position,
            last: position,
        };
        eventually(SOON, "it is settled", async || {
            let epoch = self.log.head().await.unwrap().epoch;
            self.coordinator.settle(epoch, denials).await
        })
        .await
    }

    /// The same, until it is noted on the primary: the machine may be too busy to do that in time,
    /// and where no time settles anything nobody else would hear of it.
    pub async fn settle_and_note(&self, position: GlobalPosition) {
        eventually(SOON, "the settlement is noted", async || {
            self.settle(position).await;
            settled(&self.primary).await >= position
        })
        .await;
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
        let Self {
            log,
            coordinator,
            lifecycle,
            ..
        } = self;
        // Nobody settles anything any more, so the ledger is at its end.
        drop((log, coordinator));
        lifecycle.shutdown(ShutdownPolicy::default()).await;
    }
}

/// A query service's part.
pub struct Replica {
    pub gate: Gate,
    pub limiter: Limiter,
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
        let verify = VerifyConfig::default();
        let gate = Gate::cached(limiter.clone(), parts, verify, config, &tasks);
        Self {
            gate,
            limiter,
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

/// Asks until the credential could be checked: the machine may be too busy for an answer in time.
pub async fn answered(gate: &Gate, headers: &HeaderMap) -> Result<Admission, Denial> {
    eventually(SOON, "an answer of the primary", async || {
        match gate.authorize(headers, PEER).await {
            Err(Denial::VerificationUnavailable) => None,
            answer => Some(answer),
        }
    })
    .await
}

/// From here on leases may last so long that no time which a test waits settles a denial.
pub async fn let_no_time_settle(database: &TestDatabase) {
    let mut owner = database.pool().acquire().await.unwrap();
    let term = Duration::from_mins(10);
    gate::allow_lease(&mut owner, term).await.unwrap();
}

/// Up to where the primary has everything settled.
pub async fn settled(pool: &PgPool) -> GlobalPosition {
    // Run at run time: a test's own look at one row.
    let settled: i64 = sqlx::query_scalar("select settled from gate.head")
        .fetch_one(pool)
        .await
        .unwrap();
    GlobalPosition::try_from_i64(settled).unwrap()
}

/// Up to where the primary has the second copies of everything.
pub async fn copied(pool: &PgPool) -> GlobalPosition {
    // Run at run time: a test's own look at one row.
    let copied: i64 = sqlx::query_scalar("select copied from gate.head")
        .fetch_one(pool)
        .await
        .unwrap();
    GlobalPosition::try_from_i64(copied).unwrap()
}

/// The positions that a ledger has, in order and each once.
pub fn lines(folder: &Path) -> Vec<GlobalPosition> {
    let recorded = gate::read_ledger(folder).unwrap();
    let denials = recorded.denials.iter();
    let mut positions: Vec<_> = denials.map(|(_, event)| event.position).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// From here on the log is another one, as after a restore.
pub async fn begin_another_log(pool: &PgPool) {
    // Run at run time: production code does more than that.
    sqlx::query("update log.head set epoch = gen_random_uuid()")
        .execute(pool)
        .await
        .unwrap();
}

/// From here on no lease lasts longer, before anything has started.
pub async fn let_leases_last(database: &TestDatabase, term: Duration) {
    // Run at run time: an operator can only raise it.
    sqlx::query("update gate.head set lease_max_ms = $1")
        .bind(i32::try_from(term.as_millis()).unwrap())
        .execute(database.pool())
        .await
        .unwrap();
}

/// The row of a replica that does nothing at all, and that nobody collects.
pub async fn silent_replica(
    database: &TestDatabase,
    term: Duration,
    ack_key: &[u8],
) -> IncarnationId {
    let incarnation = Entropy::os().uuid_v4();
    // Run at run time: no production code makes a row for another process, or keeps one.
    sqlx::query("create or replace rule kept as on delete to gate.leases do instead nothing")
        .execute(database.pool())
        .await
        .unwrap();
    sqlx::query(
        "insert into gate.leases (incarnation, replica, lease_ms, applied_position, epoch, ack_key)
         select $1, 'silent', $2, 0, epoch, $3 from log.head",
    )
    .bind(incarnation)
    .bind(i32::try_from(term.as_millis()).unwrap())
    .bind(ack_key)
    .execute(database.pool())
    .await
    .unwrap();
    IncarnationId::from_uuid(incarnation)
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

/// A change of a key that changes nothing yet, and takes something away.
pub fn unchanged(key_id: KeyId) -> KeyChanged {
    KeyChanged {
        narrowed: true,
        ..KeyChanged::nothing(key_id)
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
