#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod analytics;
mod objects;
mod paging;
mod support;
