#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod aggregates;
mod analytics;
mod bad_input;
mod campaigns;
mod docs;
mod furnished;
mod kept;
mod objects;
mod paging;
mod people;
mod proofs;
mod refusals;
mod replicas;
mod routes;
mod strings;
mod support;
mod tenants;
mod usage;
