//! Logs, metrics and the words used in them.

mod chain;
pub mod names;

pub use chain::{Chain, chain};
