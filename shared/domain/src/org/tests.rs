#![expect(clippy::unwrap_used, reason = "tests")]

mod deny_again;
mod harness;
mod invitations;
mod keys;
mod members_and_plan;
mod properties;
mod sessions;
mod tracking;
