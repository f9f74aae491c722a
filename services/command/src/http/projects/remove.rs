//! `DELETE /projects/{id}` (v1-contract.md 9).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Project;
use axum::extract::State;
use domain::ids::ProjectId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Removes a project for good, with all it holds.
#[utoipa::path(
    delete,
    path = "/projects/{id}",
    operation_id = "remove_project",
    responses((status = 200, description = "The project as it last was", body = api::openapi::Answer<Project>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
) -> Result<Success, ApiError> {
    let command = Command::RemoveProject { project_id };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.project(project_id).await?),
    )
    .await
}
