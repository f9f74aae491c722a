//! `PATCH /projects/{id}` (v1-contract.md 9).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::Project;
use axum::extract::State;
use domain::ids::ProjectId;
use domain::org::{Command, ProjectPatch};
use domain::text::ProjectName;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a project.
#[derive(Debug)]
pub(in crate::http) struct ChangeProject(ProjectPatch);

impl FromBody for ChangeProject {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let name = fields.optional("name", |it| it.parse(ProjectName::parse));
        let readme = fields.notes();
        let metadata = fields.metadata();
        any?;
        Ok(Self(ProjectPatch {
            name: name?,
            readme: readme.map(Patch::into_change)?,
            metadata: metadata?,
        }))
    }
}

/// Changes a project.
#[utoipa::path(
    patch,
    path = "/projects/{id}",
    operation_id = "change_project",
    request_body = api::v1::request::ChangeProject,
    responses((status = 200, description = "The project", body = api::openapi::Answer<Project>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<ChangeProject>,
) -> Result<Success, ApiError> {
    let ChangeProject(patch) = body.value;
    let command = Command::ChangeProject { project_id, patch };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.project(project_id).await?),
    )
    .await
}
