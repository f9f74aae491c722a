//! The log on real servers: Postgres, NATS, and a proxy that misbehaves.
#![expect(clippy::unwrap_used, reason = "tests")]

mod append;
mod append_only;
mod archive;
mod concurrency;
mod copies;
mod faults;
mod feed;
mod gate_rows;
mod idempotency;
mod lives;
mod mirror;
mod org_events;
mod people;
mod plans;
mod readings;
mod replay;
mod signer;
mod snapshots;
mod support;
