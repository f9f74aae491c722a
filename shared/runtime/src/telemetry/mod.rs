//! Logs, metrics and the words used in them.

mod chain;
mod init;
pub mod names;

pub use chain::{Chain, chain};
pub use init::{TelemetryError, init};
