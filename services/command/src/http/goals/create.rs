//! `POST /projects/{id}/goals` (v1-contract.md 17).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Goal;
use axum::extract::State;
use chrono::NaiveDate;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::{CreatorId, GoalId, ProjectId};
use domain::limits::GOAL_TARGET_MAX;
use domain::org::{Command, NewGoal};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// A goal to be set.
#[derive(Debug)]
pub(in crate::http) struct CreateGoal {
    creator_id: CreatorId,
    metric: GoalMetric,
    period: GoalPeriod,
    target_value: u64,
    start_date: Option<NaiveDate>,
    end_date: Option<NaiveDate>,
}

impl FromBody for CreateGoal {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let creator_id = fields.required("creator_id", Node::from_str::<CreatorId>);
        let metric = fields.required("metric", |it| it.one_of(&GoalMetric::ALL, GoalMetric::name));
        let period = fields.required("period", |it| it.one_of(&GoalPeriod::ALL, GoalPeriod::name));
        let target_value = fields.required("target_value", |it| it.integer(1..=GOAL_TARGET_MAX));
        let start_date = fields.nullable("start_date", Node::date);
        let end_date = fields.nullable("end_date", Node::date);
        if let (Ok(Some(start)), Ok(Some(end))) = (&start_date, &end_date)
            && end < start
        {
            return Err(fields.invalid("end_date", "must not be before start_date"));
        }
        Ok(Self {
            creator_id: creator_id?,
            metric: metric?,
            period: period?,
            target_value: target_value?,
            start_date: start_date?,
            end_date: end_date?,
        })
    }
}

/// Sets a creator a goal.
#[utoipa::path(
    post,
    path = "/projects/{id}/goals",
    operation_id = "create_goal",
    request_body = api::v1::request::CreateGoal,
    responses((status = 201, description = "The goal", body = api::openapi::Answer<Goal>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(project_id): PathId<ProjectId>,
    body: StrictJson<CreateGoal>,
) -> Result<Success, ApiError> {
    let create = body.value;
    let goal_id = app.new_id(GoalId::generate);
    let command = Command::AddGoal {
        project_id,
        goal: NewGoal {
            goal_id,
            creator_id: create.creator_id,
            metric: create.metric,
            period: create.period,
            target_value: create.target_value,
            start_date: create.start_date,
            end_date: create.end_date,
        },
    };
    carry::once(app, asked, body.fingerprint, command, async move |done| {
        let goal_id = done.created().map_or(goal_id, GoalId::from_uuid);
        let goal = done.goal(goal_id).await?;
        Answer::created(&goal, "goals", goal_id.as_uuid())
    })
    .await
}
