//! `GET /campaigns`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::Campaign;
use axum::extract::State;
use axum::response::Response;
use domain::ids::ProjectId;
use utoipa::IntoParams;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListCampaigns {
    /// Of this project.
    #[param(value_type = Option<uuid::Uuid>)]
    project_id: Option<ProjectId>,
    /// Whose name contains this, case aside.
    #[param(min_length = 1, max_length = 100, example = "launch")]
    search: Option<String>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListCampaigns {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.optional("project_id", Text::from_str);
        let search = params.optional("search", Text::search);
        let page = params.page();
        Ok(Self {
            project_id: project_id?,
            search: search?,
            page: page?,
        })
    }
}

/// Lists campaigns, newest first.
#[utoipa::path(
    get,
    path = "/campaigns",
    operation_id = "list_campaigns",
    params(ListCampaigns, PageDoc),
    responses((status = 200, description = "A page of campaigns", body = Page<Campaign>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListCampaigns>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    app.answer(&call, &asked, Campaigns { query, page }).await
}

struct Campaigns {
    query: StrictQuery<ListCampaigns>,
    page: read_model::Page,
}

impl Question for Campaigns {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let ListCampaigns {
            project_id, search, ..
        } = &self.query.value;
        snapshot.require_project(*project_id).await?;
        let listed = snapshot
            .reader
            .campaigns(*project_id, search.as_deref(), self.page)
            .await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.query.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
