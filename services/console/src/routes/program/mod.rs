//! Projects and what is in them, to look at: creators, videos, campaigns, and their figures over time.

mod analytics;
mod campaign;
mod campaigns;
mod creator;
mod creators;
pub mod head;
pub mod names;
mod project;
mod projects;
mod video;
pub mod video_rows;
mod videos;

use axum::Router;
use axum::routing::get;

use crate::app::Shared;

/// Their pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/projects", get(projects::show))
        .route("/projects/{id}", get(project::show))
        .route("/projects/{id}/creators", get(creators::show))
        .route("/projects/{id}/videos", get(videos::show))
        .route("/projects/{id}/campaigns", get(campaigns::show))
        .route("/creators/{id}", get(creator::show))
        .route("/videos/{id}", get(video::show))
        .route("/campaigns/{id}", get(campaign::show))
        .merge(analytics::files())
}
