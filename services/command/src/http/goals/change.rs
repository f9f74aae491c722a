//! `PATCH /goals/{id}` (v1-contract.md 17).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Goal;
use axum::extract::State;
use domain::ids::GoalId;
use domain::limits::GOAL_TARGET_MAX;
use domain::org::{Command, GoalPatch};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a goal.
#[derive(Debug)]
pub(in crate::http) struct ChangeGoal(GoalPatch);

impl FromBody for ChangeGoal {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let target_value = fields.optional("target_value", |it| it.integer(1..=GOAL_TARGET_MAX));
        let start_date = fields.patch("start_date", Node::date);
        let end_date = fields.patch("end_date", Node::date);
        let is_active = fields.optional("is_active", Node::boolean);
        any?;
        Ok(Self(GoalPatch {
            target_value: target_value?,
            start_date: start_date.map(Patch::into_change)?,
            end_date: end_date.map(Patch::into_change)?,
            is_active: is_active?,
        }))
    }
}

/// Changes a goal; what it measures and how often stays.
#[utoipa::path(
    patch,
    path = "/goals/{id}",
    operation_id = "change_goal",
    request_body = api::v1::request::ChangeGoal,
    responses((status = 200, description = "The goal", body = api::openapi::Answer<Goal>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(goal_id): PathId<GoalId>,
    body: StrictJson<ChangeGoal>,
) -> Result<Success, ApiError> {
    let ChangeGoal(patch) = body.value;
    let command = Command::ChangeGoal { goal_id, patch };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.goal(goal_id).await?),
    )
    .await
}
