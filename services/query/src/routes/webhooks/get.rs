//! `GET /webhooks/{id}`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::path::PathId;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::Webhook;
use axum::extract::State;
use axum::response::Response;
use domain::ids::WebhookId;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets a webhook; never its secret.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    operation_id = "get_webhook",
    responses((status = 200, description = "The webhook", body = openapi::Answer<Webhook>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<WebhookId>,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, OneWebhook(id)).await
}

struct OneWebhook(WebhookId);

impl Question for OneWebhook {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = snapshot.reader.webhook(self.0).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        Ok(Answer::lasting(Rendered::json(
            &wire(&found),
            &Meta::none(),
        )?))
    }
}
