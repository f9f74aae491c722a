//! The audit trail: what happened, how it stood, and what proves both.

mod as_of;
mod event;
mod export;
mod filters;
mod head;
mod moment;
mod names;
mod sentence;
mod trail;

use axum::Router;
use axum::routing::get;

use crate::app::Shared;

/// The pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/audit", get(trail::show))
        .route("/audit/as-of", get(as_of::show))
        .route("/audit/export", get(export::download))
        .route("/audit/events/{position}", get(event::show))
}
