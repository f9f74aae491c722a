//! `GET /creators`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::{Creator, CreatorStatusName, PlatformName};
use axum::extract::State;
use axum::response::Response;
use domain::ids::ProjectId;
use domain::org::CreatorStatus;
use domain::platform::Platform;
use read_model::CreatorFilter;
use utoipa::IntoParams;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListCreators {
    /// Of this project.
    #[param(value_type = Option<uuid::Uuid>)]
    project_id: Option<ProjectId>,
    /// Whose handle or display name contains this, case aside.
    #[param(min_length = 1, max_length = 100, example = "charli")]
    search: Option<String>,
    /// On this platform.
    #[param(value_type = Option<PlatformName>)]
    platform: Option<Platform>,
    /// Of this status.
    #[param(value_type = Option<CreatorStatusName>)]
    status: Option<CreatorStatus>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListCreators {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.optional("project_id", Text::from_str);
        let search = params.optional("search", Text::search);
        let platform = params.optional("platform", Text::from_str);
        let status = params.optional("status", |it| it.one_of(&STATUSES, name));
        let page = params.page();
        Ok(Self {
            project_id: project_id?,
            search: search?,
            platform: platform?,
            status: status?,
            page: page?,
        })
    }
}

const STATUSES: [CreatorStatus; 2] = [CreatorStatus::Active, CreatorStatus::AutoDisabled];

fn name(status: CreatorStatus) -> &'static str {
    match status {
        CreatorStatus::Active => "active",
        CreatorStatus::AutoDisabled => "auto_disabled",
        CreatorStatus::Removed => "removed",
    }
}

/// Lists creators, newest first; removed ones never.
#[utoipa::path(
    get,
    path = "/creators",
    operation_id = "list_creators",
    params(ListCreators, PageDoc),
    responses((status = 200, description = "A page of creators", body = Page<Creator>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListCreators>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let filter = CreatorFilter {
        project_id: query.value.project_id,
        search: query.value.search,
        platform: query.value.platform,
        status: query.value.status,
    };
    let question = Creators {
        filter,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Creators {
    filter: CreatorFilter,
    filters: String,
    page: read_model::Page,
}

impl Question for Creators {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        snapshot.require_project(self.filter.project_id).await?;
        let listed = snapshot.reader.creators(&self.filter, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
