//! VERIFY: asks the primary about one credential, for one request (revocation.md 5.2).

#[cfg(feature = "mutants")]
mod joined;

use std::time::Duration;

use domain::credential::CredentialHash;
use metrics::{Histogram, histogram};
use runtime::clock::Clock;
use runtime::lifecycle::Tasks;
use runtime::telemetry::chain;
use sqlx::PgPool;
use tokio::sync::Semaphore;

#[cfg(feature = "mutants")]
use crate::core::mutant::Mutant;
use crate::metrics as names;
use crate::store::{self, StoreError, VerifyAnswer};

/// How long a request waits, for its place and for the primary.
const DEADLINE: Duration = Duration::from_millis(250);
/// How much of that may pass before it has a place. Without the rest, a crowd before a slow primary
/// would keep every place busy with requests whose time is up before they are answered.
const PLACE_WITHIN: Duration = Duration::from_millis(125);
/// Requests that may wait for a place, for each place there is; beyond, 503 at once.
const WAITERS_PER_PLACE: usize = 15;

/// How many requests may ask the primary at once.
#[derive(Debug, Clone, Copy)]
pub struct VerifyConfig {
    /// Requests that wait for a connection or an answer. Fifteen times as many wait until it is
    /// their turn; beyond, 503 at once.
    pub places: usize,
}

impl Default for VerifyConfig {
    /// 64 places.
    fn default() -> Self {
        Self { places: 64 }
    }
}

/// The primary does not answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

pub struct Verifier {
    primary: PgPool,
    tasks: Tasks,
    clock: Clock,
    /// For everybody who is here, so that those who wait for a place are bounded too.
    room: Semaphore,
    places: Semaphore,
    seconds: Histogram,
    #[cfg(feature = "mutants")]
    joined: joined::Joined,
}

impl Verifier {
    /// `tasks` are those in which connections are made to the end.
    pub fn new(primary: PgPool, tasks: Tasks, clock: Clock, config: VerifyConfig) -> Self {
        Self {
            primary,
            tasks,
            clock,
            room: Semaphore::new(config.places * (1 + WAITERS_PER_PLACE)),
            places: Semaphore::new(config.places),
            seconds: histogram!(names::VERIFY_SECONDS),
            #[cfg(feature = "mutants")]
            joined: joined::Joined::default(),
        }
    }

    pub async fn verify(&self, hash: &CredentialHash) -> Result<VerifyAnswer, Unavailable> {
        #[cfg(feature = "mutants")]
        if Mutant::JoinedLoad.is_active() {
            return self
                .joined
                .verify(hash, Box::pin(self.verify_alone(hash)))
                .await;
        }
        self.verify_alone(hash).await
    }

    async fn verify_alone(&self, hash: &CredentialHash) -> Result<VerifyAnswer, Unavailable> {
        let _room = self.room.try_acquire().map_err(|_| Unavailable)?;
        let began = self.clock.monotonic();
        let answer = self.clock.timeout(deadline(), self.ask(hash)).await;
        let took = self.clock.monotonic().saturating_since(began);
        self.seconds.record(took.as_secs_f64());
        answer.map_err(StoreError::from).flatten().map_err(|error| {
            // Each of them becomes a 503, which is logged where it is answered.
            tracing::debug!(error = %chain(&error), "no verification");
            Unavailable
        })
    }

    async fn ask(&self, hash: &CredentialHash) -> Result<VerifyAnswer, StoreError> {
        let place = self.places.acquire();
        let place = self.clock.timeout(PLACE_WITHIN, place).await?;
        let _place = place.expect("nobody closes it");
        let mut connection = store::connection(&self.primary, &self.tasks).await?;
        store::verify(&mut connection, hash).await
    }
}

#[cfg(not(feature = "mutants"))]
const fn deadline() -> Duration {
    DEADLINE
}

