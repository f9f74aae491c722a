//! Events of webhooks. Secrets stand in none of them: they stand outside the log under the id that
//! an event names.

use serde::{Deserialize, Serialize};

use super::TypePattern;
use super::cleared;
use crate::ids::{WebhookId, WebhookSecretId};
use crate::text::WebhookDescription;
use crate::webhook::{DisabledReason, WebhookUrl};

/// Events are sent to an address from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WebhookAdded {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Where events are sent.
    pub url: WebhookUrl,
    /// What it is for.
    pub description: Option<WebhookDescription>,
    /// Which events are sent; none: every decision.
    pub types: Vec<TypePattern>,
    /// Under which its secret is kept, outside the log.
    pub secret_id: WebhookSecretId,
}

/// Something about a webhook changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WebhookChanged {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Where events are sent from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebhookUrl>,
    /// What it is for; null: not said.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<Option<WebhookDescription>>,
    /// Which events are sent from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<TypePattern>>,
    /// Whether events are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The new secret; the former one signs for a day more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<WebhookSecretId>,
}

impl WebhookChanged {
    /// A change of nothing.
    pub const fn nothing(webhook_id: WebhookId) -> Self {
        Self {
            webhook_id,
            url: None,
            description: None,
            types: None,
            enabled: None,
            secret_id: None,
        }
    }
}

/// A webhook is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WebhookRemoved {
    /// The webhook.
    pub webhook_id: WebhookId,
}

/// The service switched a webhook off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WebhookDisabled {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Why.
    pub reason: DisabledReason,
}
