//! The pages, one file each, beside their templates.

mod address;
mod audit;
mod choice;
mod id;
mod inbox;
mod keys;
mod list;
mod people;
mod program;
mod question;
mod settings;
mod sign_in;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::app::Shared;
use crate::page::Problem;
use crate::visit::{Visit, see_other};

/// All of them.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/", get(start))
        .merge(sign_in::pages())
        .merge(keys::pages())
        .merge(audit::pages())
        .merge(settings::pages())
        .merge(program::pages())
        .merge(inbox::pages())
        .fallback(nowhere)
}

async fn start(visit: Visit) -> Response {
    if visit.credential().is_none() {
        return see_other(&visit, "/login");
    }
    see_other(&visit, "/projects")
}

async fn nowhere(visit: Visit) -> Response {
    Problem::not_found(&visit).into_response()
}

/// The answer to a post from another site.
pub fn from_elsewhere() -> Response {
    let text = "This request came from another site, so nothing was done. Open the console itself, and send the form there.";
    let content_type = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (StatusCode::FORBIDDEN, content_type, text).into_response()
}
