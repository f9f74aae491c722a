//! What can be asked about webhooks.

use super::super::Required;
use crate::event::TypePattern;
use crate::ids::{DeliveryId, WebhookId, WebhookSecretId};
use crate::scope::Scope;
use crate::text::WebhookDescription;
use crate::webhook::{DisabledReason, WebhookUrl};

/// What can be asked about a webhook.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "variants and fields say what the API's calls say"
)]
pub enum WebhookCommand {
    Add(NewWebhook),
    Change {
        webhook_id: WebhookId,
        patch: WebhookPatch,
    },
    Remove {
        webhook_id: WebhookId,
    },
    Rotate {
        webhook_id: WebhookId,
        secret_id: WebhookSecretId,
    },
    /// Changes nothing: asks whether a test of this id may be sent there.
    Test {
        webhook_id: WebhookId,
        delivery_id: DeliveryId,
    },
    /// Changes nothing: asks whether a delivery may be sent there again.
    Resend {
        webhook_id: WebhookId,
    },
    Disable {
        webhook_id: WebhookId,
        reason: DisabledReason,
        /// Where it was when the service found the reason.
        url: WebhookUrl,
    },
}

impl WebhookCommand {
    pub(super) const fn required(&self) -> Required {
        match self {
            Self::Add(_)
            | Self::Change { .. }
            | Self::Remove { .. }
            | Self::Rotate { .. }
            | Self::Test { .. }
            | Self::Resend { .. } => Required::Scope(Scope::Keys),
            Self::Disable { .. } => Required::Operator,
        }
    }
}

/// A webhook to be made. Its secret is kept already.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the API's object")]
pub struct NewWebhook {
    pub webhook_id: WebhookId,
    pub url: WebhookUrl,
    pub description: Option<WebhookDescription>,
    pub types: Vec<TypePattern>,
    pub secret_id: WebhookSecretId,
}

/// Changes of a webhook; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of the API's object")]
pub struct WebhookPatch {
    pub url: Option<WebhookUrl>,
    pub description: Option<Option<WebhookDescription>>,
    pub types: Option<Vec<TypePattern>>,
    pub enabled: Option<bool>,
}
