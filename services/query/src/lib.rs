//! The read side: v1's questions behind the gate, the projector, and answers kept while nothing
//! changes them.
//!
//! May depend on `domain`, `event-log`, `gate`, `read-model`, `api`, `runtime`.
//!
//! Architecture invariant: this crate decides nothing and appends nothing; it does not know the
//! write side, and holds no SQL. What it answers is what the projection held at one position.
//!
//! Where to look: [`QueryService`] puts it together, `http` is what every request passes,
//! `routes` has one file per endpoint, `cache` says when a kept answer is still one,
//! [`subscribers`] lets in who reads events over NATS.

mod ahead;
mod answer;
mod app;
mod cache;
mod call;
mod config;
mod follow;
mod guard;
mod http;
mod hub;
pub mod metrics;
mod pace;
mod places;
mod routes;
mod service;
pub mod subscribers;

pub use self::config::{Config, parse_lease};
pub use self::http::Front;
pub use self::routes::openapi;
pub use self::service::{Parts, QueryService};
