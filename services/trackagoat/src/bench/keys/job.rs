//! A fresh process that is nothing but a gate.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use event_log::{Config, EventLog};
use gate::core::entry::Entry;
use gate::{Gate, Limiter, ReplicaConfig, ReplicaParts, VerifyConfig};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use serde::{Deserialize, Serialize};

use crate::bench::error::BenchError;
use crate::bench::folder;
use crate::bench::product::resident_bytes;
use crate::bench::worker::Parent;
use crate::bench::zipf::Random;

/// Loads the keys of a database, as a replica does when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeysJob {
    pub database_url: String,
    /// Some of the keys, to be used once each.
    pub credentials: Vec<String>,
}

/// Keeps as many keys as a gate would in nothing but a table, for comparison.
#[derive(Debug, Serialize, Deserialize)]
pub struct TableJob {
    pub keys: u64,
}

/// What it took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Loaded {
    /// Resident memory before and after, in bytes.
    pub before: u64,
    pub after: u64,
    /// After some keys were used.
    pub used: u64,
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
        let pool = folder::pool(&self.database_url, 4).await?;
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
        let after = resident_bytes(std::process::id())?;
        for credential in &self.credentials {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::try_from(format!("Bearer {credential}"));
            headers.extend(value.ok().map(|value| (AUTHORIZATION, value)));
            if gate
                .authorize(&headers, Ipv4Addr::LOCALHOST.into())
                .await
                .is_err()
            {
                return Err(BenchError::Wrong("the gate refuses a key".into()));
            }
        }
        let used = resident_bytes(std::process::id())?;
        parent.report(&Loaded {
            before,
            after,
            used,
            seconds,
        })?;
        parent.until_done().await;
        lifecycle.shutdown(ShutdownPolicy::default()).await;
        Ok(())
    }
}

/// As large as what a gate keeps of a key.
type Kept = [u8; size_of::<Entry>()];

impl TableJob {
    pub fn run(self, parent: &Parent, clock: &Clock) -> Result<(), BenchError> {
        let before = resident_bytes(std::process::id())?;
        let began = clock.monotonic();
        let mut random = Random::new(1);
        let mut table: HashMap<[u8; 32], Arc<Kept>> = HashMap::new();
        for _ in 0..self.keys {
            let mut hash = [0; 32];
            for part in hash.chunks_exact_mut(8) {
                part.copy_from_slice(&random.u64().to_le_bytes());
            }
            table.insert(hash, Arc::new([1; size_of::<Entry>()]));
        }
        let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
        let after = resident_bytes(std::process::id())?;
        parent.report(&Loaded {
            before,
            after,
            used: after,
            seconds,
        })?;
        drop(table);
        Ok(())
    }
}
