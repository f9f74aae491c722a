//! `POST /webhooks/{id}/deliveries/{delivery_id}/resend`.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{NoFields, OptionalJson};
use api::input::path::PathIds;
use api::v1::WebhookDelivery;
use axum::extract::State;
use domain::ids::{DeliveryId, WebhookId};
use domain::org::{Command, WebhookCommand};
use domain::webhook::DeliveryStatus;

use super::{refusal, wire};
use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::Call;
use crate::http::carry::{self, Done};

/// Lets a delivery be sent once more, whatever became of it: now, and outside the order. A test is
/// not sent again, nor is what still waits.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/deliveries/{delivery_id}/resend",
    operation_id = "resend_webhook_delivery",
    request_body = Option<api::v1::request::NoFields>,
    responses(
        (status = 202, description = "The delivery, to be sent now", body = api::openapi::Answer<WebhookDelivery>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathIds(webhook_id, delivery_id): PathIds<WebhookId, DeliveryId>,
    body: OptionalJson<NoFields>,
) -> Result<Success, ApiError> {
    let org = asked.org;
    let (webhooks, jitter) = (app.webhooks().clone(), app.jitter());
    let prepare = Box::pin(async move {
        let delivery = webhooks.delivery(org, webhook_id, delivery_id).await;
        let delivery = delivery.map_err(|error| refusal(error, jitter))?;
        let delivery = delivery.ok_or_else(ApiError::not_found)?;
        if delivery.position.is_none() {
            let why = "a test is not sent again: send another one";
            return Err(ApiError::state_conflict(why));
        }
        if delivery.status == DeliveryStatus::Pending {
            let why = "the delivery is to be sent anyway";
            return Err(ApiError::state_conflict(why));
        }
        let command = Command::Webhook(WebhookCommand::Resend { webhook_id });
        Ok((command, ()))
    });
    let show = async move |done: Done, _: Option<()>| {
        let webhooks = done.app.webhooks();
        if !done.is_replay {
            webhooks.resend(delivery_id).await.map_err(unanswered)?;
        }
        let delivery = webhooks.delivery(done.org, webhook_id, delivery_id).await;
        let delivery = delivery.map_err(unanswered)?;
        let delivery = delivery.ok_or_else(|| unanswered("a delivery that is gone"))?;
        Answer::accepted(&wire(delivery))
    };
    carry::once_beside(app, asked, org, body.fingerprint, prepare, show).await
}
