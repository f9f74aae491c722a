//! The write side: a v1 command is checked, decided against its org's state, appended to the log,
//! mirrored, and, where it took access away, answered only once that holds everywhere.
//!
//! May depend on `domain`, `event-log`, `gate`, `api`, `runtime`.
//!
//! Architecture invariant: this crate holds no rule of the business (those stand in `domain`), and
//! no SQL but that of [`people`] and
//! [`webhooks`]. It does not know the read model: what an answer shows comes from the org's state and
//! from the log.
//!
//! Where to look: [`app`] takes commands without HTTP, [`people`] signs persons in and knows what
//! the log must not hold of them, [`oidc`] asks a provider who somebody is, [`webhooks`] sends events to
//! where orgs want them, both by [`outgoing`], `http` has one file per endpoint,
//! [`CommandService`] puts both together.

pub mod app;
mod config;
mod http;
pub mod metrics;
pub mod oidc;
pub mod outgoing;
pub mod people;
mod service;
pub mod webhooks;

pub use self::config::{Config, PUBLIC_URL, public_url};
pub use self::http::openapi;
pub use self::service::{CommandService, Resources};
