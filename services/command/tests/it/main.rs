//! The command service over its real router, on real servers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod annotations;
mod bad_input;
mod campaigns;
mod goals;
mod strings;
mod support;

mod creators;
mod deliveries;
mod examples;
mod faults;
mod idempotency;
mod ingest;
mod invitations;
mod keys;
mod limits;
mod matrix;
mod members;
mod oidc;
mod oidc_provider;
mod operator;
mod passwords;
mod projects;
mod races;
mod refusals;
mod replicas;
mod sessions;
mod sign_in;
mod snapshots;
mod turns;
mod videos;
mod webhooks;
mod webhooks_archived;
mod webhooks_busy;
mod webhooks_faults;
