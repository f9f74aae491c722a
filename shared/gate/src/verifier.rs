//! VERIFY: asks the primary about one credential, for one request (revocation.md 5.2).

use std::time::Duration;

use domain::credential::CredentialHash;
use metrics::{Histogram, histogram};
use runtime::clock::Clock;
use runtime::telemetry::chain;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::metrics as names;
use crate::store::{self, StoreError, Verified};

/// How long a request waits for the primary.
const DEADLINE: Duration = Duration::from_millis(250);

/// How many requests may wait for the primary at once; beyond, 503 at once.
#[derive(Debug, Clone, Copy)]
pub struct VerifyConfig {
    /// Requests that wait, for a connection or an answer.
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
    clock: Clock,
    places: Semaphore,
    seconds: Histogram,
}

impl Verifier {
    pub fn new(primary: PgPool, clock: Clock, config: VerifyConfig) -> Self {
        Self {
            primary,
            clock,
            places: Semaphore::new(config.places),
            seconds: histogram!(names::VERIFY_SECONDS),
        }
    }

    pub async fn verify(&self, hash: &CredentialHash) -> Result<Verified, Unavailable> {
        let _place = self.places.try_acquire().map_err(|_| Unavailable)?;
        let began = self.clock.monotonic();
        let asked = store::verify(&self.primary, hash);
        let answer = self.clock.timeout(DEADLINE, asked).await;
        let took = self.clock.monotonic().saturating_since(began);
        self.seconds.record(took.as_secs_f64());
        answer.map_err(StoreError::from).flatten().map_err(|error| {
            // Each of them becomes a 503, which is logged where it is answered.
            tracing::debug!(error = %chain(&error), "no verification");
            Unavailable
        })
    }
}
