//! `DELETE /webhooks/{id}`.

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Webhook;
use axum::extract::State;
use domain::ids::WebhookId;
use domain::org::{Command, WebhookCommand};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Removes a webhook with its deliveries and its secret; what waits is not sent any more.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    operation_id = "remove_webhook",
    responses((status = 200, description = "The webhook as it last was", body = api::openapi::Answer<Webhook>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(webhook_id): PathId<WebhookId>,
) -> Result<Success, ApiError> {
    let command = Command::Webhook(WebhookCommand::Remove { webhook_id });
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.webhook(webhook_id).await?),
    )
    .await
}
