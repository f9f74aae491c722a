//! `POST /projects` (v1-contract.md 9).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::v1::Project;
use axum::extract::State;
use domain::ids::ProjectId;
use domain::org::Command;
use domain::text::{Metadata, ProjectName, Readme};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// A project to be made.
#[derive(Debug)]
pub(in crate::http) struct CreateProject {
    name: ProjectName,
    readme: Option<Readme>,
    metadata: Metadata,
}

impl FromBody for CreateProject {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let name = fields.required("name", |it| it.parse(ProjectName::parse));
        let readme = fields.notes();
        let metadata = fields.metadata();
        Ok(Self {
            name: name?,
            readme: readme.map(Patch::into_option)?,
            metadata: metadata?.unwrap_or_else(Metadata::empty),
        })
    }
}

/// Makes a project.
#[utoipa::path(
    post,
    path = "/projects",
    operation_id = "create_project",
    request_body = api::v1::request::CreateProject,
    responses((status = 201, description = "The project", body = api::openapi::Answer<Project>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    body: StrictJson<CreateProject>,
) -> Result<Success, ApiError> {
    let create = body.value;
    let project_id = app.new_id(ProjectId::generate);
    let command = Command::AddProject {
        project_id,
        name: create.name,
        readme: create.readme,
        metadata: create.metadata,
    };
    carry::once(app, asked, body.fingerprint, command, async move |done| {
        let project_id = done.created().map_or(project_id, ProjectId::from_uuid);
        let project = done.project(project_id).await?;
        Answer::created(&project, "projects", project_id.as_uuid())
    })
    .await
}
