//! Videos and creators, the highest first.

use domain::event::TrackingStatus;
use domain::ids::VideoId;
use domain::platform::Platform;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::CreatorCard;
use crate::v1::analytics::Figure;
use crate::v1::names::{PlatformName, TrackingStatusName};

/// A video of the video leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VideoLeaderboardRow {
    /// The video's id.
    #[schema(value_type = Uuid)]
    pub video_id: VideoId,
    /// The caption, as last reported.
    #[schema(example = "a new dance", required)]
    pub title: Option<String>,
    /// Its picture, as last reported.
    #[schema(example = "https://example.com/thumbnail.jpg", required)]
    pub thumbnail_url: Option<String>,
    /// Its page.
    #[schema(example = "https://www.tiktok.com/@charlidamelio/video/7301234567890123456")]
    pub url: String,
    /// As last reported; null: never.
    #[schema(example = 12_345, required)]
    pub view_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 678, required)]
    pub like_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 45, required)]
    pub comment_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = json!(null), required)]
    pub share_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = json!(null), required)]
    pub save_count: Option<u64>,
    /// When it was posted, if that was reported; else it counts as posted when it was taken up.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub posted_at: Option<Timestamp>,
    /// The platform.
    #[schema(value_type = PlatformName)]
    pub platform: Platform,
    /// How it came to be tracked.
    #[schema(value_type = TrackingStatusName)]
    pub tracking_status: TrackingStatus,
    /// The creator under which it was found; null for direct adds.
    #[schema(required)]
    pub creator: Option<CreatorCard>,
}

/// A creator of the creator leaderboard: what was gained in the range, null if nothing was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreatorLeaderboardRow {
    /// The creator.
    pub creator: CreatorCard,
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
    /// Followers at the end of the range.
    #[schema(value_type = Option<i64>, example = 15_400, required)]
    pub followers: Option<Figure>,
    /// Followers gained.
    #[schema(example = 1_400, required)]
    pub followers_gained: Option<i64>,
    /// Likes, comments, shares and saves gained, per 100 views gained.
    #[schema(value_type = Option<f64>, example = 7.1043, required)]
    pub engagement_rate_by_views: Option<Figure>,
}

/// A creator of the scatter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScatterRow {
    /// The creator.
    pub creator: CreatorCard,
    /// The figure asked for as `x`.
    #[schema(value_type = Option<Figure>, required)]
    pub x: Option<Figure>,
    /// The figure asked for as `y`.
    #[schema(value_type = Option<Figure>, required)]
    pub y: Option<Figure>,
    /// Videos posted.
    #[schema(example = 11)]
    pub posts: i64,
}
