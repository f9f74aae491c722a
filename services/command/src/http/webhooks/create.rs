//! `POST /webhooks`.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::v1::WebhookCreated;
use axum::extract::State;
use domain::event::TypePattern;
use domain::ids::WebhookId;
use domain::org::{Command, NewWebhook, WebhookCommand};
use domain::text::WebhookDescription;
use domain::webhook::WebhookUrl;

use super::{body, refusal, telling};
use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::Call;
use crate::http::carry::{self, Done};
use crate::webhooks::Minted;

/// A webhook to be made.
#[derive(Debug)]
pub(in crate::http) struct CreateWebhook {
    url: WebhookUrl,
    description: Option<WebhookDescription>,
    types: Vec<TypePattern>,
}

impl FromBody for CreateWebhook {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let url = fields.required("url", |it| it.parse(WebhookUrl::parse));
        let description = fields.nullable("description", |it| it.parse(WebhookDescription::parse));
        let types = fields.optional("types", body::types);
        Ok(Self {
            url: url?,
            description: description?,
            types: types?.unwrap_or_default(),
        })
    }
}

/// Sends events of the org to an address from now on, its own `webhook.added` first. The secret that
/// signs them is told this once.
///
/// Scope `keys` is enough: so whoever holds it can have every later event of the org sent, also what
/// needs scope `audit` to be read. Give it to nobody who must not see the trail.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "create_webhook",
    request_body = api::v1::request::CreateWebhook,
    responses(
        (status = 201, description = "The webhook, with its secret", body = api::openapi::Answer<WebhookCreated>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    body: StrictJson<CreateWebhook>,
) -> Result<Success, ApiError> {
    let create = body.value;
    body::judge(&app, Some(&create.url))?;
    let org = asked.org;
    let (webhooks, jitter) = (app.webhooks().clone(), app.jitter());
    let webhook_id = app.new_id(WebhookId::generate);
    let prepare = Box::pin(async move {
        let minted = webhooks.mint(webhook_id).await;
        let minted = minted.map_err(|error| refusal(error, jitter))?;
        let command = Command::Webhook(WebhookCommand::Add(NewWebhook {
            webhook_id,
            url: create.url,
            description: create.description,
            types: create.types,
            secret_id: minted.id,
        }));
        Ok((command, minted))
    });
    let show = async move |done: Done, minted: Option<Minted>| {
        let made = done.created().map(WebhookId::from_uuid);
        let made = made.ok_or_else(|| unanswered("a webhook without an id"))?;
        let object = done.webhook(made).await?;
        telling(object, minted.as_ref(), |kept| {
            Answer::created(kept, "webhooks", made.as_uuid())
        })
    };
    carry::once_beside(app, asked, org, body.fingerprint, prepare, show).await
}
