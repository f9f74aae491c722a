#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;
mod keys;
mod members_and_plan;
mod properties;
mod tracking;
