//! Webhooks.

use serde::Serialize;
use utoipa::ToSchema;

/// `POST /webhooks`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where events are sent: `https`, port 443, no user or password, no fragment, plain ASCII, and
    /// no host that is an internal address. All of it stands in the audit trail for ever, for whoever
    /// may read that, so no part of it should be a secret: deliveries are told by their signature.
    #[schema(max_length = 2_048, example = "https://hooks.example.com/trackagoat")]
    pub url: String,
    /// What it is for; null: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, example = "To the pager")]
    pub description: Option<String>,
    /// Which events are sent: types, or all types of one kind. Empty, or not sent: every decision.
    /// Observations come only if one asks for `observation.recorded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false, max_items = 50,
        example = json!(["key.*", "video.discovered"]))]
    pub types: Option<Vec<String>>,
}

/// `PATCH /webhooks/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWebhook {
    /// Where events are sent from now on, those that wait too. Stands in the audit trail as the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 2_048,
        example = "https://hooks.example.com/trackagoat")]
    pub url: Option<String>,
    /// What it is for; null: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, example = "To the pager")]
    pub description: Option<Option<String>>,
    /// Which events are queued from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false, max_items = 50, example = json!([]))]
    pub types: Option<Vec<String>>,
    /// Whether events are sent; what waited while it was false goes on once it is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = true)]
    pub enabled: Option<bool>,
}
