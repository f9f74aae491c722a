//! The one process that sends.
//!
//! One connection holds the advisory lock, reads how far the log was read, and writes everything that
//! is written about deliveries. Who loses it has lost the lock too, and with it every attempt under
//! way: another process begins where the rows say, so whatever was not written down is sent again.
//! Level-triggered as every loop here: it takes no input but the log, the rows and the clock.

mod dispatch;
mod follow;

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use domain::event::DecodeError;
use domain::ids::{DeliveryId, GlobalPosition, WebhookId};
use domain::time::Timestamp;
use event_log::{Feed, FeedConfig, FeedError, ReadError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, PgPool};
use thiserror::Error;

pub(super) use self::dispatch::PLACES;
use self::dispatch::{Done, Place};
use super::{Courier, WebhookError, rows};
use crate::app::Commander;
use crate::metrics;

/// The advisory lock of the one that sends ("tgwh").
const LOCK: (i32, i32) = (0x7467_7768, 1);
/// How long another process's lock is waited for before it is tried again.
const LOCK_AGAIN: Duration = Duration::from_secs(1);
/// How long the primary may take to answer: one statement there, and one step of few here.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the connection may be silent: afterwards the server ends it and frees the lock, so that
/// a stopped process does not keep the others from sending.
const IDLE: Duration = Duration::from_secs(30);
/// The same within a transaction, where nothing is waited for but its next statement.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);
/// How long to wait after a failure.
const RETRY: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(10));
/// How often what is outlived is looked for: one webhook at a time.
const PRUNE: Duration = Duration::from_secs(1);

/// Sends what the log holds for webhooks.
pub struct Sender {
    primary: PgPool,
    commander: Commander,
    courier: Courier,
    nats: Option<async_nats::Client>,
    clock: Clock,
    entropy: Entropy,
}

