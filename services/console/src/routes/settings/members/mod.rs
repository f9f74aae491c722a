//! Those who belong to the org: their roles, and how they go.

mod departure;
mod everyone;
mod leave;
mod list;
mod remove;
mod role;

use axum::Router;
use axum::routing::get;

pub use self::everyone::{Everyone, name_of};
pub use self::role::grants;
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
