//! Who is invited to the org.

mod create;
mod list;
mod revoke;

use axum::Router;
use axum::routing::get;

use crate::app::Shared;

/// Where they are listed.
const PLACE: &str = "/settings/invitations";

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route(PLACE, get(list::show).post(create::create))
        .route("/settings/invitations/new", get(create::show))
        .route(
            "/settings/invitations/{id}/revoke",
            get(revoke::show).post(revoke::revoke),
        )
}
