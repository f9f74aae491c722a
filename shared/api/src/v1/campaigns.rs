//! Campaigns and what they hold (v1-contract.md 13).

use domain::event::EntityRef;
use domain::ids::{CampaignId, ProjectId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::MetadataJson;
use super::names::ItemTypeName;
use super::projects::notes;

/// A set of creators, videos and other campaigns of one project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Campaign {
    /// The campaign's id.
    #[schema(value_type = Uuid)]
    pub id: CampaignId,
    /// The project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// Its name.
    #[schema(min_length = 1, max_length = 200, example = "Launch of spring")]
    pub name: String,
    /// People's notes to agents, markdown.
    #[schema(max_length = 20_000, example = "1 M views by May.", required)]
    pub readme: Option<String>,
    /// The same as `readme`.
    #[schema(max_length = 20_000, example = "1 M views by May.", required)]
    pub description: Option<String>,
    /// The agents' own space.
    #[schema(value_type = Object, example = json!({}))]
    pub metadata: MetadataJson,
    /// Views that it is to reach.
    #[schema(minimum = 1, example = 1_000_000, required)]
    pub target_views: Option<u64>,
    /// By when.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub target_at: Option<Timestamp>,
    /// How many things it holds at first hand.
    #[schema(example = 3)]
    pub item_count: u64,
    /// When it was made.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

/// A campaign with figures of its union: all that is in it at any depth, counted once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CampaignWithFigures {
    /// The campaign.
    #[serde(flatten)]
    pub object: Campaign,
    /// Last-known views of its counted videos; null: none was ever reported.
    #[schema(example = 148_419, required)]
    pub current_views: Option<i64>,
    /// Creators that are in it, or own a counted video in it.
    #[schema(example = 2)]
    pub creator_count: u64,
    /// Counted videos in it.
    #[schema(example = 14)]
    pub video_count: u64,
}

impl Campaign {
    /// The campaign as it is decided.
    pub fn new(id: CampaignId, campaign: &domain::org::Campaign, item_count: u64) -> Self {
        let notes = notes(campaign.readme.as_ref());
        Self {
            id,
            project_id: campaign.project_id,
            name: campaign.name.as_str().to_owned(),
            readme: notes.clone(),
            description: notes,
            metadata: (&campaign.metadata).into(),
            target_views: campaign.target_views,
            target_at: campaign.target_at,
            item_count,
            created_at: campaign.created_at,
            updated_at: campaign.updated_at,
        }
    }
}

/// What a campaign holds at first hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignItem {
    /// What it is.
    #[schema(value_type = ItemTypeName)]
    pub item_type: String,
    /// The thing's own id.
    pub item_id: Uuid,
    /// Its name, title or handle.
    #[schema(example = "charlidamelio")]
    pub label: String,
    /// Since when it is held.
    #[schema(value_type = DateTime<Utc>)]
    pub added_at: Timestamp,
}

impl CampaignItem {
    /// The item under its label.
    pub fn new(item: EntityRef, label: String, added_at: Timestamp) -> Self {
        Self {
            item_type: item.entity_type().name().to_owned(),
            item_id: item.id(),
            label,
            added_at,
        }
    }
}
