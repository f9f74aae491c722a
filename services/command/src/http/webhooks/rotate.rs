//! `POST /webhooks/{id}/rotate-secret`.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{NoFields, OptionalJson};
use api::input::path::PathId;
use api::v1::WebhookCreated;
use axum::extract::State;
use domain::ids::WebhookId;
use domain::org::{Command, WebhookCommand};

use super::{refusal, telling};
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};
use crate::webhooks::Minted;

/// Gives a webhook a new secret, told this once. The former one signs beside it for 24 hours.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate-secret",
    operation_id = "rotate_webhook_secret",
    request_body = Option<api::v1::request::NoFields>,
    responses(
        (status = 200, description = "The webhook, with its new secret", body = api::openapi::Answer<WebhookCreated>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(webhook_id): PathId<WebhookId>,
    body: OptionalJson<NoFields>,
) -> Result<Success, ApiError> {
    let org = asked.org;
    let (webhooks, jitter) = (app.webhooks().clone(), app.jitter());
    let prepare = Box::pin(async move {
        let minted = webhooks.mint(webhook_id).await;
        let minted = minted.map_err(|error| refusal(error, jitter))?;
        let command = Command::Webhook(WebhookCommand::Rotate {
            webhook_id,
            secret_id: minted.id,
        });
        Ok((command, minted))
    });
    let show = async move |done: Done, minted: Option<Minted>| {
        let object = done.webhook(webhook_id).await?;
        telling(object, minted.as_ref(), Answer::ok)
    };
    carry::once_beside(app, asked, org, body.fingerprint, prepare, show).await
}
