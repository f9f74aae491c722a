//! Events of campaigns.

use serde::{Deserialize, Serialize};

use super::{EntityRef, cleared};
use crate::ids::{CampaignId, ProjectId};
use crate::text::{CampaignName, Metadata, Readme};
use crate::time::Timestamp;

/// A campaign exists; it holds nothing yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignAdded {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its name.
    pub name: CampaignName,
    /// People's notes to agents.
    pub readme: Option<Readme>,
    /// The agents' own space.
    pub metadata: Metadata,
    /// Views that it is to reach.
    pub target_views: Option<u64>,
    /// By when.
    pub target_at: Option<Timestamp>,
}

/// Something about a campaign changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignChanged {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<CampaignName>,
    /// The new notes; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub readme: Option<Option<Readme>>,
    /// The new metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// The new target; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_views: Option<Option<u64>>,
    /// The new date; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_at: Option<Option<Timestamp>>,
}

impl CampaignChanged {
    /// A change of nothing.
    pub const fn nothing(campaign_id: CampaignId) -> Self {
        Self {
            campaign_id,
            name: None,
            readme: None,
            metadata: None,
            target_views: None,
            target_at: None,
        }
    }
}

/// A campaign is gone, and with it what it held at first hand; the things themselves stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignRemoved {
    /// The campaign.
    pub campaign_id: CampaignId,
}

/// A campaign holds more things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignItemsAdded {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// What it did not hold at first hand before.
    pub items: Vec<EntityRef>,
}

/// A campaign holds fewer things: they were taken out, or are gone themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignItemsRemoved {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// What it does not hold at first hand any more.
    pub items: Vec<EntityRef>,
}
