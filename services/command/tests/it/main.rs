//! The command service over its real router, on real servers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

mod creators;
mod idempotency;
mod ingest;
mod keys;
mod matrix;
mod projects;
mod races;
mod videos;
