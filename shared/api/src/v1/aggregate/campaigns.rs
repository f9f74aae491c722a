//! Campaigns, the highest first, and what they have in common.

use domain::ids::CampaignId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::v1::analytics::Figure;

/// A campaign in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CampaignCard {
    /// The campaign's id.
    #[schema(value_type = Uuid)]
    pub id: CampaignId,
    /// Its name.
    #[schema(example = "Launch of spring")]
    pub name: String,
}

/// A campaign of the campaign leaderboard: what its union gained in the range, null if nothing was
/// read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CampaignLeaderboardRow {
    /// The campaign.
    pub campaign: CampaignCard,
    /// Views gained.
    #[schema(example = 48_210, required)]
    pub views: Option<i64>,
    /// Likes gained.
    #[schema(example = 3_120, required)]
    pub likes: Option<i64>,
    /// Comments gained.
    #[schema(example = 210, required)]
    pub comments: Option<i64>,
    /// Shares gained.
    #[schema(example = 95, required)]
    pub shares: Option<i64>,
    /// Saves gained.
    #[schema(example = json!(null), required)]
    pub saves: Option<i64>,
    /// Videos posted.
    #[schema(example = 11)]
    pub posts: i64,
    /// Engagement gained per 100 views gained.
    #[schema(value_type = Option<Figure>, required)]
    pub engagement_rate_by_views: Option<Figure>,
    /// Creators in it, and owners of counted videos in it.
    #[schema(example = 4)]
    pub creator_count: u64,
    /// Counted videos in it.
    #[schema(example = 38)]
    pub video_count: u64,
    /// Views that it is to reach.
    #[schema(example = 1_000_000, required)]
    pub target_views: Option<u64>,
    /// All its views at the range's end in percent of that, rounded down.
    #[schema(example = 14, required)]
    pub target_percentage: Option<i64>,
}

/// What campaigns have in common.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MemberOverlap {
    /// The campaigns compared.
    pub campaigns: Vec<OverlappingCampaign>,
    /// Each two of them.
    pub pairs: Vec<OverlappingPair>,
    /// Members of two or more, those of most campaigns first, at most 500.
    pub members: Vec<SharedMember>,
}

/// A campaign that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OverlappingCampaign {
    /// The campaign's id.
    #[schema(value_type = Uuid)]
    pub id: CampaignId,
    /// Its name.
    #[schema(example = "Launch of spring")]
    pub name: String,
    /// How many members it has.
    #[schema(example = 38)]
    pub size: u64,
}

/// Two campaigns.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OverlappingPair {
    /// One.
    #[schema(value_type = Uuid)]
    pub a: CampaignId,
    /// The other.
    #[schema(value_type = Uuid)]
    pub b: CampaignId,
    /// Members of both.
    #[schema(example = 3)]
    pub shared: u64,
    /// Members of both per member of either, four decimals; 0 if there are none.
    #[schema(value_type = Figure)]
    pub jaccard: Figure,
}

/// A member of several campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SharedMember {
    /// The creator's or video's id.
    pub id: Uuid,
    /// Display name, handle or title.
    #[schema(example = "charlidamelio")]
    pub label: String,
    /// Of which of the campaigns, in the order of `campaigns`.
    #[schema(value_type = Vec<Uuid>)]
    pub campaign_ids: Vec<CampaignId>,
}
