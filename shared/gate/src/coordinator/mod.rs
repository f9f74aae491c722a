//! Waits until a denial is in force everywhere (revocation.md 5.3, B2 to B6).

mod acks;
mod keeper;
mod tell;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Client;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::time::Timestamp;
use event_log::EventLog;
use futures_util::future::BoxFuture;
use metrics::{counter, histogram};
use runtime::clock::Clock;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::telemetry::chain;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use thiserror::Error;
use tokio::sync::oneshot;

use self::acks::Acks;
use crate::bus::{self, MacKey, Settlement};
use crate::core::barrier::{Barrier, Report, State};
use crate::core::clocks::WaitPoint;
use crate::core::copies::Copies;
use crate::core::sweep::Denials;
use crate::hold::Hold;
use crate::ledger::Ledger;
use crate::metrics as names;
use crate::store::{self, Registered, StoreError};

/// Auth events of one read.
const PAGE: u16 = 500;
/// Between two looks at the rows (revocation.md 3).
const POLL: Duration = Duration::from_millis(50);
/// How long a settlement may take to be noted: whoever revoked waits for that beyond the bound.
const NOTE_DEADLINE: Duration = Duration::from_millis(150);
/// How long NATS may take to be given what is told; renewals bring it too.
const TELL_WITHIN: Duration = Duration::from_millis(20);
/// How long one look may take.
const LOOK_DEADLINE: Duration = Duration::from_millis(300);
/// How long the second copy is waited for once the barrier has ended.
const LEDGER_GRACE: Duration = Duration::from_millis(20);
/// How long whoever tells a denial waits for the ledger's disk; the copy is not given up with that.
const COPY_DEADLINE: Duration = Duration::from_secs(30);
/// Connections of the coordinator's own, so that no lack of others keeps a denial waiting.
const CONNECTIONS: u32 = 4;

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct CoordinatorConfig {
    /// How long Postgres may be away before the barrier ends without knowing whom to wait for.
    pub patience: Duration,
}

impl Default for CoordinatorConfig {
    /// 5 s.
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
        }
    }
}

/// What a coordinator works with.
pub struct CoordinatorParts {
    /// The primary; the coordinator connects as it does, on connections of its own.
    pub primary: PgPool,
    /// The log, for what is told and kept of denials.
    pub log: EventLog,
    /// NATS, to tell and to hear acknowledgements; without it renewals say them, up to 0.6 s later.
    pub nats: Option<Client>,
    /// The second copy of denials; without one a restore may lose some.
    pub ledger: Option<Ledger>,
    /// What this process knows of settled denials, which its gates ask.
    pub hold: Arc<Hold>,
    /// Time.
    pub clock: Clock,
}

/// The denial is in force everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The event.
    pub position: GlobalPosition,
    /// When it was in force everywhere, on this host's wall clock.
    pub effective_at: Timestamp,
    /// The life of the log.
    pub epoch: LogEpoch,
    /// Whom it waited for, and how long.
    pub barrier: Report,
    /// Whether the second copy is durable; until it is, a restore may lose the denial.
    pub in_ledger: bool,
}

/// Nobody could be told when the event is in force everywhere; in the log it takes effect by itself.
#[derive(Debug, Error)]
pub enum SettleError {
    /// Postgres did not say which replicas there are: 503 `outcome_unknown`, and a retry runs the
    /// barrier again.
    #[error("the replicas to wait for could not be read")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log was restored meanwhile, and need not have the event any more: 503 `outcome_unknown`.
    #[error("the log has begun another life since")]
    OtherLog,
}

/// Runs barriers; cheap to clone.
#[derive(Clone)]
pub struct Coordinator(Arc<Inner>);

struct Inner {
    primary: PgPool,
    log: EventLog,
    nats: Option<Client>,
    ledger: Option<Ledger>,
    clock: Clock,
    tasks: Tasks,
    config: CoordinatorConfig,
    acks: Acks,
    hold: Arc<Hold>,
    copies: Mutex<Copies>,
    /// The key of the bus, as of the last look at the rows.
    bus: Mutex<Option<(LogEpoch, MacKey)>>,
}

