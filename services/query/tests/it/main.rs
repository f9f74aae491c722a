#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod aggregates;
mod analytics;
mod as_of;
mod audit;
mod audit_export;
mod audit_stream;
mod bad_input;
mod campaigns;
mod docs;
mod furnished;
mod kept;
mod objects;
mod paging;
mod people;
mod refusals;
mod replicas;
mod routes;
mod strings;
mod support;
mod tenants;
mod usage;
