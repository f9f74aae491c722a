//! Campaigns and what they hold.

use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::v1::MetadataJson;
use crate::v1::names::ItemTypeName;

/// `POST /projects/{id}/campaigns`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCampaign {
    /// Need not be unique.
    #[schema(min_length = 1, max_length = 200, example = "Launch of spring")]
    pub name: String,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "1 M views by May.")]
    pub readme: Option<String>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "1 M views by May.", extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<String>,
    /// The agents' own space; default `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({}))]
    pub metadata: Option<MetadataJson>,
    /// Views that it is to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1_000_000)]
    pub target_views: Option<u64>,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2026-06-01T00:00:00Z")]
    pub target_at: Option<Timestamp>,
}

/// `PATCH /campaigns/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCampaign {
    /// Need not be unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 200, required = false, example = "Launch")]
    pub name: Option<String>,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = json!(null))]
    pub readme: Option<Option<String>>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = json!(null), extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<Option<String>>,
    /// The agents' own space, replaced whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({}))]
    pub metadata: Option<MetadataJson>,
    /// Views that it is to reach; null: no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 2_000_000)]
    pub target_views: Option<Option<u64>>,
    /// By when; null: no date.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub target_at: Option<Option<Timestamp>>,
}

/// `POST /campaigns/{id}/items`: one, or several.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AddCampaignItems {
    /// One.
    One(AddCampaignItem),
    /// Several.
    Many(AddManyCampaignItems),
}

/// Several items; each is judged on its own.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddManyCampaignItems {
    /// Judged in order.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<AddCampaignItem>,
}

/// What a campaign is to hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCampaignItem {
    /// What it is.
    #[schema(value_type = ItemTypeName)]
    pub item_type: String,
    /// Its id; it must belong to the campaign's project.
    pub item_id: Uuid,
}
