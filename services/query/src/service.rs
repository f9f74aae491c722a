//! The service as a whole.

use std::sync::Arc;
use std::time::Duration;

use api::cursor::Cursors;
use axum::Router;
use axum::extract::Request;
use bytes::Bytes;
use domain::ids::GlobalPosition;
use domain::limits::{ORG_EXPORTS, ORG_STREAMS};
use event_log::EventLog;
use gate::{Gate, Limiter, ReplicaConfig, ReplicaParts, VerifyConfig};
use read_model::{
    PositionFollower, Positions, ProjectionVersion, Projector, ProjectorConfig, ReadModel,
};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::http::Respond;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::places::Places;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Notify, Semaphore, watch};

use crate::app::{App, MEETINGS};
use crate::cache::ResponseCache;
use crate::config::Config;
use crate::follow::Follower;
use crate::http::{Documents, Front};
use crate::hub::Hub;
use crate::metrics::{self, CacheMetrics, HttpMetrics};
use crate::routes;
use crate::subscribers::{Means, Subscribers};

/// How often it is looked whether the service stops, while the projection is built.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Open streams of all orgs together; each may have [`ORG_STREAMS`].
const STREAMS: usize = 4_096;

/// Exports of all orgs together, each of which holds a few MiB of events.
const EXPORTS: usize = 32;

/// Questions of the audit trail that are asked of the log at once. They share its connections with
/// those that verify credentials and follow the log, which must not wait behind them.
const AUDIT_QUESTIONS: usize = 4;

/// What the service is given: connections, the process's limiter, secrets, the document.
pub struct Parts {
    /// The log, on the primary.
    pub log: EventLog,
    /// The primary, as a role that may verify credentials and read their use.
    pub primary: PgPool,
    /// The read model's database, made with `ProjectionVersion::connect_options`.
    pub reads: PgPool,
    /// The read model's database for the projector, whose role may make schemas there.
    pub projector: PgConnectOptions,
    /// NATS; without it answers are up to 250 ms behind the log, and revocations take up to 0.6 s.
    pub nats: Option<async_nats::Client>,
    /// By what subscribers over NATS are let in; without it this service answers for none.
    pub subscribers: Option<Subscribers>,
    /// The one limiter of the process.
    pub limiter: Limiter,
    /// Secrets under which cursors are written; every replica has the same.
    pub cursors: Cursors,
    /// `openapi.json`, made of what both services describe.
    pub openapi: Bytes,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
}

/// A query service; cheap to clone.
#[derive(Clone)]
pub struct QueryService {
    front: Front,
    ready: Ready,
}

#[derive(Clone)]
struct Ready {
    gate: watch::Receiver<bool>,
    projection: watch::Receiver<bool>,
}

impl QueryService {
    /// Puts the service together and starts its tasks, which must stop after whatever takes
    /// requests.
    pub fn start(config: &Config, mut parts: Parts, tasks: &Tasks) -> Self {
        metrics::describe();
        let gate = start_gate(config, &parts, tasks);
        let cache = Arc::new(ResponseCache::new(config.response_cache_bytes()));
        let hub = Arc::new(Hub::default());
        let changed = Arc::new(Notify::new());
        start_follower(&parts, &cache, &hub, &changed, tasks);
        if let Some(subscribers) = parts.subscribers.take() {
            let means = Means {
                gate: gate.clone(),
                primary: parts.primary.clone(),
                changed,
                clock: parts.clock.clone(),
                entropy: parts.entropy.clone(),
            };
            subscribers.start(means, tasks);
        }
        if config.projector {
            start_projector(&parts, tasks);
        }
        let model = ReadModel::new(parts.reads.clone());
        let (follower, positions) = PositionFollower::new(model.clone(), parts.clock.clone());
        let following = follower.run(tasks.clone());
        tasks.spawn(TaskKind::Critical, "query positions", following);
        let forgetting = forget_former_tables(positions.clone(), Arc::clone(&cache), tasks.clone());
        tasks.spawn(TaskKind::Critical, "query tables", forgetting);
        let projection = watch::Sender::new(false);
        let ready = Ready {
            gate: gate.ready(),
            projection: projection.subscribe(),
        };
        let built = built(positions.clone(), projection, tasks.clone());
        tasks.spawn(TaskKind::Job, "query readiness", built);
        let app = Arc::new(App {
            reads: model,
            positions,
            cache,
            primary: parts.primary,
            meetings: Semaphore::new(MEETINGS),
            cursors: parts.cursors,
            clock: parts.clock,
            entropy: parts.entropy,
            log: parts.log.with_places(AUDIT_QUESTIONS),
            gate: gate.clone(),
            hub,
            streams: Places::new(ORG_STREAMS, STREAMS),
            exports: Places::new(ORG_EXPORTS, EXPORTS),
            tasks: tasks.clone(),
            http: HttpMetrics::new(),
            lookups: CacheMetrics::new(),
        });
        let endpoints = routes::endpoints(Arc::clone(&app));
        let front = Front::new(app, gate, endpoints, Documents::new(parts.openapi));
        Self { front, ready }
    }

