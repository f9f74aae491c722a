//! `POST /webhooks/{id}/test`.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{NoFields, OptionalJson};
use api::input::path::PathId;
use api::v1::WebhookDelivery;
use axum::extract::State;
use domain::ids::{DeliveryId, WebhookId};
use domain::org::{Command, WebhookCommand};

use super::{refusal, wire};
use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::Call;
use crate::http::carry::{self, Beside, Done};
use crate::http::show::found;
use crate::webhooks::TestPlace;

/// Nothing was written yet.
impl Beside for TestPlace {
    async fn forget(self, _: &App) {}
}

/// Sends a test to a webhook, switched on or not, and waits for what becomes of it: at most 15
/// seconds. It is no event: its type is `com.trackagoat.webhook.test.v1`, and the newest secret alone
/// signs it. An org has two under way at once on each replica, then 429 `org-tests`; while all orgs
/// together have too many, 503.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    operation_id = "test_webhook",
    request_body = Option<api::v1::request::NoFields>,
    responses(
        (status = 200, description = "What became of the test: `delivered` or `failed`", body = api::openapi::Answer<WebhookDelivery>),
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
    let delivery_id = app.new_id(DeliveryId::generate);
    let prepare = Box::pin(async move {
        let place = webhooks.place(org);
        let place = place.map_err(|error| refusal(error, jitter))?;
        let command = Command::Webhook(WebhookCommand::Test {
            webhook_id,
            delivery_id,
        });
        Ok((command, place))
    });
    let show = async move |done: Done, place: Option<TestPlace>| {
        let (url, secret) = {
            let state = done.executed.state().await;
            let webhook = found(state.webhooks.get(&webhook_id))?;
            (webhook.url.clone(), webhook.secret_id)
        };
        let webhooks = done.app.webhooks();
        let id = done.created().map_or(delivery_id, DeliveryId::from_uuid);
        let place = if let Some(place) = place {
            place
        } else {
            // The process that took the request died before it told what became of the test; it may
            // have sent it.
            let earlier = webhooks.delivery(done.org, webhook_id, id).await;
            if let Some(earlier) = earlier.map_err(unanswered)? {
                return Answer::ok(&wire(earlier));
            }
            webhooks.place(done.org).map_err(unanswered)?
        };
        let of = (webhook_id, id);
        let tested = webhooks.test(done.org, of, &url, secret, place).await;
        Answer::ok(&wire(tested.map_err(unanswered)?))
    };
    carry::once_beside(app, asked, org, body.fingerprint, prepare, show).await
}

#[cfg(test)]
mod tests {
    use domain::limits::DELIVERY_SECONDS;
    use utoipa::Path;

    #[test]
    fn the_document_says_how_long_it_takes() {
        let operation = super::__path_handle::operation();
        let texts = [operation.summary, operation.description];
        let seconds = format!("at most {DELIVERY_SECONDS} seconds");
        let told = texts.into_iter().flatten().map(|it| it.replace('\n', " "));
        assert!(told.into_iter().any(|it| it.contains(&seconds)));
    }
}
