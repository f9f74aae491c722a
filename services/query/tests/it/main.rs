#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod aggregates;
mod analytics;
mod bad_input;
mod campaigns;
mod contract_of_events;
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
mod subscriber;
mod subscribers;
mod subscribers_ended;
mod subscribers_matrix;
mod support;
mod tenants;
mod usage;
