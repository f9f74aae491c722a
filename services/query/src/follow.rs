//! Follows the log, for the response cache: which org's answers may have changed, and where; and for
//! open streams, which hear of it here.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use event_log::{EventLog, Feed, FeedConfig, FeedError, StoredEvent};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use tokio::sync::Notify;

use crate::cache::{Freshness, ResponseCache, Topics};
use crate::hub::Hub;
use crate::metrics::{CACHE_BYTES, CACHE_ENTRIES, FOLLOWED_POSITION, FOLLOWER_RESTARTS};

/// For how long kept answers are still given while the log does not answer: a stall of Postgres
/// fails no read. As long as a lease, after which the gate lets nobody in anyway. The feed says at
/// least once a second that nothing happened.
const BLIND: Duration = Duration::from_secs(2);

/// Between two looks at the clock, and at the gauges, while nothing comes.
const TICK: Duration = Duration::from_millis(250);

/// Tries for as long as it takes.
const RETRY: Policy = Policy::exponential(Duration::from_millis(50), Duration::from_secs(1));

/// What the follower needs.
#[derive(Debug)]
pub struct Follower {
    /// The log.
    pub log: EventLog,
    /// NATS, for events as they happen.
    pub nats: Option<async_nats::Client>,
    /// Where jitter comes from.
    pub entropy: Entropy,
    /// What it keeps true.
    pub cache: Arc<ResponseCache>,
    /// Where open streams hear of events.
    pub hub: Arc<Hub>,
    /// Told whenever something happened that changes who may call.
    pub changed: Arc<Notify>,
}

impl Follower {
    /// Follows until the process stops. Whenever it cannot know what happened, nothing is given
    /// from the cache.
    pub async fn run(self, tasks: Tasks) {
        let follow = async {
            loop {
                let feed = self.begin(&tasks).await;
                self.follow(feed, &tasks).await;
                metrics::counter!(FOLLOWER_RESTARTS).increment(1);
                self.freshness().lose_sight();
            }
        };
        tokio::select! {
            () = follow => {}
            () = tasks.stopping() => {}
        }
    }

    /// Begins at the head: what was answered before is void, what is answered from now on is
    /// computed at the head or later, or not kept.
    async fn begin(&self, tasks: &Tasks) -> Feed {
        let head = RETRY
            .run(tasks.clock(), &self.entropy, |_| true, || self.log.head())
            .await
            .expect("the policy never gives up");
        self.freshness().restart(head.position, head.auth_position);
        self.cache.clear();
        self.hub.restart(head.position);
        let config = FeedConfig {
            nats: self.nats.clone(),
            epoch: Some(head.epoch),
        };
        self.log.subscribe(head.position, config)
    }

    /// Follows one epoch of the log to its end.
    async fn follow(&self, mut feed: Feed, tasks: &Tasks) {
        let clock = tasks.clock();
        let mut waits = RETRY.waits(&self.entropy);
        let mut seen_at = clock.monotonic();
        loop {
            match self.next_batch(&mut feed, seen_at, clock).await {
                Ok(batch) => {
                    self.note(&batch);
                    waits = RETRY.waits(&self.entropy);
                    seen_at = clock.monotonic();
                    self.freshness().see();
                }
                Err(FeedError::Log(error)) => {
                    tracing::warn!(error = %chain(&error), "the log cannot be followed");
                    if let Some(wait) = waits.next() {
                        clock.sleep(wait).await;
                    }
                    self.doubt(seen_at, clock);
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "following the log from its head");
                    return;
                }
            }
        }
    }

    /// What the feed says next, be it that nothing happened. Only that is an answer: time that
    /// passes without one says nothing, since the question may be stuck.
    async fn next_batch(
        &self,
        feed: &mut Feed,
        seen_at: Monotonic,
        clock: &Clock,
    ) -> Result<Vec<StoredEvent>, FeedError> {
        let mut batch = pin!(feed.next_batch());
        loop {
            if let Ok(batch) = clock.timeout(TICK, batch.as_mut()).await {
                return batch;
            }
            self.doubt(seen_at, clock);
            self.set_gauges();
        }
    }

    /// Too long after the last answer, something may have been missed.
    fn doubt(&self, seen_at: Monotonic, clock: &Clock) {
        if clock.monotonic().saturating_since(seen_at) > BLIND {
            self.freshness().lose_sight();
        }
    }

    fn note(&self, batch: &[StoredEvent]) {
        let Some(last) = batch.last() else { return };
        let freshness = self.freshness();
        freshness.announce(last.position);
        for event in batch {
            freshness.note(event.org_id, touched_by(event), event.position);
            if event.is_auth() {
                freshness.auth_followed_to(event.position);
            }
        }
        freshness.followed_to(last.position);
        self.hub.publish(batch);
        if batch.iter().any(StoredEvent::is_auth) {
            self.changed.notify_one();
        }
    }

    fn freshness(&self) -> &Freshness {
        self.cache.freshness()
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    fn set_gauges(&self) {
        let (entries, bytes) = self.cache.size();
        metrics::gauge!(CACHE_ENTRIES).set(entries as f64);
        metrics::gauge!(CACHE_BYTES).set(bytes as f64);
        metrics::gauge!(FOLLOWED_POSITION).set(self.freshness().followed().get() as f64);
    }
}

/// What an event may change; everything, if this build cannot read it.
fn touched_by(event: &StoredEvent) -> Topics {
    event
        .decode()
        .map_or(Topics::ALL, |recorded| Topics::touched_by(&recorded.event))
}
