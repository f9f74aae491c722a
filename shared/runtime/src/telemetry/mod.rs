//! Logs, metrics and the words used in them.

mod batch;
mod chain;
mod init;
mod json;
pub mod names;
mod redact;

pub use chain::{Chain, chain};
pub use init::{LogFormat, Telemetry, TelemetryConfig, TelemetryError, init};
