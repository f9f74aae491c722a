//! Those who belong to the org: their roles, and how they go.

mod departure;
mod leave;
mod list;
mod remove;
mod role;

use axum::Router;
use axum::routing::get;

pub use self::role::roles;
use crate::app::Shared;

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/settings/members", get(list::show))
        .route(
            "/settings/members/self/leave",
            get(leave::show).post(leave::leave),
        )
        .route(
            "/settings/members/{id}/role",
            get(role::show).post(role::change),
        )
        .route(
            "/settings/members/{id}/remove",
            get(remove::show).post(remove::remove),
        )
}
