//! `DELETE /creators/{id}` (v1-contract.md 10.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Creator;
use axum::extract::State;
use domain::ids::CreatorId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Stops following a creator. The same handle added again brings it back.
#[utoipa::path(
    delete,
    path = "/creators/{id}",
    operation_id = "remove_creator",
    responses((status = 200, description = "The creator as it last was", body = api::openapi::Answer<Creator>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(creator_id): PathId<CreatorId>,
) -> Result<Success, ApiError> {
    let command = Command::RemoveCreator { creator_id };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.creator(creator_id).await?),
    )
    .await
}