/// Why the sender begins anew.
#[derive(Debug, Error)]
enum SendError {
    /// Something about the rows.
    #[error(transparent)]
    Rows(#[from] WebhookError),
    /// The primary did not answer.
    #[error("the primary did not answer")]
    Database(#[from] sqlx::Error),
    /// The primary did not answer in time.
    #[error("the primary did not answer in time")]
    Late,
    /// The log cannot be followed.
    #[error("the log could not be followed")]
    Feed(#[from] FeedError),
    /// The log cannot be read.
    #[error("the log could not be read")]
    Log(#[from] ReadError),
    /// A newer build decided something about webhooks: that build shall send.
    #[error("the event at position {position} cannot be read")]
    Undecodable {
        /// Its position.
        position: GlobalPosition,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// Another process has moved the cursor.
    #[error("the cursor is not at position {expected} any more")]
    Overtaken {
        /// Where it should be.
        expected: GlobalPosition,
    },
}

/// One connection's life: it holds the lock.
struct Session<'a> {
    sender: &'a Sender,
    connection: PgConnection,
    cursor: GlobalPosition,
    under_way: FuturesUnordered<BoxFuture<'a, Done>>,
    /// Deliveries under way.
    places: HashMap<DeliveryId, Place>,
    /// When the last event was recorded that was followed; none: none was yet.
    followed_to: Option<Timestamp>,
    pruned: Option<WebhookId>,
    prune_at: Monotonic,
    /// The last webhook that was to be switched off; none: begin with the first.
    disabled: Option<WebhookId>,
}

impl Sender {
    /// That sends with this courier, and decides with this commander.
    pub const fn new(
        primary: PgPool,
        commander: Commander,
        courier: Courier,
        nats: Option<async_nats::Client>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Self {
            primary,
            commander,
            courier,
            nats,
            clock,
            entropy,
        }
    }

    /// Sends until told to stop; what is under way then is waited for. Waits while another process
    /// sends. A critical task.
    pub async fn run(self, tasks: Tasks) {
        let mut waits = RETRY.waits(&self.entropy);
        while !tasks.is_stopping() {
            let mut has_worked = false;
            let Err(error) = self.session(&tasks, &mut has_worked).await else {
                return;
            };
            tracing::warn!(error = %chain(&error), "sending to webhooks begins anew");
            if has_worked {
                waits = RETRY.waits(&self.entropy);
            }
            let wait = waits.next().unwrap_or(LOCK_AGAIN);
            tokio::select! {
                () = tasks.stopping() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    async fn session(&self, tasks: &Tasks, has_worked: &mut bool) -> Result<(), SendError> {
        let mut connection = self.connect().await?;
        while !try_lock(&mut connection).await? {
            tokio::select! {
                () = tasks.stopping() => return Ok(()),
                () = self.clock.sleep(self.entropy.jitter(LOCK_AGAIN, 0.2)) => {}
            }
        }
        let cursor = in_time(rows::cursor(&mut connection)).await?;
        let log = self.commander.log();
        let feed = log.subscribe(
            cursor,
            FeedConfig {
                nats: self.nats.clone(),
                // The cursor stands in the log's own database: a restore takes both back together.
                epoch: None,
            },
        );
        let session = Session {
            sender: self,
            connection,
            cursor,
            under_way: FuturesUnordered::new(),
            places: HashMap::new(),
            followed_to: None,
            pruned: None,
            prune_at: self.clock.monotonic(),
            disabled: None,
        };
        session.work(feed, tasks, has_worked).await
    }

    /// A connection of its own. Whoever stops, or is cut off, must not keep the lock.
    async fn connect(&self) -> Result<PgConnection, SendError> {
        let options: PgConnectOptions = self.primary.connect_options().as_ref().clone();
        let seconds = |limit: Duration| format!("{}s", limit.as_secs());
        let options = options.application_name("tga-webhooks").options([
            // What is lost in a crash is sent again.
            ("synchronous_commit", "off".to_owned()),
            ("idle_session_timeout", seconds(IDLE)),
            (
                "idle_in_transaction_session_timeout",
                seconds(IDLE_IN_TRANSACTION),
            ),
            ("statement_timeout", seconds(ANSWER)),
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]);
        in_time(options.connect()).await
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }
}

async fn try_lock(connection: &mut PgConnection) -> Result<bool, SendError> {
    let locking = sqlx::query_scalar!(
        r#"select pg_try_advisory_lock($1, $2) as "locked!""#,
        LOCK.0,
        LOCK.1,
    );
    in_time(locking.fetch_one(connection)).await
}

/// An interrupted connection lets questions wait for ever. It is of no use after this. Measured in the
/// system's own time, whatever the sender's clock is: by that alone somebody is late who answers.
async fn in_time<T, E>(asking: impl Future<Output = Result<T, E>>) -> Result<T, SendError>
where
    SendError: From<E>,
{
    match Clock::system().timeout(ANSWER, Box::pin(asking)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(SendError::Late),
    }
}

impl Session<'_> {
    async fn work(
        mut self,
        feed: Feed,
        tasks: &Tasks,
        has_worked: &mut bool,
    ) -> Result<(), SendError> {
        // What a look at the log has found so far is kept while attempts end: begun anew each time,
        // it would never end beside a webhook that answers quickly.
        let mut batches = pin!(stream::unfold(feed, |mut feed| async move {
            let batch = feed.next_batch().await;
            Some((batch, feed))
        }));
        loop {
            self.dispatch().await?;
            tokio::select! {
                () = tasks.stopping() => break,
                Some(done) = self.under_way.next() => {
                    self.settle(done).await?;
                    // What is due is asked for once for all that have ended by now.
                    while let Some(Some(done)) = self.under_way.next().now_or_never() {
                        self.settle(done).await?;
                    }
                }
                Some(batch) = batches.next() => {
                    // Empty once a second while nothing happens: then the rows alone are looked at.
                    self.follow(&batch?).await?;
                    self.disable().await?;
                    self.prune().await?;
                }
            }
            *has_worked = true;
        }
        while let Some(done) = self.under_way.next().await {
            self.settle(done).await?;
        }
        Ok(())
    }

    /// Deletes what is outlived, of one webhook.
    async fn prune(&mut self) -> Result<(), SendError> {
        let now = self.sender.clock.monotonic();
        if now < self.prune_at {
            return Ok(());
        }
        self.prune_at = now + PRUNE;
        let next = in_time(rows::next_endpoint(&mut self.connection, self.pruned)).await?;
        if let Some(webhook) = next {
            let now = self.sender.now();
            let more = in_time(rows::prune(&mut self.connection, webhook, now)).await?;
            if more {
                return Ok(());
            }
        } else if let Some(until) = self.followed_to {
            in_time(rows::forget_unnamed(&mut self.connection, until)).await?;
        }
        self.pruned = next;
        metrics::gauge_webhooks_under_way(self.places.len());
        Ok(())
    }
}
