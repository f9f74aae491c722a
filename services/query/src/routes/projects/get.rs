//! `GET /projects/{id}`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::path::PathId;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::Project;
use axum::extract::State;
use axum::response::Response;
use domain::ids::ProjectId;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets a project.
#[utoipa::path(
    get,
    path = "/projects/{id}",
    operation_id = "get_project",
    responses((status = 200, description = "The project", body = openapi::Answer<Project>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<ProjectId>,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, OneProject(id)).await
}

struct OneProject(ProjectId);

impl Question for OneProject {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = snapshot.reader.project(self.0).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        let project = wire(snapshot.call.org(), &found);
        Ok(Answer::lasting(Rendered::json(&project, &Meta::none())?))
    }
}
