//! `DELETE /goals/{id}` (v1-contract.md 17).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Goal;
use axum::extract::State;
use domain::ids::GoalId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Removes a goal.
#[utoipa::path(
    delete,
    path = "/goals/{id}",
    operation_id = "remove_goal",
    responses((status = 200, description = "The goal as it last was", body = api::openapi::Answer<Goal>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(goal_id): PathId<GoalId>,
) -> Result<Success, ApiError> {
    let command = Command::RemoveGoal { goal_id };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.goal(goal_id).await?),
    )
    .await
}
