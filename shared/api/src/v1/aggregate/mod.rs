//! Summaries of a project (v1-contract.md 16).

mod campaigns;
mod leaderboards;
mod posting;
#[cfg(test)]
mod tests;
mod views;

use domain::ids::CreatorId;
use domain::platform::Platform;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::campaigns::{
    CampaignCard, CampaignLeaderboardRow, MemberOverlap, OverlappingCampaign, OverlappingPair,
    SharedMember,
};
pub use self::leaderboards::{CreatorLeaderboardRow, ScatterRow, VideoLeaderboardRow};
pub use self::posting::{HeatmapCell, PostingConsistencyRow};
pub use self::views::{Bin, DirectionName, OutlierRow, Percentiles, ViewDistribution};

use super::creators::tiktok_only;
use super::names::PlatformName;

/// A creator in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatorCard {
    /// The creator's id.
    #[schema(value_type = Uuid)]
    pub id: CreatorId,
    /// The platform.
    #[schema(value_type = PlatformName)]
    pub platform: Platform,
    /// The account on the platform; on YouTube the channel id.
    #[schema(example = "charlidamelio")]
    pub handle: String,
    /// The handle on TikTok, else null.
    #[schema(example = "charlidamelio", required)]
    pub tiktok_handle: Option<String>,
    /// The name people gave, else the platform's.
    #[schema(example = "charli d'amelio", required)]
    pub display_name: Option<String>,
    /// The account's picture, as last reported.
    #[schema(example = "https://example.com/avatar.jpg", required)]
    pub avatar_url: Option<String>,
}

impl CreatorCard {
    /// A creator, as the read side knows them.
    pub fn new(
        id: CreatorId,
        platform: Platform,
        handle: &str,
        display_name: Option<String>,
        avatar_url: Option<String>,
    ) -> Self {
        Self {
            id,
            platform,
            handle: handle.to_owned(),
            tiktok_handle: tiktok_only(platform, handle),
            display_name,
            avatar_url,
        }
    }
}
