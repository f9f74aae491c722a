//! When videos are posted.

use serde::Serialize;
use utoipa::ToSchema;

use super::CreatorCard;
use crate::v1::analytics::Figure;

/// An hour of the week that has posts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HeatmapCell {
    /// Local day of the week: 0 is Sunday, 6 Saturday.
    #[schema(minimum = 0, maximum = 6, example = 1)]
    pub dow: u8,
    /// Local hour.
    #[schema(minimum = 0, maximum = 23, example = 18)]
    pub hour: u8,
    /// Posts of that hour.
    #[schema(example = 4)]
    pub post_count: u64,
    /// Mean of their last-known views, two decimals; null if none is known.
    #[schema(value_type = Option<f64>, example = 1_833.25, required)]
    pub avg_views: Option<Figure>,
}

/// How regularly a creator posts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PostingConsistencyRow {
    /// The creator.
    pub creator: CreatorCard,
    /// Videos posted in the range.
    #[schema(example = 11)]
    pub posts: u64,
    /// Local days with posts.
    #[schema(example = 9)]
    pub active_days: u64,
    /// Days of the range.
    #[schema(example = 30)]
    pub days: u64,
    /// Weeks with posts, from Monday.
    #[schema(example = 4)]
    pub weeks_with_posts: u64,
    /// Weeks that the range touches.
    #[schema(example = 5)]
    pub weeks: u64,
    /// Weeks with posts / weeks, four decimals.
    #[schema(value_type = f64, minimum = 0, maximum = 1, example = 0.8)]
    pub consistency: Figure,
    /// The longest time between a post and the next in the range, in days; null below two posts.
    #[schema(value_type = Option<f64>, example = 6.25, required)]
    pub longest_gap_days: Option<Figure>,
    /// The median of such times, in hours; null below two posts.
    #[schema(value_type = Option<f64>, example = 51.5, required)]
    pub median_gap_hours: Option<Figure>,
}
