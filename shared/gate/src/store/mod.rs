//! All of the gate's SQL. A query service reaches the gate's tables through functions alone, each
//! of which does one thing (migrations, `create_gate_functions`).

mod barrier;
mod connection;
mod fleet;
mod keys;
mod lease;
mod load;
mod people;
mod quota;
mod restore;
mod rows;
mod usage;
mod used;
mod verify;

use thiserror::Error;

pub use self::barrier::{Registered, collect, note_copies, registered, settle, settled_at};
pub use self::connection::connection;
pub use self::fleet::{FleetRows, fleet};
pub use self::keys::{KEYS_AT_ONCE, KeyTerms, keys};
pub use self::lease::{Answer, LeaseLine, allow_lease};
pub use self::load::Snapshot;
pub use self::people::{
    Person, Received, SessionPlace, find_people, invited, last_seen, orgs_of, people, received,
    session_places,
};
pub use self::quota::{give_back, reserve};
pub use self::restore::{
    forget_former_life_in_tx, known_invitees, known_people, remember_replayed, replayed,
};
pub use self::usage::{UsageOf, prune, record};
pub use self::used::{
    Used, UsedDay, UsedRoute, used, used_by_org, used_days, used_routes, used_scopes,
};
pub use self::verify::{Answer as VerifyAnswer, bus_key, verify};

/// Why the gate's tables could not be asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Postgres did not answer, or refused.
    #[error("postgres could not be asked")]
    Database(#[from] sqlx::Error),
    /// It did not answer in time.
    #[error("postgres did not answer in time")]
    TimedOut(#[from] runtime::clock::TimedOut),
    /// It is a standby, which may not know the newest events.
    #[error("postgres is in recovery: not the primary")]
    Standby,
    /// A row holds what it must not.
    #[error("corrupt row: {table}.{column} of {key}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key; never a hash of a credential.
        key: uuid::Uuid,
    },
}
