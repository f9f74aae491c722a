//! `PATCH /webhooks/{id}`.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, Patch, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::input::path::PathId;
use api::v1::Webhook;
use axum::extract::State;
use domain::ids::WebhookId;
use domain::org::{Command, WebhookCommand, WebhookPatch};
use domain::text::WebhookDescription;
use domain::webhook::WebhookUrl;

use super::body;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Changes of a webhook.
#[derive(Debug)]
pub(in crate::http) struct ChangeWebhook(WebhookPatch);

impl FromBody for ChangeWebhook {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let any = fields.refuse_empty();
        let url = fields.optional("url", |it| it.parse(WebhookUrl::parse));
        let description = fields.patch("description", |it| it.parse(WebhookDescription::parse));
        let types = fields.optional("types", body::types);
        let enabled = fields.optional("enabled", Node::boolean);
        any?;
        Ok(Self(WebhookPatch {
            url: url?,
            description: description.map(Patch::into_change)?,
            types: types?,
            enabled: enabled?,
        }))
    }
}

/// Changes a webhook, or switches it on or off.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    operation_id = "change_webhook",
    request_body = api::v1::request::ChangeWebhook,
    responses((status = 200, description = "The webhook", body = api::openapi::Answer<Webhook>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(webhook_id): PathId<WebhookId>,
    body: StrictJson<ChangeWebhook>,
) -> Result<Success, ApiError> {
    let ChangeWebhook(patch) = body.value;
    body::judge(&app, patch.url.as_ref())?;
    let command = Command::Webhook(WebhookCommand::Change { webhook_id, patch });
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.webhook(webhook_id).await?),
    )
    .await
}