    /// Becomes true once the gate answers as it always will.
    pub fn gate_ready(&self) -> watch::Receiver<bool> {
        self.ready.gate.clone()
    }

    /// Becomes true once the projection was first seen built.
    pub fn projection_ready(&self) -> watch::Receiver<bool> {
        self.ready.projection.clone()
    }

    /// Takes every request, whatever its path; goes under `runtime::http::serve`, which names it.
    pub fn front(&self) -> Front {
        self.front.clone()
    }

    /// The same as a router, for whoever calls it without a listener.
    pub fn router(&self) -> Router {
        let front = self.front();
        Router::new().fallback(async move |request: Request| front.respond(request).await)
    }
}

fn start_gate(config: &Config, parts: &Parts, tasks: &Tasks) -> Gate {
    let replica = ReplicaConfig {
        term: config.lease,
        cache_bytes: config.credential_cache_bytes(),
        ..ReplicaConfig::new(config.replica_name.clone())
    };
    let connections = ReplicaParts {
        primary: parts.primary.clone(),
        log: parts.log.clone(),
        nats: parts.nats.clone(),
        entropy: parts.entropy.clone(),
    };
    let limiter = parts.limiter.clone();
    Gate::cached(
        limiter,
        connections,
        VerifyConfig::default(),
        &replica,
        tasks,
    )
}

fn start_follower(
    parts: &Parts,
    cache: &Arc<ResponseCache>,
    hub: &Arc<Hub>,
    changed: &Arc<Notify>,
    tasks: &Tasks,
) {
    let follower = Follower {
        log: parts.log.clone(),
        nats: parts.nats.clone(),
        entropy: parts.entropy.clone(),
        cache: Arc::clone(cache),
        hub: Arc::clone(hub),
        changed: Arc::clone(changed),
    };
    let following = follower.run(tasks.clone());
    tasks.spawn(TaskKind::Critical, "query follower", following);
}

fn start_projector(parts: &Parts, tasks: &Tasks) {
    let config = ProjectorConfig {
        database: parts.projector.clone(),
        nats: parts.nats.clone(),
        version: ProjectionVersion::CURRENT,
    };
    let (clock, entropy) = (parts.clock.clone(), parts.entropy.clone());
    let projector = Projector::new(parts.log.clone(), config, clock, entropy);
    tasks.spawn(
        TaskKind::Critical,
        "projector",
        projector.run(tasks.clone()),
    );
}

/// Lets go of kept answers whenever other tables answer than those they were computed from: an
/// operator does not switch because the former ones were right, and who was erased is gone at once.
async fn forget_former_tables(positions: Positions, cache: Arc<ResponseCache>, tasks: Tasks) {
    let forget = async {
        let mut known = None;
        loop {
            let tables = positions.other_tables(known).await;
            if known.replace(tables).is_some() {
                cache.freshness().forget();
                cache.clear();
                let build = tables.build;
                tracing::info!(%build, "kept answers are void: tables changed without an event");
            }
        }
    };
    tokio::select! {
        () = forget => {}
        () = tasks.stopping() => {}
    }
}

/// Says once that the projection is built.
async fn built(positions: Positions, seen: watch::Sender<bool>, tasks: Tasks) {
    let first = GlobalPosition::ZERO;
    while !tasks.is_stopping() {
        let waited = positions.wait_for(first, tasks.clock(), LOOK_AGAIN).await;
        if waited.is_ok() {
            seen.send_replace(true);
            return;
        }
    }
}
