//! The service: what it is made of, and the tasks that keep it going.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use axum::Router;
use event_log::{EventLog, Mirror, Signer, SignerConfig, Sweeper};
use gate::{Coordinator, CoordinatorConfig, CoordinatorParts, Gate, Ledger, LedgerAhead, Limiter};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::telemetry::chain;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::app::{Commander, Parts};
use crate::config::Config;
use crate::http::{self, App};
use crate::metrics;
use crate::oidc::Oidc;
use crate::people::People;
use crate::webhooks::{Courier, Sender, Webhooks};

/// How often the log is tried until it answers.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the service rests on.
pub struct Resources {
    /// The primary, as a member of `tga_command`.
    pub primary: PgPool,
    /// Connections to it for checking credentials alone, so that commands which wait keep nobody
    /// out.
    pub verify: PgPool,
    /// NATS; without it nothing is mirrored, and revocations take up to 0.6 s.
    pub nats: Option<Client>,
    /// The second copy of what takes access away; without one a restore may lose some.
    pub ledger: Option<Ledger>,
    /// Folder of the log's archives, if they are to be read.
    pub archive: Option<PathBuf>,
    /// By what the log is signed; without it nobody can prove what the log holds.
    pub signer: Option<SignerConfig>,
    /// By what people sign in beside their passwords, if there is something.
    pub oidc: Option<Oidc>,
    /// The process's counts of requests: one for all its gates.
    pub limiter: Limiter,
    /// The time.
    pub clock: Clock,
    /// Where ids and secrets come from.
    pub entropy: Entropy,
    /// For what requests rest on: appending, mirroring. They must stop after `requests`.
    pub base: Tasks,
    /// For what callers began, which goes on when they hang up.
    pub requests: Tasks,
}

/// The write side of one process.
#[derive(Clone)]
pub struct CommandService {
    app: App,
    commander: Commander,
    people: People,
    ready: watch::Receiver<bool>,
}

impl CommandService {
    /// Starts the tasks of the service. It takes commands once the log was seen, and has all that the
    /// ledger knows of it.
    pub fn start(config: &Config, resources: Resources) -> Self {
        let Resources {
            primary,
            verify,
            nats,
            ledger,
            archive,
            signer,
            oidc,
            limiter,
            clock,
            entropy,
            base,
            requests,
        } = resources;
        metrics::describe();
        let (log, appender) = EventLog::new(
            primary.clone(),
            clock.clone(),
            entropy.clone(),
            config.append(),
        );
        let log = log.with_archive(archive);
        let ready = watch::Sender::new(false);
        let once_seen = OnceSeen::new(&ready, &base);
        base.spawn(TaskKind::Critical, "appender", appender.run(base.clone()));
        if let Some(nats) = &nats {
            let mirror = Mirror::new(log.clone(), nats.clone(), config.mirror());
            once_seen.spawn(TaskKind::Critical, "mirror", mirror.run(base.clone()));
        }
        if let Some(signer) = signer_of(&log, nats.as_ref(), signer) {
            once_seen.spawn(TaskKind::Critical, "signer", signer.run(base.clone()));
        }
        let mirrored = nats.clone();
        let sweeper = Sweeper::new(log.clone());
        once_seen.spawn(TaskKind::Disposable, "sweeper", sweeper.run(base.clone()));
        let parts = CoordinatorParts {
            primary: primary.clone(),
            log: log.clone(),
            nats,
            ledger: ledger.clone(),
            hold: Arc::clone(limiter.hold()),
            clock: clock.clone(),
        };
        let coordinator = Coordinator::start(parts, CoordinatorConfig::default(), &base);
        let gate = Gate::verify_always(limiter, verify, &coordinator, config.verify());
        let (commander, snapshotter) = Commander::new(Parts {
            log,
            coordinator,
            clock: clock.clone(),
            entropy: entropy.clone(),
            tasks: requests.clone(),
            org_cache_bytes: config.org_cache_bytes(),
            ingest_places: config.ingest_places(),
        });
        once_seen.spawn(
            TaskKind::Disposable,
            "snapshots",
            snapshotter.run(base.clone()),
        );
        let looks = primary.clone();
        let people = People::new(
            primary.clone(),
            commander.clone(),
            clock.clone(),
            entropy.clone(),
        );
        let courier = courier(config, &clock);
        let sender = Sender::new(
            primary.clone(),
            commander.clone(),
            courier.clone(),
            mirrored,
            clock.clone(),
            entropy.clone(),
        );
        once_seen.spawn(TaskKind::Critical, "webhooks", sender.run(base.clone()));
        let webhooks = Webhooks::new(primary.clone(), courier, clock.clone(), entropy.clone());
        let app = App::new(http::Parts {
            oidc,
            webhooks,
            commander: commander.clone(),
            people: people.clone(),
            public_url: config.public_url(),
            gate,
            open: ready.subscribe(),
            primary,
            clock,
            entropy,
            tasks: requests,
        });
        let service = Self {
            app,
            commander,
            people,
            ready: ready.subscribe(),
        };
        let seen = seen(service.log().clone(), ledger, looks, ready, base.clone());
        base.spawn(TaskKind::Job, "command readiness", seen);
        service
    }