/// With a fault of loading, loads may be as slow as a busy machine's revocations.
#[cfg(feature = "mutants")]
fn deadline() -> Duration {
    if Mutant::StaleInsert.is_active() || Mutant::JoinedLoad.is_active() {
        DEADLINE * 40
    } else {
        DEADLINE
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::pin::pin;

    use futures_util::future::join_all;
    use futures_util::{FutureExt, poll};
    use runtime::clock::ManualClock;
    use runtime::lifecycle::Lifecycle;
    use tokio::net::TcpListener;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Before a primary that takes connections and says nothing.
    async fn verifier(places: usize) -> (Verifier, TcpListener, ManualClock) {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let primary = PgPool::connect_lazy(&format!("postgres://nobody@{address}/none")).unwrap();
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let tasks = Lifecycle::new(clock.clone()).stage("test");
        let verifier = Verifier::new(primary, tasks, clock, VerifyConfig { places });
        (verifier, silent, hand)
    }

    fn hash() -> CredentialHash {
        CredentialHash::from_bytes([7; 32])
    }

    #[tokio::test]
    async fn who_waits_for_a_place_asks_once_it_is_free() {
        let (verifier, silent, _hand) = verifier(1).await;
        let taken = verifier.places.acquire().await.unwrap();
        let hash = hash();
        let mut waiting = pin!(verifier.verify(&hash));
        assert!(poll!(waiting.as_mut()).is_pending());
        drop(taken);
        tokio::select! {
            asked = silent.accept() => assert!(asked.is_ok()),
            answer = waiting => panic!("the primary was not asked: {answer:?}"),
        }
    }

    #[tokio::test]
    async fn without_a_place_half_the_time_is_all_of_it() {
        let (verifier, _silent, hand) = verifier(1).await;
        let taken = verifier.places.acquire().await.unwrap();
        let hash = hash();
        let mut waiting = pin!(verifier.verify(&hash));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(PLACE_WITHIN.saturating_sub(MILLISECOND));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(MILLISECOND);
        let answer = waiting.now_or_never().unwrap();
        assert_eq!(answer.unwrap_err(), Unavailable);
        drop(taken);
    }

    #[tokio::test]
    async fn the_wait_for_a_place_is_part_of_the_time() {
        let (verifier, _silent, hand) = verifier(1).await;
        let taken = verifier.places.acquire().await.unwrap();
        let hash = hash();
        let mut waiting = pin!(verifier.verify(&hash));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(PLACE_WITHIN.saturating_sub(MILLISECOND));
        drop(taken);
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(DEADLINE.saturating_sub(PLACE_WITHIN));
        assert!(poll!(waiting.as_mut()).is_pending());
        hand.advance(MILLISECOND);
        let answer = waiting.now_or_never().unwrap();
        assert_eq!(answer.unwrap_err(), Unavailable);
    }

    /// Whoever is not answered in time leaves no connection behind that is made for nobody: a
    /// primary that stood still would first have to welcome them all.
    #[tokio::test]
    async fn a_silent_primary_is_called_no_more_often_than_there_may_be_connections() {
        let (verifier, silent, hand) = verifier(64).await;
        let most = verifier.primary.options().get_max_connections();
        let hash = hash();
        for _ in 0..3 * most {
            let mut asking = pin!(verifier.verify(&hash));
            assert!(poll!(asking.as_mut()).is_pending());
            tokio::task::yield_now().await;
            hand.advance(DEADLINE);
            assert_eq!(asking.await.unwrap_err(), Unavailable);
        }
        let mut calls = 0;
        while silent.accept().now_or_never().is_some() {
            calls += 1;
        }
        assert!((1..=most).contains(&calls), "{calls} of {most}");
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once() {
        let (verifier, _silent, hand) = verifier(2).await;
        let hash = hash();
        let all = 2 * (1 + WAITERS_PER_PLACE);
        let mut waiting = pin!(join_all((0..all).map(|_| verifier.verify(&hash))));
        assert!(poll!(waiting.as_mut()).is_pending());
        let answer = verifier.verify(&hash).now_or_never().unwrap();
        assert_eq!(answer.unwrap_err(), Unavailable);
        hand.advance(DEADLINE);
        assert!(waiting.await.iter().all(Result::is_err));
        let mut next = pin!(verifier.verify(&hash));
        assert!(poll!(next.as_mut()).is_pending(), "there is room again");
    }
}
