//! The read model against a real Postgres.

#![expect(clippy::unwrap_used, reason = "tests")]

mod history;
mod laws;
mod naive;
mod support;
