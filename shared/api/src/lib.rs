//! v1 on the wire.
#![warn(missing_docs)]

pub mod csv;
pub mod cursor;
pub mod envelope;
pub mod error;
pub mod etag;
pub mod header;
pub mod input;
pub mod openapi;
pub mod rate;
pub mod route;
pub mod v1;

/// Where v1 is mounted.
pub const BASE_PATH: &str = "/api/v1";
