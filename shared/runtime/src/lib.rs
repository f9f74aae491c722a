//! What every process of ours needs to run: the doors to time and chance, configuration, telemetry,
//! health, the lifecycle, an HTTP accept loop, and launchers of private Postgres and NATS servers.
//!
//! It may depend on no other crate of ours.
//!
//! Architecture invariant: `runtime` does not know the product. No org, no key, no event, no route
//! and no table is named here.

#![warn(missing_docs)]

pub mod admin;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod files;
pub mod http;
pub mod lifecycle;
pub mod local;
pub mod nats;
pub mod nats_keys;
pub mod places;
pub mod process;
pub mod retry;
pub mod telemetry;
