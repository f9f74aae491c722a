//! `GET /analytics/aggregate/goal-compliance`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::input::text::Text;
use api::openapi;
use api::v1::{GoalComplianceCounts, StatusCounts};
use axum::extract::State;
use axum::response::Response;
use domain::event::GoalMetric;
use domain::ids::ProjectId;
use domain::limits::PAGE_MAX;
use read_model::compliance::GoalStatus;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::goals::compliance::{Periods, RESTS_ON};

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountCompliance {
    /// The project.
    #[param(value_type = uuid::Uuid)]
    project_id: ProjectId,
    #[param(ignore)]
    periods: Periods,
}

impl FromQuery for CountCompliance {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.required("project_id", Text::from_str);
        let periods = Periods::read(params);
        Ok(Self {
            project_id: project_id?,
            periods: periods?,
        })
    }
}

/// Counts the goals of a project by how far they are reached.
#[utoipa::path(
    get,
    path = "/analytics/aggregate/goal-compliance",
    operation_id = "count_goal_compliance",
    params(CountCompliance, Periods),
    responses((status = 200, description = "How many", body = openapi::Answer<GoalComplianceCounts>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<CountCompliance>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for CountCompliance {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        snapshot.require_project(Some(self.project_id)).await?;
        let mut judge = snapshot.judge(&self.periods).await?;
        let filter = judge.filter(self.project_id, None, true);
        let mut counts = GoalComplianceCounts::default();
        let mut after = None;
        loop {
            let found = snapshot
                .reader
                .compliance(&filter, PAGE_MAX, after.as_ref())
                .await;
            let (found, next) = found.map_err(|error| snapshot.read_error(error))?;
            for creator in found.iter().filter(|creator| !creator.goals.is_empty()) {
                counts.creators += 1;
                for reached in &creator.goals {
                    let status = judge.progress(reached, creator.last_stats_at).status;
                    count(&mut counts, reached.goal.goal.metric, status);
                }
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        let meta = Meta::none().valid_until(judge.valid_until);
        Ok(Answer {
            rendered: Rendered::json(&counts, &meta)?,
            valid_until: judge.valid_until,
        })
    }
}

fn count(counts: &mut GoalComplianceCounts, metric: GoalMetric, status: GoalStatus) {
    counts.total += 1;
    *of(&mut counts.by_status, status) += 1;
    let of_metric = match metric {
        GoalMetric::Posts => &mut counts.by_metric.posts,
        GoalMetric::Views => &mut counts.by_metric.views,
        GoalMetric::Engagement => &mut counts.by_metric.engagement,
        GoalMetric::Followers => &mut counts.by_metric.followers,
    };
    *of(of_metric, status) += 1;
}

const fn of(counts: &mut StatusCounts, status: GoalStatus) -> &mut u64 {
    match status {
        GoalStatus::OnTrack => &mut counts.on_track,
        GoalStatus::BehindPace => &mut counts.behind_pace,
        GoalStatus::AtRisk => &mut counts.at_risk,
        GoalStatus::Completed => &mut counts.completed,
        GoalStatus::Missed => &mut counts.missed,
    }
}
