//! What tests share: private Postgres and NATS servers, a TCP proxy that misbehaves on demand, and
//! waiting for a condition with a deadline, texts that are trouble, a judge of histories of revoked keys, and what proofs
//! leave for the record.
//!
//! It may depend on anything shared, and is named under `[dev-dependencies]` alone. Everything here
//! panics rather than returning an error: a test that cannot be set up has failed.
//!
//! Architecture invariant: `testkit` knows no service.

#![warn(missing_docs)]

mod eventually;
pub mod history;
mod migrations;
mod nats;
mod postgres;
mod proven;
mod proxy;
mod trouble;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

pub use eventually::{Probe, eventually};
pub use nats::{TestNats, nats};
pub use postgres::{TestDatabase, TestPostgres, postgres, private_postgres};
pub use proven::proven;
pub use proxy::{Direction, Held, Proxy};
pub use trouble::TROUBLE;

/// A folder that a server's account may reach, wherever we are root.
fn reachable_folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("tga-test-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .expect("the temporary folder takes a new one")
}
