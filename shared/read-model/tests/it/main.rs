//! The read model against a real Postgres.

#![expect(clippy::unwrap_used, reason = "tests")]

mod aggregates;
mod answers;
mod archived;
mod audit;
mod breakdown;
mod builds;
mod campaigns;
mod figure_plans;
mod goals;
mod history;
mod laws;
mod naive;
mod pages;
mod people;
mod plans;
mod plans_of_campaigns;
mod projector;
mod sides;
mod support;
mod tenants;
