//! Looks at who is connected, and ends what a key may not have any more. It remembers nothing: what
//! the servers list is compared with what the primary says, so that it does not matter who let a
//! connection in, or what happened while nobody looked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::ids::KeyId;
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
use super::held::Held;
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

/// After so many durables that could not be made or taken away the rest waits for the next time.
const FAILURES: usize = 8;

/// Ends connections, and looks after durables.
pub struct Warden {
    /// Where connections are listed and ended.
    pub connections: Connections,
    /// What each of them asks.
    pub durables: Durables,
    /// How many connections there are.
    pub held: Arc<Held>,
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

/// Those who are connected and may be, by server.
type Connected = Vec<(String, Connection)>;

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
        self.held.begin();
        let mut listing = self.connections.list().await?;
        while let Some(page) = listing.next().await? {
            listed += page.connections.len();
            self.judge(&page, &mut connected).await?;
        }
        metrics::gauge!(SUBSCRIBERS).set(listed as f64);
        self.end_what_is_too_many(&mut connected).await?;
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
                connected.push((page.server.clone(), *one));
                continue;
            }
            self.end(&page.server, one.id).await?;
            tracing::info!(%org, %key, "a subscriber's connection is ended");
        }
        for one in &page.strangers {
            self.end(&page.server, *one).await?;
            tracing::warn!("a connection is ended that nobody let in under its name");
        }
        Ok(())
    }

    /// The newest of a key, or of an org, go. All services take the same ones.
    async fn end_what_is_too_many(&self, connected: &mut Connected) -> Result<(), LookError> {
        // Of what a server does not tell the time nothing is older.
        connected.sort_by(|(server, one), (other, two)| {
            let time = |one: &Connection| (one.since.is_none(), one.since);
            (time(one), server, one.id).cmp(&(time(two), other, two.id))
        });
        let seen = connected.iter().map(|(_, one)| (one.org, one.key));
        let mut stay = self.held.see(seen).into_iter();
        let stays = |_: &mut (String, Connection)| !stay.next().unwrap_or(true);
        for (server, Connection { id, org, key, .. }) in connected.extract_if(.., stays) {
            self.end(&server, id).await?;
            tracing::info!(%org, %key, "a subscriber's connection is ended, one too many");
        }
        Ok(())
    }

    async fn end(&self, server: &str, connection: u64) -> Result<(), LookError> {
        self.connections.end(server, connection).await?;
        metrics::counter!(SUBSCRIBERS_ENDED).increment(1);
        Ok(())
    }

    /// Makes durables that are gone with a stream that was made anew, and takes those away whose key
    /// has ended.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    async fn tidy(&self, connected: &Connected) -> Result<(), LookError> {
        let names = self.durables.names().await?;
        metrics::gauge!(SUBSCRIBER_DURABLES).set(names.len() as f64);
        let mut failures = Failures::default();
        let connected: HashSet<_> = connected
            .iter()
            .map(|(_, one)| (one.org, one.key))
            .collect();
        for &(org, key) in &connected {
            if !names.contains(&durables::name(org, key)) {
                let made = self.durables.ensure(org, key).await;
                if failures.bear(made)? {
                    tracing::info!(%org, %key, "a subscriber's durable was gone, and is made anew");
                }
            }
        }
        // Where somebody is connected the connection ends first, with the next look.
        let unconnected = names.iter().filter_map(|name| {
            let owner = durables::parse(name)?;
            (!connected.contains(&owner)).then_some((name, owner.1))
        });
        let owned: Vec<(&String, KeyId)> = unconnected.collect();
        let terms = self
            .terms(owned.iter().map(|(_, key)| *key).collect())
            .await?;
        let now = self.now();
        for (name, key) in owned {
            if terms.get(&key).is_none_or(|terms| terms.is_over(now)) {
                let removed = self.durables.remove(name).await;
                if failures.bear(removed)? {
                    tracing::info!(%key, "the durable of a key that has ended is taken away");
                }
            }
        }
        failures.last.map_or(Ok(()), |error| Err(error.into()))
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

/// What went wrong with single durables, which does not keep the others waiting: they come in
/// another order each time, so that some which always fail stand in nobody's way for long.
#[derive(Default)]
struct Failures {
    count: usize,
    last: Option<DurableError>,
}

impl Failures {
    /// Whether it went well.
    ///
    /// # Errors
    /// If it was one failure too many.
    fn bear(&mut self, done: Result<(), DurableError>) -> Result<bool, DurableError> {
        let Err(error) = done else {
            return Ok(true);
        };
        self.count += 1;
        if self.count == FAILURES {
            return Err(error);
        }
        self.last = Some(error);
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_failures_are_borne_and_not_forgotten() {
        let mut failures = Failures::default();
        assert!(matches!(failures.bear(Ok(())), Ok(true)));
        for _ in 1..FAILURES {
            assert!(matches!(failures.bear(Err(DurableError::Late)), Ok(false)));
        }
        assert!(failures.last.is_some());
        assert!(failures.bear(Err(DurableError::Late)).is_err());
    }
}
