//! The tracking inbox of a project: found videos that wait for a person, or were decided by one.

mod list;
mod outcome;
mod review;
mod view;

use axum::Router;
use axum::routing::get;

use crate::app::Shared;

/// Its pages.
pub fn pages() -> Router<Shared> {
    Router::new().route("/projects/{id}/inbox", get(list::show).post(review::review))
}
