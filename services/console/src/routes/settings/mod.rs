//! Org settings besides API keys.

mod account;
mod general;
mod invitations;
mod limits;
mod members;
mod sessions;

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::app::Shared;
use crate::visit::{Signed, see_other};

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/settings", get(start))
        .route(
            "/settings/general",
            get(general::show).post(general::change),
        )
        .route("/settings/limits", get(limits::show))
        .route(
            "/settings/account",
            get(account::show).post(account::change_password),
        )
        .merge(members::pages())
        .merge(invitations::pages())
        .merge(sessions::pages())
}

async fn start(Signed(visit): Signed) -> Response {
    see_other(&visit, "/settings/general")
}
