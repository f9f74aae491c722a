//! How views are spread, and which videos stand out.

use domain::ids::VideoId;
use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::CreatorCard;
use crate::v1::analytics::Figure;

/// How the last-known views of the videos posted in a range are spread.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ViewDistribution {
    /// Videos whose views are known.
    #[schema(example = 120)]
    pub count: u64,
    /// The fewest views; null without a video.
    #[schema(example = 12, required)]
    pub min: Option<i64>,
    /// The most views.
    #[schema(example = 1_204_331, required)]
    pub max: Option<i64>,
    /// Their mean, four decimals.
    #[schema(value_type = Option<f64>, example = 23_014.54, required)]
    pub mean: Option<Figure>,
    /// How many videos lie where.
    #[schema(max_items = 50)]
    pub bins: Vec<Bin>,
    /// Percentiles by nearest rank.
    pub percentiles: Percentiles,
}

/// From its lower edge on, below its upper one; the last one with it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Bin {
    /// The lower edge.
    #[schema(value_type = f64, example = 1_000)]
    pub from: Figure,
    /// The upper edge; null if it has none.
    #[schema(value_type = Option<f64>, example = 10_000, required)]
    pub to: Option<Figure>,
    /// Videos in it.
    #[schema(example = 17)]
    pub count: u64,
}

/// The p-th of n is the ⌈p n / 100⌉-th smallest; all null without a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Percentiles {
    /// A tenth has no more.
    #[schema(example = 230, required)]
    pub p10: Option<i64>,
    /// A quarter has no more.
    #[schema(example = 1_100, required)]
    pub p25: Option<i64>,
    /// Half of them have no more.
    #[schema(example = 5_400, required)]
    pub p50: Option<i64>,
    /// Three quarters have no more.
    #[schema(example = 21_000, required)]
    pub p75: Option<i64>,
    /// Nine tenths have no more.
    #[schema(example = 98_000, required)]
    pub p90: Option<i64>,
    /// 95 of 100 have no more.
    #[schema(example = 240_000, required)]
    pub p95: Option<i64>,
    /// 99 of 100 have no more.
    #[schema(example = 910_000, required)]
    pub p99: Option<i64>,
}

/// Whether a video has many or few views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OutlierDirection)]
pub enum DirectionName {
    /// Many.
    High,
    /// Few.
    Low,
}

/// A video that stands out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OutlierRow {
    /// The video's id.
    #[schema(value_type = Uuid)]
    pub video_id: VideoId,
    /// The caption, as last reported.
    #[schema(example = "a new dance", required)]
    pub title: Option<String>,
    /// Its page.
    #[schema(example = "https://www.tiktok.com/@charlidamelio/video/7301234567890123456")]
    pub url: String,
    /// The creator under which it was found; null for direct adds.
    #[schema(required)]
    pub creator: Option<CreatorCard>,
    /// When it was posted, if that was reported.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub posted_at: Option<Timestamp>,
    /// Its last-known views.
    #[schema(example = 1_204_331, required)]
    pub view_count: Option<u64>,
    /// The median of those it is held against.
    #[schema(value_type = f64, example = 5_400.5)]
    pub median_views: Figure,
    /// Its modified z-score, four decimals.
    #[schema(value_type = f64, example = 4.7213)]
    pub score: Figure,
    /// Whether it has many views or few.
    pub direction: DirectionName,
}
