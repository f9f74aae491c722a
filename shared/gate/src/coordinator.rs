//! Waits until a denial is in force everywhere (revocation.md 5.3, B2 to B6).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use domain::time::Timestamp;
use futures_util::StreamExt;
use metrics::{counter, histogram};
use runtime::clock::Clock;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::telemetry::chain;
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::watch;

use crate::core::barrier::{Ack, Barrier, LeaseRow, Report, State};
use crate::core::clocks::WaitPoint;
use crate::core::silence::Silence;
use crate::follow::{AckMessage, ack_subject};
use crate::metrics as names;
use crate::store::{self, StoreError};

/// Between two looks at the rows (revocation.md 3).
const POLL: Duration = Duration::from_millis(50);
/// How long one look may take.
const LOOK_DEADLINE: Duration = Duration::from_millis(300);
/// Between two looks for silent replicas.
const COLLECT: Duration = Duration::from_secs(1);
/// How long to wait before NATS is asked for acknowledgements again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);
/// Connections of the coordinator's own, so that no lack of others keeps a denial waiting.
const CONNECTIONS: u32 = 4;
/// Replicas whose acknowledgements are remembered; far more than ever run at once.
const REMEMBERED: usize = 4_096;

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
}

/// The event is in the log and will take effect by itself, but nobody could be told when.
#[derive(Debug, Error)]
pub enum SettleError {
    /// Postgres did not say which replicas there are: 503 `outcome_unknown`, and a retry runs the
    /// barrier again.
    #[error("the replicas to wait for could not be read")]
    Unavailable(#[source] StoreErrorText),
}

/// What the store said, kept as text: its parts are no concern of callers.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StoreErrorText(String);

/// Runs barriers; cheap to clone.
#[derive(Clone)]
pub struct Coordinator(Arc<Inner>);

struct Inner {
    primary: PgPool,
    clock: Clock,
    config: CoordinatorConfig,
    acks: Acks,
}

/// The newest acknowledgement of each replica.
#[derive(Default)]
struct Acks {
    newest: Mutex<HashMap<IncarnationId, Ack>>,
    /// Counts them, to wake who waits.
    heard: watch::Sender<u64>,
}

impl Coordinator {
    /// Starts the tasks that hear acknowledgements, all of them at any time, so that none is missed
    /// between a commit and its barrier, and that delete the rows of silent replicas. It connects
    /// as `primary` does, on connections of its own.
    pub fn start(
        primary: &PgPool,
        nats: Option<Client>,
        clock: Clock,
        config: CoordinatorConfig,
        tasks: &Tasks,
    ) -> Self {
        let coordinator = Self(Arc::new(Inner {
            primary: own_pool(primary),
            clock,
            config,
            acks: Acks::default(),
        }));
        let collect = coordinator.clone().collect();
        tasks.spawn(TaskKind::Disposable, "gate leases", collect);
        if let Some(nats) = nats {
            let hear = coordinator.clone().hear(nats);
            tasks.spawn(TaskKind::Disposable, "gate acks heard", hear);
        }
        coordinator
    }

    /// Waits until the deny event at `position`, whose commit is known, is in force on every
    /// replica. Repeated for the same event it waits and answers anew (pitfall 12).
    ///
    /// # Errors
    /// [`SettleError`]; the event stands all the same.
    pub async fn settle(&self, position: GlobalPosition) -> Result<Receipt, SettleError> {
        let start = self.wait_point();
        let mut heard = self.0.acks.heard.subscribe();
        let (epoch, rows) = self.rows(start).await?;
        let mut barrier = Barrier::new(position, epoch, start, &rows, self.wait_point());
        let mut look_at = self.0.clock.monotonic() + POLL;
        let report = loop {
            heard.mark_unchanged();
            self.take_acks(&mut barrier);
            let now = self.wait_point();
            let Some(left) = barrier.remaining(now) else {
                break barrier.report(now).expect("nobody is waited for");
            };
            tokio::select! {
                // However many acknowledgements come, of whomever.
                biased;
                () = self.0.clock.sleep_until(look_at.min(now.mono + left)) => {
                    self.look(&mut barrier).await;
                    look_at = self.0.clock.monotonic() + POLL;
                }
                _ = heard.changed() => {}
            }
        };
        let effective_at = Timestamp::from_datetime(self.0.clock.now());
        let settled = store::settle(&self.0.primary, position, effective_at);
        match self.0.clock.timeout(LOOK_DEADLINE, settled).await {
            Ok(Ok(())) => {}
            // It holds all the same; the mark is for those who deny.
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "settlement was not noted"),
            Err(error) => tracing::warn!(error = %chain(&error), "settlement was not noted"),
        }
        count(&report);
        Ok(Receipt {
            position,
            effective_at,
            epoch,
            barrier: report,
        })
    }

