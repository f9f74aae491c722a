//! The endpoints, one file each, and their description.

mod aggregate;
mod analytics;
mod annotations;
mod audit;
mod campaigns;
mod choices;
mod creators;
mod figures;
mod goals;
mod history;
mod invitations;
mod keys;
mod limits;
mod members;
mod orgs;
mod page;
mod projects;
mod removed;
mod schema;
mod sessions;
mod videos;
mod webhooks;

use api::BASE_PATH;
use api::error::ApiError;
use axum::Router;
use axum::routing::get;
use chrono::TimeDelta;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::http;

/// How late figures may be that move without an event.
const FIGURES_LATE: TimeDelta = TimeDelta::seconds(60);

/// Everything behind the gate.
pub fn endpoints(app: Shared) -> Router {
    let (described, _) = described().split_for_parts();
    let gone = removed::routes().fold(Router::new(), |router, route| {
        router.route(route.path, get(removed::handle))
    });
    let endpoints = described
        .merge(gone)
        .fallback(async || ApiError::internal("a route of the table has no endpoint"));
    Router::new().nest(BASE_PATH, endpoints).with_state(app)
}

/// What this service contributes to `api::openapi::document`.
pub fn openapi() -> OpenApi {
    let (_, mut description) = described().split_for_parts();
    description.merge(http::Described::openapi());
    description.merge(removed::describe());
    description
}

fn described() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(schema::handle))
        .routes(routes!(limits::handle))
        .routes(routes!(keys::list::handle))
        .routes(routes!(keys::own::handle))
        .routes(routes!(keys::get::handle))
        .routes(routes!(keys::usage::handle))
        .routes(routes!(orgs::list::handle))
        .routes(routes!(orgs::own::handle))
        .routes(routes!(members::list::handle))
        .routes(routes!(invitations::list::handle))
        .routes(routes!(invitations::received::handle))
        .routes(routes!(sessions::list::handle))
        .routes(routes!(sessions::own::handle))
        .routes(routes!(projects::list::handle))
        .routes(routes!(projects::get::handle))
        .routes(routes!(videos::inbox::handle))
        .routes(routes!(creators::list::handle))
        .routes(routes!(creators::get::handle))
        .routes(routes!(videos::list::handle))
        .routes(routes!(videos::get::handle))
        .routes(routes!(campaigns::list::handle))
        .routes(routes!(campaigns::get::handle))
        .routes(routes!(campaigns::items::handle))
        .routes(routes!(annotations::handle))
        .routes(routes!(goals::list::handle))
        .routes(routes!(goals::compliance::handle))
        .routes(routes!(webhooks::list::handle))
        .routes(routes!(webhooks::get::handle))
        .routes(routes!(webhooks::deliveries::handle))
        .routes(routes!(analytics::handle))
        .routes(routes!(audit::events::handle))
        .routes(routes!(audit::stream::handle))
        .routes(routes!(audit::export::handle))
        .routes(routes!(audit::as_of::handle))
        .routes(routes!(aggregate::video_leaderboard::handle))
        .routes(routes!(aggregate::creator_leaderboard::handle))
        .routes(routes!(aggregate::campaign_leaderboard::handle))
        .routes(routes!(aggregate::goal_compliance::handle))
        .routes(routes!(aggregate::member_overlap::handle))
        .routes(routes!(aggregate::posting_heatmap::handle))
        .routes(routes!(aggregate::posting_consistency::handle))
        .routes(routes!(aggregate::view_distribution::handle))
        .routes(routes!(aggregate::outliers::handle))
        .routes(routes!(aggregate::creator_scatter::handle))
        .routes(routes!(audit::checkpoint::handle))
        .routes(routes!(audit::proof::handle))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use read_model::analytics::{BaseMetric, EntityKind, Metric, Mode};
    use read_model::compliance::GoalStatus;
    use serde_json::json;

    /// `api` does not know the read model, so it lists names of its own.
    #[test]
    fn the_document_lists_the_names_of_the_read_model() {
        let document = serde_json::to_value(super::openapi()).unwrap();
        for (schema, names) in [
            (
                "AnalyticsEntity",
                EntityKind::ALL.map(EntityKind::name).to_vec(),
            ),
            ("BaseMetric", BaseMetric::ALL.map(BaseMetric::name).to_vec()),
            ("GoalStatus", GoalStatus::ALL.map(GoalStatus::name).to_vec()),
            ("Metric", Metric::ALL.map(Metric::name).to_vec()),
            ("Mode", Mode::ALL.map(Mode::name).to_vec()),
        ] {
            let listed = &document["components"]["schemas"][schema]["enum"];
            assert_eq!(listed, &json!(names), "{schema}");
        }
    }
}
