#![expect(clippy::unwrap_used, reason = "tests")]

mod campaigns;
mod deny_again;
mod goals_and_annotations;
mod harness;
mod invitations;
mod keys;
mod members_and_plan;
mod properties;
mod sessions;
mod tracking;
mod webhooks;
