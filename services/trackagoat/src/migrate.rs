//! `trackagoat migrate`: brings a database of the log up to date.

use clap::Args;
use event_log::{MigrateError, migrate, pending_migrations};
use runtime::clock::Clock;

use crate::operator::{ConnectError, Target, connect};
use crate::terminal::say;

/// Brings the log's database up to date, while services run. The login must be allowed to create
/// roles and schemas: the admin's, not one of a service. The read model needs nothing: projectors make it.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    target: Target,
}

/// Why a database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
}

impl Migrate {
    /// Applies what is missing, each migration in a transaction of its own.
    pub async fn run(&self, clock: &Clock) -> Result<(), Failure> {
        let mut connection = connect(&self.target.place()?, clock).await?;
        let pending = pending_migrations(&mut connection).await?;
        migrate(&mut connection, clock).await?;
        for migration in &pending {
            say(format_args!("applied {migration}"));
        }
        if pending.is_empty() {
            say("up to date");
        }
        Ok(())
    }
}
