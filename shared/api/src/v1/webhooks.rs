//! Webhooks: where an org's events are sent, and how that goes.

use domain::ids::{DeliveryId, EventId, GlobalPosition, WebhookId};
use domain::time::Timestamp;
use domain::webhook::{DeliveryError, DeliveryStatus, DisabledReason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::keys::ActorRef;
use super::names::{DeliveryErrorName, DeliveryStatusName, DisabledReasonName};

/// Where events of the org are sent; never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// The webhook's id.
    #[schema(value_type = Uuid)]
    pub id: WebhookId,
    /// Where events are sent.
    #[schema(max_length = 2_048, example = "https://hooks.example.com/trackagoat")]
    pub url: String,
    /// What it is for.
    #[schema(min_length = 1, max_length = 200, example = "To the pager", required)]
    pub description: Option<String>,
    /// Which events are sent: types, or all types of one kind. Empty: every decision.
    #[schema(max_items = 50, example = json!(["key.*", "video.discovered"]))]
    pub types: Vec<String>,
    /// Whether events are sent. Those that happen while it is false are never.
    #[schema(example = true)]
    pub enabled: bool,
    /// Why the service switched it off; null: it did not.
    #[schema(value_type = Option<DisabledReasonName>, required)]
    pub disabled_reason: Option<DisabledReason>,
    /// When the service switched it off.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub disabled_at: Option<Timestamp>,
    /// By whom it was made.
    pub created_by: ActorRef,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

/// A webhook whose secret was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookCreated {
    /// The webhook.
    #[serde(flatten)]
    pub object: Webhook,
    /// What signs the deliveries, as Standard Webhooks has it: told this once, null in a replay.
    #[schema(
        example = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        required
    )]
    pub secret: Option<String>,
}

/// An event on its way to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// The delivery's id.
    #[schema(value_type = Uuid)]
    pub id: DeliveryId,
    /// To which webhook.
    #[schema(value_type = Uuid)]
    pub webhook_id: WebhookId,
    /// The event's id: `webhook-id` of every attempt. Of a test, an id of its own.
    #[schema(value_type = Uuid)]
    pub event_id: EventId,
    /// The event's type.
    #[schema(example = "key.revoked")]
    pub event_type: String,
    /// The event's place in the log; null: a test.
    #[schema(value_type = Option<u64>, example = 184_467, required)]
    pub position: Option<GlobalPosition>,
    /// Whether it is a test, and no event.
    #[schema(example = false)]
    pub test: bool,
    /// What became of it.
    #[schema(value_type = DeliveryStatusName)]
    pub status: DeliveryStatus,
    /// How often it was sent.
    #[schema(example = 1)]
    pub attempts: u32,
    /// When it is sent next, while it is pending.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub next_attempt_at: Option<Timestamp>,
    /// When it was last sent.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub last_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer.
    #[schema(minimum = 100, maximum = 999, example = 200, required)]
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    #[schema(value_type = Option<DeliveryErrorName>, required)]
    pub last_error: Option<DeliveryError>,
    /// How the last answer begins.
    #[schema(max_length = 1_000, example = "ok", required)]
    pub last_answer: Option<String>,
    /// When it was queued.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it was taken.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub delivered_at: Option<Timestamp>,
}

impl Webhook {
    /// The webhook as it is decided.
    pub fn new(id: WebhookId, webhook: &domain::org::Webhook) -> Self {
        let description = webhook.description.as_ref();
        Self {
            id,
            url: webhook.url.as_str().to_owned(),
            description: description.map(|it| it.as_str().to_owned()),
            types: webhook
                .types
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
            enabled: webhook.enabled,
            disabled_reason: webhook.disabled.map(|(reason, _)| reason),
            disabled_at: webhook.disabled.map(|(_, at)| at),
            created_by: webhook.created_by.into(),
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}