    /// B4, again and again while Postgres is away.
    async fn rows(&self, start: WaitPoint) -> Result<(LogEpoch, Vec<LeaseRow>), SettleError> {
        loop {
            let error = match self.read_rows().await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            if start.elapsed(self.wait_point()) >= self.0.config.patience {
                let text = chain(&error).to_string();
                return Err(SettleError::Unavailable(StoreErrorText(text)));
            }
            self.0.clock.sleep(POLL).await;
        }
    }

    /// The way without NATS: renewals carry what was applied, and leaving deletes the row.
    async fn look(&self, barrier: &mut Barrier) {
        match self.read_rows().await {
            Ok((_, rows)) => barrier.rows(&rows, self.wait_point()),
            Err(error) => tracing::debug!(error = %chain(&error), "no look at the leases"),
        }
    }

    async fn read_rows(&self) -> Result<(LogEpoch, Vec<LeaseRow>), StoreError> {
        let read = store::lease_rows(&self.0.primary);
        self.0.clock.timeout(LOOK_DEADLINE, read).await?
    }

    fn take_acks(&self, barrier: &mut Barrier) {
        let newest = self.0.acks.lock();
        let now = self.wait_point();
        for incarnation in barrier.waiting().collect::<Vec<_>>() {
            if let Some(ack) = newest.get(&incarnation) {
                barrier.ack(incarnation, *ack, now);
            }
        }
    }

    async fn hear(self, nats: Client) {
        loop {
            match nats.subscribe(ack_subject('*')).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        self.0.acks.take(&message);
                    }
                }
                Err(error) => tracing::warn!(error = %chain(&error), "no acknowledgements"),
            }
            self.0.clock.sleep(SUBSCRIBE_AGAIN).await;
        }
    }

    /// GC: nobody waits twice for a replica that is gone.
    async fn collect(self) {
        let mut silence = Silence::default();
        loop {
            self.0.clock.sleep(COLLECT).await;
            let Ok((_, rows)) = self.read_rows().await else {
                continue;
            };
            for silent in silence.observe(&rows, self.wait_point()) {
                match store::collect(&self.0.primary, &silent).await {
                    Ok(true) => {
                        counter!(names::COLLECTED).increment(1);
                        tracing::info!(
                            lease.incarnation = %silent.incarnation,
                            "the lease of a silent replica was deleted"
                        );
                    }
                    Ok(false) => {}
                    Err(error) => tracing::debug!(error = %chain(&error), "no lease deleted"),
                }
            }
        }
    }

    fn wait_point(&self) -> WaitPoint {
        WaitPoint {
            mono: self.0.clock.monotonic(),
            raw: self.0.clock.raw(),
        }
    }
}

/// Connections like those of `pool`, whose commits are durable before they are answered, whatever
/// the server's or the login's own setting is.
fn own_pool(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    let most = pool.options().get_max_connections().min(CONNECTIONS);
    pool.options()
        .clone()
        .min_connections(0)
        .max_connections(most)
        .connect_lazy_with(options.options([("synchronous_commit", "on")]))
}

impl Acks {
    /// Remembers what one replica says of itself; anything else is ignored.
    fn take(&self, message: &async_nats::Message) {
        let Ok(told) = serde_json::from_slice::<AckMessage>(&message.payload) else {
            return;
        };
        if message.subject.as_str() != ack_subject(told.incarnation) {
            return;
        }
        let mut newest = self.lock();
        if newest.len() >= REMEMBERED && !newest.contains_key(&told.incarnation) {
            // Those that still run say it again with their next event; their rows say it sooner.
            newest.clear();
        }
        let ack = Ack {
            epoch: told.epoch,
            applied: told.applied,
        };
        newest
            .entry(told.incarnation)
            .and_modify(|known| {
                if known.epoch != ack.epoch || known.applied < ack.applied {
                    *known = ack;
                }
            })
            .or_insert(ack);
        drop(newest);
        self.heard
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IncarnationId, Ack>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
