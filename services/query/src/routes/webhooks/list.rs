//! `GET /webhooks`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::Webhook;
use axum::extract::State;
use axum::response::Response;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

pub struct ListWebhooks {
    page: PageParams,
}

impl FromQuery for ListWebhooks {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            page: params.page()?,
        })
    }
}

/// Lists webhooks, newest first; never a secret.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "list_webhooks",
    params(PageDoc),
    responses((status = 200, description = "A page of webhooks", body = Page<Webhook>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<ListWebhooks>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let question = Webhooks {
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Webhooks {
    filters: String,
    page: read_model::Page,
}

impl Question for Webhooks {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let listed = snapshot.reader.webhooks(self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}
