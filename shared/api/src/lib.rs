//! v1 on the wire.
#![warn(missing_docs)]

pub mod envelope;
pub mod error;
pub mod etag;
pub mod header;
pub mod input;
pub mod rate;

/// Where v1 is mounted.
pub const BASE_PATH: &str = "/api/v1";
