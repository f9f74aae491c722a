//! A fresh process that is nothing but a gate.

use event_log::{Config, EventLog};
use gate::{Gate, Limiter, ReplicaConfig, ReplicaParts, VerifyConfig};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use serde::{Deserialize, Serialize};

use crate::bench::error::BenchError;
use crate::bench::place;
use crate::bench::product::resident_bytes;
use crate::bench::worker::Parent;

/// Loads the keys of a database, as a replica does when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeysJob {
    pub database_url: String,
}

/// What it took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Loaded {
    /// Resident memory before and after, in bytes.
    pub before: u64,
    pub after: u64,
    /// Without starting the process.
    pub seconds: f64,
}

impl KeysJob {
    pub async fn run(
        self,
        parent: &mut Parent,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(), BenchError> {
        let mut lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.stage("gate");
        let pool = place::pool(&self.database_url, 4).await?;
        let before = resident_bytes(std::process::id())?;
        let began = clock.monotonic();
        let (log, _) = EventLog::new(
            pool.clone(),
            clock.clone(),
            entropy.clone(),
            Config::default(),
        );
        let limiter = Limiter::start(pool.clone(), clock.clone(), &tasks);
        let parts = ReplicaParts {
            primary: pool,
            log,
            nats: None,
            entropy,
        };
        let config = ReplicaConfig::new("bench");
        let gate = Gate::cached(limiter, parts, VerifyConfig::default(), &config, &tasks);
        let mut ready = gate.ready();
        let gone = |_| BenchError::Wrong("the gate is gone".into());
        ready.wait_for(|ready| *ready).await.map_err(gone)?;
        let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
        parent.report(&Loaded {
            before,
            after: resident_bytes(std::process::id())?,
            seconds,
        })?;
        parent.until_done().await;
        lifecycle.shutdown(ShutdownPolicy::default()).await;
        Ok(())
    }
}
