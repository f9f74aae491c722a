//! `trackagoat leases`: for how long replicas may trust their caches without hearing from the
//! primary.

use std::time::Duration;

use clap::Subcommand;
use gate::{StoreError, allow_lease};
use query::parse_lease;
use runtime::clock::Clock;

use crate::operator::{ConnectError, Target, connect};
use crate::terminal::say;

/// Leases of query services.
#[derive(Debug, Subcommand)]
pub enum Leases {
    /// Allow terms up to so many seconds; before any replica is started with `--lease` that long.
    Allow {
        /// From 0.1 to 60, with a fraction if need be.
        #[arg(value_parser = parse_lease)]
        seconds: Duration,
    },
}

/// Why it was not allowed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the longest term could not be raised")]
    Store(#[from] StoreError),
}

impl Leases {
    /// Raises the longest term; one that is longer already stays. Every revocation waits that long
    /// for a replica that is silent.
    pub async fn run(&self, target: &Target, clock: &Clock) -> Result<(), Failure> {
        let Self::Allow { seconds } = self;
        let mut connection = connect(&target.place()?, clock).await?;
        allow_lease(&mut connection, *seconds).await?;
        let seconds = seconds.as_secs_f64();
        say(format_args!(
            "replicas may be started with --lease {seconds} now"
        ));
        Ok(())
    }
}
