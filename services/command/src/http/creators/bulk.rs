//! `POST /projects/{id}/creators/bulk-reenable` and `…/bulk-remove` (v1-contract.md 10.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::BulkAnswer;
use axum::extract::State;
use domain::ids::{CreatorId, ProjectId};
use domain::org::Command;

use super::body;
use crate::http::App;
use crate::http::call::Call;
use crate::http::carry;

/// The creators concerned.
#[derive(Debug)]
pub(in crate::http) struct CreatorIds(Vec<CreatorId>);

impl FromBody for CreatorIds {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        body::creator_ids(fields).map(Self)
    }
}

/// Follows auto-disabled creators again.
#[utoipa::path(
    post,
    path = "/projects/{id}/creators/bulk-reenable",
    operation_id = "reenable_creators",
    request_body = api::v1::request::CreatorIds,
    responses((status = 200, description = "What became of each", body = api::openapi::Answer<BulkAnswer>))
)]
pub(in crate::http) async fn reenable(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<CreatorIds>,
) -> Result<Success, ApiError> {
    let CreatorIds(creator_ids) = body.value;
    let command = Command::ReenableCreators {
        project_id,
        creator_ids,
    };
    carry::once(app, asked, body.fingerprint, command, async |done| {
        done.bulk()
    })
    .await
}

/// Stops following creators.
#[utoipa::path(
    post,
    path = "/projects/{id}/creators/bulk-remove",
    operation_id = "remove_creators",
    request_body = api::v1::request::CreatorIds,
    responses((status = 200, description = "What became of each", body = api::openapi::Answer<BulkAnswer>))
)]
pub(in crate::http) async fn remove(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<CreatorIds>,
) -> Result<Success, ApiError> {
    let CreatorIds(creator_ids) = body.value;
    let command = Command::RemoveCreators {
        project_id,
        creator_ids,
    };
    carry::once(app, asked, body.fingerprint, command, async |done| {
        done.bulk()
    })
    .await
}
