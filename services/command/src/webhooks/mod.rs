//! Sending an org's events to where it wants them: signed as Standard Webhooks has it, in order for
//! each thing that they are about, again and again for three days, and never to an address inside.
//!
//! Endpoints, deliveries and how far the log was read stand in `hooks.*` of the log's database, so
//! that a restore takes them back together. What signs stands in `auth.webhook_secrets`, for command
//! services alone: whoever signs needs the secret itself, so it cannot be hashed as keys are.
//!
//! One process at a time sends, under an advisory lock ([`Sender`]). Any process keeps secrets, sends
//! tests and asks for repetitions ([`Webhooks`]).

mod courier;
#[cfg(test)]
mod courier_tests;
mod rows;
mod schedule;
mod secret;
mod sender;

use std::sync::Arc;

use domain::ids::{DeliveryId, EventId, OrgId, WebhookId, WebhookSecretId};
use domain::limits::{ORG_WEBHOOK_TESTS, WEBHOOK_TESTS};
use domain::time::Timestamp;
use domain::webhook::{DeliveryStatus, WebhookUrl};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::places::{Full, Place, Places};
use runtime::telemetry::chain;
use sqlx::PgPool;
use thiserror::Error;

pub use self::courier::{Courier, CourierConfig, Outcome, Sent};
pub use self::rows::Delivery;
pub use self::schedule::{WAITS, wait_after};
pub use self::secret::WebhookSecret;
pub use self::sender::Sender;
use crate::outgoing::NotAllowed;

/// A test's place among those under way.
pub type TestPlace = Place<OrgId>;

/// The type of a test, without the prefix of CloudEvents. It is no event, and in no log.
const TEST_TYPE: &str = "webhook.test";

/// What endpoints of the API need of webhooks; cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    primary: PgPool,
    courier: Courier,
    clock: Clock,
    entropy: Entropy,
    tests: Arc<Places<OrgId>>,
}

/// Why something about webhooks could not be found out or done.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The primary did not answer.
    #[error("the primary did not answer")]
    Database(#[from] sqlx::Error),
    /// A row cannot be read.
    #[error("column {column} of {table} of {key} cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        key: uuid::Uuid,
    },
    /// As many tests as may be are under way.
    #[error("too many tests are under way")]
    Busy(Full),
}

/// A secret that is about to be named by an event.
pub struct Minted {
    /// Under which it is kept.
    pub id: WebhookSecretId,
    /// To be told once.
    pub secret: WebhookSecret,
}

impl Webhooks {
    /// Of this primary, sending with this courier.
    pub fn new(primary: PgPool, courier: Courier, clock: Clock, entropy: Entropy) -> Self {
        Self(Arc::new(Inner {
            primary,
            courier,
            clock,
            entropy,
            tests: Places::new(ORG_WEBHOOK_TESTS, WEBHOOK_TESTS),
        }))
    }

    /// Whether events may be sent there at all.
    ///
    /// # Errors
    /// [`NotAllowed`]
    pub fn judge(&self, url: &WebhookUrl) -> Result<(), NotAllowed> {
        self.0.courier.guard().judge(url)
    }

    /// Keeps a new secret of a webhook, before an event names it.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn mint(&self, webhook: WebhookId) -> Result<Minted, WebhookError> {
        let secret = WebhookSecret::generate(&self.0.entropy);
        let id = WebhookSecretId::generate(self.now(), self.0.entropy.bytes());
        rows::add_secret(&self.0.primary, id, webhook, &secret, self.now()).await?;
        Ok(Minted { id, secret })
    }

    /// Forgets a secret that no event names.
    pub async fn forget(&self, id: WebhookSecretId) {
        if let Err(error) = rows::remove_secret(&self.0.primary, id).await {
            // Nobody finds it by any name: it only takes room until its webhook is removed.
            tracing::warn!(error = %chain(&error), "a secret that nothing names was not removed");
        }
    }

    /// A delivery of the org.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn delivery(
        &self,
        org: OrgId,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, WebhookError> {
        rows::delivery(&self.0.primary, org, webhook, id).await
    }

    /// Lets a delivery be sent once more, unless it is to be sent anyway.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn resend(&self, id: DeliveryId) -> Result<(), WebhookError> {
        rows::resend(&self.0.primary, id, self.now()).await
    }

    /// A place among the tests under way.
    ///
    /// # Errors
    /// [`WebhookError::Busy`]
    pub fn place(&self, org: OrgId) -> Result<TestPlace, WebhookError> {
        self.0.tests.enter(org).map_err(WebhookError::Busy)
    }

    /// Sends a test now, and keeps what became of it.
    ///
    /// # Errors
    /// [`WebhookError`]
    pub async fn test(
        &self,
        org: OrgId,
        (webhook, id): (WebhookId, DeliveryId),
        url: &WebhookUrl,
        secret: WebhookSecretId,
        place: TestPlace,
    ) -> Result<Delivery, WebhookError> {
        let began = self.now();
        let event_id = EventId::from_uuid(id.as_uuid());
        let secret = rows::secret(&self.0.primary, secret).await?;
        let body = test_event(org, webhook, event_id, began);
        let sent = match &secret {
            Some(secret) => {
                let message = courier::Message {
                    id: event_id,
                    body,
                    secrets: std::slice::from_ref(secret),
                };
                self.0.courier.send(url, &message).await
            }
            None => Sent::internal(),
        };
        drop(place);
        let is_taken = sent.outcome == Outcome::Taken;
        let delivery = Delivery {
            id,
            webhook_id: webhook,
            position: None,
            event_id,
            event_type: TEST_TYPE.to_owned(),
            status: if is_taken {
                DeliveryStatus::Delivered
            } else {
                DeliveryStatus::Failed
            },
            attempts: 1,
            next_attempt_at: None,
            last_attempt_at: Some(began),
            last_status: sent.status,
            last_error: sent.error(),
            last_answer: sent.answer,
            created_at: began,
            delivered_at: is_taken.then(|| self.now()),
        };
        rows::add_test(&self.0.primary, org, &delivery).await?;
        Ok(delivery)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.0.clock.now())
    }
}

/// What a test says: a CloudEvent without a place in the log.
fn test_event(org: OrgId, webhook: WebhookId, id: EventId, at: Timestamp) -> String {
    let event = serde_json::json!({
        "specversion": "1.0",
        "type": format!("com.trackagoat.{TEST_TYPE}.v1"),
        "id": id,
        "source": format!("/orgs/{org}"),
        "subject": format!("webhooks/{webhook}"),
        "time": at,
        "datacontenttype": "application/json",
        "data": {"webhook_id": webhook},
    });
    domain::jcs::from_value(&event)
}
