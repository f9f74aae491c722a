//! Looks at who is connected, and ends what a key may not have any more. It remembers nothing: what
//! the servers list is compared with what the primary says, so that it does not matter who let a
//! connection in, or what happened while nobody looked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{KeyId, OrgId};
use domain::scope::Scope;
use domain::time::Timestamp;
use gate::{KEYS_AT_ONCE, KeyTerms, StoreError};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::telemetry::chain;
use sqlx::PgPool;
use thiserror::Error;
use tokio::sync::Notify;

use super::connections::{Connection, Connections, ConnectionsError, Page};
use super::durables::{self, DurableError, Durables};
use crate::metrics::{SUBSCRIBER_DURABLES, SUBSCRIBERS, SUBSCRIBERS_ENDED};

/// How often it looks though nothing happened. Who was being let in while a key ended is seen then.
const LOOK: Duration = Duration::from_secs(2);
/// The shortest time from one look to the next.
const REST: Duration = Duration::from_millis(50);
/// How long a look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(30);
/// How often durables are looked after.
const TIDY: Duration = Duration::from_secs(5);
/// How long the primary may take over keys.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Ends connections, and looks after durables.
pub struct Warden {
    /// Where connections are listed and ended.
    pub connections: Connections,
    /// What each of them asks.
    pub durables: Durables,
    /// What says what keys may do.
    pub primary: PgPool,
    /// Told whenever an event changed that.
    pub changed: Arc<Notify>,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
}

/// Why a look came to nothing; the next one comes soon.
#[derive(Debug, Error)]
enum LookError {
    #[error(transparent)]
    Connections(#[from] ConnectionsError),
    #[error(transparent)]
    Durables(#[from] DurableError),
    #[error("what keys may do cannot be asked")]
    Keys(#[from] StoreError),
    #[error("it took too long")]
    Late,
}

/// Those who are connected and may be.
type Connected = HashSet<(OrgId, KeyId)>;

impl Warden {
    /// Looks until the stage stops.
    pub async fn run(self, tasks: Tasks) {
        tokio::select! {
            () = self.look_on() => {}
            () = tasks.stopping() => {}
        }
    }

    async fn look_on(&self) {
        let mut tidied: Option<Monotonic> = None;
        loop {
            if let Err(error) = self.look(&mut tidied).await {
                tracing::warn!(error = %chain(&error), "subscribers were not looked at");
            }
            self.clock.sleep(REST).await;
            let pause = self.entropy.jitter(LOOK, 0.2);
            // Late or told: both times it looks.
            let _ = self.clock.timeout(pause, self.changed.notified()).await;
        }
    }

    async fn look(&self, tidied: &mut Option<Monotonic>) -> Result<(), LookError> {
        let looked = self.clock.timeout(LOOK_WITHIN, self.end_what_may_not_be());
        let connected = looked.await.map_err(|_| LookError::Late)??;
        let now = self.clock.monotonic();
        if tidied.is_some_and(|at| now.saturating_since(at) < TIDY) {
            return Ok(());
        }
        let tidy = self.clock.timeout(LOOK_WITHIN, self.tidy(&connected));
        tidy.await.map_err(|_| LookError::Late)??;
        *tidied = Some(now);
        Ok(())
    }

    /// Page by page, so that what is seen first ends first.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    async fn end_what_may_not_be(&self) -> Result<Connected, LookError> {
        let mut connected = Connected::new();
        let mut listed = 0;
        let mut listing = self.connections.list().await?;
        while let Some(page) = listing.next().await? {
            listed += page.connections.len();
            self.judge(&page, &mut connected).await?;
        }
        metrics::gauge!(SUBSCRIBERS).set(listed as f64);
        Ok(connected)
    }

    async fn judge(&self, page: &Page, connected: &mut Connected) -> Result<(), LookError> {
        let keys: HashSet<KeyId> = page.connections.iter().map(|one| one.key).collect();
        let terms = self.terms(keys.into_iter().collect()).await?;
        let now = self.now();
        for one in &page.connections {
            let Connection { org, key, .. } = *one;
            let may = one.peer.is_some_and(|peer| {
                let terms = terms.get(&key);
                terms.is_some_and(|terms| terms.allow(org, peer, Scope::Audit, now))
            });
            if may {
                connected.insert((org, key));
                continue;
            }
            self.connections.end(&page.server, one.id).await?;
            metrics::counter!(SUBSCRIBERS_ENDED).increment(1);
            tracing::info!(%org, %key, "a subscriber's connection is ended");
        }
        Ok(())
    }

    /// Makes durables that are gone with a stream that was made anew, and takes those away whose key
    /// has ended.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    async fn tidy(&self, connected: &Connected) -> Result<(), LookError> {
        let names = self.durables.names().await?;
        metrics::gauge!(SUBSCRIBER_DURABLES).set(names.len() as f64);
        for (org, key) in connected {
            if !names.contains(&durables::name(*org, *key)) {
                self.durables.ensure(*org, *key).await?;
                tracing::info!(%org, %key, "a subscriber's durable was gone, and is made anew");
            }
        }
        let owned = names
            .iter()
            .filter_map(|name| Some((name, durables::parse(name)?.1)));
        let owned: Vec<(&String, KeyId)> = owned.collect();
        let terms = self
            .terms(owned.iter().map(|(_, key)| *key).collect())
            .await?;
        let now = self.now();
        for (name, key) in owned {
            if terms.get(&key).is_none_or(|terms| terms.is_over(now)) {
                self.durables.remove(name).await?;
                tracing::info!(%key, "the durable of a key that has ended is taken away");
            }
        }
        Ok(())
    }

    async fn terms(&self, keys: Vec<KeyId>) -> Result<HashMap<KeyId, KeyTerms>, LookError> {
        let mut terms = HashMap::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            let asked = gate::keys(&self.primary, some);
            let answer = self.clock.timeout(ANSWER_WITHIN, asked).await;
            terms.extend(answer.map_err(StoreError::from)??);
        }
        Ok(terms)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }
}