impl Coordinator {
    /// Starts the tasks that hear acknowledgements, all of them at any time, so that none is missed
    /// between a commit and its barrier; that delete the rows of silent replicas; and that settle
    /// and copy denials whose own process is gone.
    pub fn start(parts: CoordinatorParts, config: CoordinatorConfig, tasks: &Tasks) -> Self {
        let coordinator = Self(Arc::new(Inner {
            primary: own_pool(&parts.primary),
            log: parts.log,
            nats: parts.nats.clone(),
            ledger: parts.ledger,
            hold: parts.hold,
            clock: parts.clock,
            tasks: tasks.clone(),
            config,
            acks: Acks::default(),
            copies: Mutex::default(),
            bus: Mutex::default(),
        }));
        let every = |name, task: BoxFuture<'static, ()>| {
            let stopping = tasks.clone();
            // Without any of them revocations would wait longer, or be settled or copied by nobody.
            tasks.spawn(TaskKind::Critical, name, async move {
                tokio::select! {
                    () = stopping.stopping() => {}
                    () = task => {}
                }
            });
        };
        every("gate leases", Box::pin(coordinator.clone().keep()));
        if coordinator.0.ledger.is_some() {
            let copy = coordinator.clone().keep_copies();
            every("gate second copies", Box::pin(copy));
        }
        if let Some(nats) = parts.nats {
            let hear = coordinator.clone().hear(nats.clone());
            every("gate acks heard", Box::pin(hear));
            let hear = coordinator.clone().hear_settlements(nats);
            every("gate settlements heard", Box::pin(hear));
        }
        coordinator
    }

    /// Waits until the newest of these denials, whose commit is known, is in force on every replica,
    /// and with it all before it. Repeated for the same event it waits and answers anew (pitfall 12).
    ///
    /// # Errors
    /// [`SettleError`]; the events stand all the same.
    pub async fn settle(&self, epoch: LogEpoch, denials: Denials) -> Result<Receipt, SettleError> {
        let start = self.wait_point();
        let position = denials.last;
        let mut heard = self.0.acks.count();
        // Beside the look at the rows, unless this process never had one.
        let key = self.known_key(epoch);
        let told = key.map(|key| self.tell(denials, epoch, key, start));
        let registered = self.rows(start).await?;
        if registered.epoch != epoch {
            return Err(SettleError::OtherLog);
        }
        let tell = || self.tell(denials, epoch, registered.bus_key.clone(), start);
        let copied = told.unwrap_or_else(tell);
        let mut barrier = Barrier::new(position, epoch, start, &registered.rows, self.wait_point());
        let mut look_at = self.0.clock.monotonic() + POLL;
        let report = loop {
            heard.mark_unchanged();
            self.0.acks.tell(&mut barrier, self.wait_point());
            let now = self.wait_point();
            let Some(left) = barrier.remaining(now) else {
                break barrier.report(now).expect("nobody is waited for");
            };
            tokio::select! {
                // However many acknowledgements come, of whomever.
                biased;
                () = self.0.clock.sleep_until(look_at.min(now.mono + left)) => {
                    // A look that is not answered must not outlast the wait itself.
                    let left = barrier.remaining(self.wait_point()).unwrap_or_default();
                    let look = self.look(&mut barrier, epoch);
                    let _ = self.0.clock.timeout(left, look).await;
                    look_at = self.0.clock.monotonic() + POLL;
                }
                _ = heard.changed() => {}
            }
        };
        count(&report);
        names::revocation("acknowledged", report.waited);
        let effective_at = Timestamp::from_datetime(self.0.clock.now());
        self.note(&registered, position, effective_at).await?;
        names::revocation("settled", start.elapsed(self.wait_point()));
        Ok(Receipt {
            position,
            effective_at,
            epoch,
            barrier: report,
            in_ledger: self.is_copied(copied).await,
        })
    }

    /// B6: it holds, whether that can be noted or not; the notes are for those who deny. Only if the
    /// log has begun another life it need not hold in that.
    async fn note(
        &self,
        registered: &Registered,
        position: GlobalPosition,
        at: Timestamp,
    ) -> Result<(), SettleError> {
        self.0.hold.settle(registered.epoch, position);
        if let Some(nats) = &self.0.nats {
            let epoch = registered.epoch;
            let settlement = Settlement { epoch, position };
            let settle = bus::settle(nats, &registered.bus_key, &settlement);
            // Who does not hear of it asks, or learns it by a renewal.
            let _ = self.0.clock.timeout(TELL_WITHIN, settle).await;
        }
        let note = async {
            let mut connection = self.connection().await?;
            store::settle(&mut connection, registered.epoch, position, at).await
        };
        let noted = self.0.clock.timeout(NOTE_DEADLINE, note).await;
        match noted.map_err(StoreError::from).flatten() {
            Ok(true) => Ok(()),
            Ok(false) => {
                tracing::warn!("a settlement of another log was not noted");
                Err(SettleError::OtherLog)
            }
            // SWEEP does it: on the primary the denial stands as unsettled.
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a settlement was not noted");
                Ok(())
            }
        }
    }

    async fn is_copied(&self, copied: oneshot::Receiver<bool>) -> bool {
        let waited = self.0.clock.timeout(LEDGER_GRACE, copied).await;
        let is_copied = matches!(waited, Ok(Ok(true)));
        let outcome = if is_copied { "written" } else { "pending" };
        counter!(names::LEDGER, "outcome" => outcome).increment(1);
        is_copied
    }

    /// B4, again and again while Postgres is away.
    async fn rows(&self, start: WaitPoint) -> Result<Registered, SettleError> {
        loop {
            let error = match self.read_rows().await {
                Ok(registered) => return Ok(registered),
                Err(error) => error,
            };
            if start.elapsed(self.wait_point()) >= self.0.config.patience {
                return Err(SettleError::Unavailable(Box::new(error)));
            }
            self.0.clock.sleep(POLL).await;
        }
    }

    /// The way without NATS: renewals carry what was applied, and leaving deletes the row.
    async fn look(&self, barrier: &mut Barrier, epoch: LogEpoch) {
        match self.read_rows().await {
            // Rows of another log say nothing of who left this one.
            Ok(registered) if registered.epoch != epoch => {}
            Ok(registered) => barrier.rows(&registered.rows, self.wait_point()),
            Err(error) => tracing::debug!(error = %chain(&error), "no look at the leases"),
        }
    }

    async fn read_rows(&self) -> Result<Registered, StoreError> {
        // Boxed: a statement's future is large.
        let read = Box::pin(async {
            let mut connection = self.connection().await?;
            store::registered(&mut connection).await
        });
        let registered = self.0.clock.timeout(LOOK_DEADLINE, read).await??;
        self.0.acks.learn(registered.ack_keys.clone());
        let (epoch, head) = (registered.epoch, registered.auth_position);
        let key = registered.bus_key.clone();
        *self.bus() = Some((epoch, key));
        self.0.hold.see(epoch, head, registered.longest_term);
        self.0.hold.settle(epoch, registered.settled);
        Ok(registered)
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        store::connection(&self.0.primary, &self.0.tasks).await
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(crate) fn nats(&self) -> Option<&Client> {
        self.0.nats.as_ref()
    }

    /// What is settled, as far as this process knows.
    pub(crate) fn hold(&self) -> &Arc<Hold> {
        &self.0.hold
    }

    fn bus(&self) -> MutexGuard<'_, Option<(LogEpoch, MacKey)>> {
        self.0.bus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_key(&self, of: LogEpoch) -> Option<MacKey> {
        let bus = self.bus();
        bus.as_ref()
            .filter(|(epoch, _)| *epoch == of)
            .map(|(_, key)| key.clone())
    }

    fn copies(&self) -> MutexGuard<'_, Copies> {
        self.0.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_point(&self) -> WaitPoint {
        WaitPoint {
            mono: self.0.clock.monotonic(),
            raw: self.0.clock.raw(),
        }
    }
}

/// Connections like those of `pool`, whose commits are durable before they are answered and whose
/// plans are not compiled, whatever the server's or the login's own setting is: those of tables
/// that were not analysed yet are thought dear, and compiling them may take longer than
/// [`LOOK_DEADLINE`].
fn own_pool(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    let most = pool.options().get_max_connections().min(CONNECTIONS);
    pool.options()
        .clone()
        .min_connections(0)
        .max_connections(most)
        .connect_lazy_with(options.options([("synchronous_commit", "on"), ("jit", "off")]))
}

fn count(report: &Report) {
    histogram!(names::BARRIER_SECONDS).record(report.waited.as_secs_f64());
    for (state, name) in [
        (State::Acked, "acked"),
        (State::Expired, "expired"),
        (State::Left, "left"),
    ] {
        let replicas = u64::try_from(report.count(state)).unwrap_or(u64::MAX);
        counter!(names::SETTLED, "state" => name).increment(replicas);
    }
}
