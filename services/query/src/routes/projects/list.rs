//! `GET /projects`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::input::text::Text;
use api::openapi::Page;
use api::v1::Project;
use axum::extract::State;
use axum::response::Response;
use utoipa::IntoParams;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListProjects {
    /// Whose name contains this, case aside.
    #[param(min_length = 1, max_length = 100, example = "launch")]
    search: Option<String>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListProjects {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let search = params.optional("search", Text::search);
        let page = params.page();
        Ok(Self {
            search: search?,
            page: page?,
        })
    }
}

/// Lists projects, newest first.
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "list_projects",
    params(ListProjects, PageDoc),
    responses((status = 200, description = "A page of projects", body = Page<Project>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListProjects>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    app.answer(&call, &asked, Projects { query, page }).await
}

struct Projects {
    query: StrictQuery<ListProjects>,
    page: read_model::Page,
}

impl Question for Projects {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let search = self.query.value.search.as_deref();
        let listed = snapshot.reader.projects(search, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.query.filters);
        let org = snapshot.call.org();
        let rendered = snapshot
            .app
            .listed(list, &listed, |found| wire(org, found), |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
