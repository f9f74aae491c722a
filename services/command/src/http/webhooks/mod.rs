//! Calls on webhooks.

mod body;
pub(super) mod change;
pub(super) mod create;
pub(super) mod remove;
pub(super) mod resend;
pub(super) mod rotate;
pub(super) mod test;

use api::error::{ApiError, Jitter};
use api::rate::{Policy, Refusal};
use api::v1::{Webhook, WebhookCreated, WebhookDelivery};
use domain::ids::WebhookId;
use domain::limits::{DELIVERY_SECONDS, ORG_WEBHOOK_TESTS};
use runtime::places::Full;

use super::App;
use super::answer::Answer;
use super::carry::{Beside, Done};
use super::show::found;
use crate::app::CommandError;
use crate::webhooks::{Delivery, Minted, WebhookError};

impl Done {
    /// A webhook, also one that was just removed.
    async fn webhook(&self, id: WebhookId) -> Result<Webhook, CommandError> {
        let state = self.executed.state().await;
        Ok(Webhook::new(id, found(state.webhooks.get(&id))?))
    }
}

/// A secret that an event is about to name.
impl Beside for Minted {
    async fn forget(self, app: &App) {
        app.webhooks().forget(self.id).await;
    }
}

/// Tells a secret in `answer`, if this request made it; kept is the same without.
fn telling(
    object: Webhook,
    minted: Option<&Minted>,
    answer: impl FnOnce(&WebhookCreated) -> Result<Answer, CommandError>,
) -> Result<Answer, CommandError> {
    let kept = WebhookCreated {
        object,
        secret: None,
    };
    let answer = answer(&kept)?;
    match minted {
        Some(minted) => answer.telling(&Told {
            object: &kept.object,
            secret: &minted.secret.reveal(),
        }),
        None => Ok(answer),
    }
}

/// [`WebhookCreated`] with its secret, which is not copied.
#[derive(serde::Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    object: &'a Webhook,
    secret: &'a str,
}

fn wire(delivery: Delivery) -> WebhookDelivery {
    WebhookDelivery {
        id: delivery.id,
        webhook_id: delivery.webhook_id,
        event_id: delivery.event_id,
        event_type: delivery.event_type,
        position: delivery.position,
        test: delivery.position.is_none(),
        status: delivery.status,
        attempts: delivery.attempts,
        next_attempt_at: delivery.next_attempt_at,
        last_attempt_at: delivery.last_attempt_at,
        last_status: delivery.last_status,
        last_error: delivery.last_error,
        last_answer: delivery.last_answer,
        created_at: delivery.created_at,
        delivered_at: delivery.delivered_at,
    }
}

/// The answer where something about webhooks could not be found out or done; nothing was changed.
fn refusal(error: WebhookError, jitter: Jitter) -> ApiError {
    match error {
        error @ (WebhookError::Database(_) | WebhookError::Busy(Full::All)) => {
            ApiError::not_committed(jitter).because(error)
        }
        error @ WebhookError::Corrupt { .. } => ApiError::internal(error),
        // By then each of those under way is over.
        WebhookError::Busy(Full::Owner) => ApiError::rate_limited(Refusal {
            policy: Policy::OrgTests,
            limit: ORG_WEBHOOK_TESTS as u64,
            retry_after_seconds: DELIVERY_SECONDS,
        }),
    }
}