    /// Every command of v1, behind the gate.
    pub fn router(&self) -> Router {
        http::router(self.app.clone())
    }

    /// Becomes true once the log was first seen.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Commands without HTTP, for operators.
    pub fn commander(&self) -> &Commander {
        &self.commander
    }

    /// People, for operators.
    pub const fn people(&self) -> &People {
        &self.people
    }

    /// The log that this process appends to; who follows it in the same process hears at once.
    pub fn log(&self) -> &EventLog {
        self.commander.log()
    }
}

fn courier(config: &Config, clock: &Clock) -> Courier {
    let courier = Courier::try_new(&config.courier(), clock.clone());
    courier.expect("a client of constants, and of roots that parse")
}

/// Starts what carries the log on: it may be one that was restored and that its ledger knows more of, and of such a log
/// nothing is signed, pruned or kept, and nobody is told, on NATS or by webhooks.
struct OnceSeen {
    seen: watch::Receiver<bool>,
    tasks: Tasks,
}

impl OnceSeen {
    fn new(seen: &watch::Sender<bool>, tasks: &Tasks) -> Self {
        Self {
            seen: seen.subscribe(),
            tasks: tasks.clone(),
        }
    }

    fn spawn(
        &self,
        kind: TaskKind,
        name: &'static str,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let (mut seen, tasks) = (self.seen.clone(), self.tasks.clone());
        let run = Box::pin(run);
        self.tasks.spawn(kind, name, async move {
            let is_seen = tokio::select! {
                biased;
                () = tasks.stopping() => false,
                seen = seen.wait_for(|seen| *seen) => seen.is_ok(),
            };
            if is_seen {
                run.await;
            } else {
                tasks.stopping().await;
            }
        });
    }
}

/// Signs the log, if there is something to sign it with.
fn signer_of(
    log: &EventLog,
    nats: Option<&Client>,
    signer: Option<SignerConfig>,
) -> Option<Signer> {
    if signer.is_none() {
        tracing::warn!(
            "no key to sign the log with: what it holds cannot be proven; `trackagoat log \
             new-signing-key` makes one"
        );
    }
    Some(Signer::new(log.clone(), nats.cloned(), signer?))
}

/// Says once that the log answers, and has all that the ledger knows of it.
async fn seen(
    log: EventLog,
    ledger: Option<Ledger>,
    primary: PgPool,
    seen: watch::Sender<bool>,
    tasks: Tasks,
) -> Result<(), LedgerAhead> {
    while !tasks.is_stopping() {
        match look(&log, ledger.as_ref(), &primary).await {
            Ok(()) => {
                seen.send_replace(true);
                return Ok(());
            }
            Err(
                error @ (LedgerAhead::Lacks(_) | LedgerAhead::Unerased(_) | LedgerAhead::Ledger(_)),
            ) => return Err(error),
            Err(error) => {
                tracing::warn!(
                    error = %chain(&error),
                    "the log does not answer yet: `trackagoat doctor` says what is missing"
                );
            }
        }
        tokio::select! {
            () = tasks.clock().sleep(LOOK_AGAIN) => {}
            () = tasks.stopping() => {}
        }
    }
    Ok(())
}

async fn look(
    log: &EventLog,
    ledger: Option<&Ledger>,
    primary: &PgPool,
) -> Result<(), LedgerAhead> {
    match ledger {
        Some(ledger) => ledger.compare(log, primary).await,
        None => Ok(log.head().await.map(drop)?),
    }
}
