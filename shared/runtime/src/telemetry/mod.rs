//! Logs, metrics and the words used in them.

mod chain;
mod init;
pub mod names;
mod redact;

pub use chain::{Chain, chain};
pub use init::{LogFormat, TelemetryConfig, TelemetryError, init};
