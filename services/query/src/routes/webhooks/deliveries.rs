//! `GET /webhooks/{id}/deliveries`.

use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::input::query::{FromQuery, PageParams, Params, StrictQuery};
use api::openapi::Page;
use api::v1::{DeliveryStatusName, WebhookDelivery};
use axum::extract::State;
use axum::response::Response;
use domain::ids::WebhookId;
use domain::webhook::DeliveryStatus;
use read_model::Delivery;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::page::PageDoc;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveries {
    /// Of these statuses; all unless given.
    #[param(value_type = Option<Vec<DeliveryStatusName>>, style = Form, explode = false,
        example = json!(["pending", "abandoned"]))]
    status: Option<Vec<DeliveryStatus>>,
    #[param(ignore)]
    page: PageParams,
}

impl FromQuery for ListDeliveries {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let status = params.optional("status", |it| {
            it.list(1..=DeliveryStatus::ALL.len(), |one| {
                one.one_of(&DeliveryStatus::ALL, DeliveryStatus::name)
            })
        });
        let page = params.page();
        Ok(Self {
            status: status?,
            page: page?,
        })
    }
}

/// Lists deliveries to a webhook, newest first. They are kept for 30 days.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    operation_id = "list_webhook_deliveries",
    params(ListDeliveries, PageDoc),
    responses((status = 200, description = "A page of deliveries", body = Page<WebhookDelivery>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(webhook): PathId<WebhookId>,
    query: StrictQuery<ListDeliveries>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let page = app.page(call.list(&query.filters), &query.value.page)?;
    let question = Deliveries {
        webhook,
        status: query.value.status,
        filters: query.filters,
        page,
    };
    app.answer(&call, &asked, question).await
}

struct Deliveries {
    webhook: WebhookId,
    status: Option<Vec<DeliveryStatus>>,
    filters: String,
    page: read_model::Page,
}

impl Question for Deliveries {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = snapshot.reader.webhook(self.webhook).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        found.ok_or_else(ApiError::not_found)?;
        let (primary, org) = (&snapshot.app.primary, snapshot.call.org());
        let status = self.status.as_deref();
        let listed = read_model::deliveries(primary, org, self.webhook, status, self.page).await;
        let listed = listed.map_err(|error| snapshot.read_error(error))?;
        let list = snapshot.call.list(&self.filters);
        let rendered = snapshot.app.listed(list, &listed, wire, |meta| meta)?;
        Ok(Answer::lasting(rendered))
    }
}

fn wire(found: &Delivery) -> WebhookDelivery {
    WebhookDelivery {
        id: found.id,
        webhook_id: found.webhook_id,
        event_id: found.event_id,
        event_type: found.event_type.clone(),
        position: found.position,
        test: found.position.is_none(),
        status: found.status,
        attempts: found.attempts,
        next_attempt_at: found.next_attempt_at,
        last_attempt_at: found.last_attempt_at,
        last_status: found.last_status,
        last_error: found.last_error,
        last_answer: found.last_answer.clone(),
        created_at: found.created_at,
        delivered_at: found.delivered_at,
    }
}
