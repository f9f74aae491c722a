//! `GET /projects/{id}/goals`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{Goal, GoalMetricName, GoalPeriodName};
use axum::extract::State;
use axum::response::Response;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::{CreatorId, ProjectId};
use read_model::GoalFilter;
use utoipa::IntoParams;

use super::wire;
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::{Topic, Topics};
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListGoals {
    /// Of this creator.
    #[param(value_type = Option<uuid::Uuid>)]
    creator_id: Option<CreatorId>,
    /// Of this metric.
    #[param(value_type = Option<GoalMetricName>)]
    metric: Option<GoalMetric>,
    /// Of this period.
    #[param(value_type = Option<GoalPeriodName>)]
    period: Option<GoalPeriod>,
    /// Pursued now, or not.
    #[param(example = true)]
    is_active: Option<bool>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListGoals {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let creator_id = params.optional("creator_id", Text::from_str);
        let metric = params.optional("metric", |it| it.one_of(&GoalMetric::ALL, GoalMetric::name));
        let period = params.optional("period", |it| it.one_of(&GoalPeriod::ALL, GoalPeriod::name));
        let is_active = params.optional("is_active", |it| {
            it.one_of(&[true, false], |yes| if yes { "true" } else { "false" })
        });
        let page = params.page();
        Ok(Self {
            creator_id: creator_id?,
            metric: metric?,
            period: period?,
            is_active: is_active?,
            page: page?,
        })
    }
}

/// Lists the goals of a project's creators, newest first.
#[utoipa::path(
    get,
    path = "/projects/{id}/goals",
    operation_id = "list_goals",
    params(ListGoals, PageDoc),
    responses((status = 200, description = "A page of goals", body = Page<Goal>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(project_id): PathId<ProjectId>,
    query: StrictQuery<ListGoals>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let question = Goals {
        filter: GoalFilter {
            project_id,
            creator_id: query.value.creator_id,
            metric: query.value.metric,
            period: query.value.period,
            is_active: query.value.is_active,
        },
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Goals {
    filter: GoalFilter,
    filters: String,
    page: read_model::Page,
}

impl Question for Goals {
    const RESTS_ON: Option<Topics> = Some(Topics::of(&[
        Topic::Goals,
        Topic::Projects,
        Topic::Creators,
    ]));

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let filter = &self.filter;
        snapshot.require_project(Some(filter.project_id)).await?;
        snapshot.require_creator(filter.creator_id).await?;
        let listed = snapshot.reader.goals(filter, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
