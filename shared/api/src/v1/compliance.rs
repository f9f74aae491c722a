//! How far goals are reached (v1-contract.md 17, 16).

use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::aggregate::CreatorCard;
use super::analytics::Figure;
use super::goals::Goal;
use super::names::{FreshnessName, GoalStatusName};

/// A creator with what was reached of each of their goals.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CreatorCompliance {
    /// The creator.
    pub creator: CreatorCard,
    /// Active goals whose own range meets the period or lies ahead.
    pub compliance: Vec<GoalCompliance>,
}

/// What was reached of a goal in a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GoalCompliance {
    /// The goal.
    pub goal: Goal,
    /// What was to be reached.
    #[schema(example = 15)]
    pub target: u64,
    /// What was reached.
    #[schema(example = 11)]
    pub actual: i64,
    /// In percent of the target, rounded down.
    #[schema(example = 73)]
    pub percentage: i64,
    /// Whether that is enough, for now or for good.
    #[schema(value_type = GoalStatusName)]
    pub status: &'static str,
    /// What to know about the figure.
    pub advisory: GoalAdvisory,
}

/// What to know about a figure before anybody acts on it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are the contract's, and each may be set beside any other"
)]
pub struct GoalAdvisory {
    /// Whether any flag is set: without, the figure is final.
    #[schema(example = true)]
    pub has_advisory: bool,
    /// The period is not over.
    #[schema(example = true)]
    pub period_in_progress: bool,
    /// It ended within the last 48 hours.
    #[schema(example = false)]
    pub period_recently_ended: bool,
    /// Readings are stale or overdue, or there are none.
    #[schema(example = false)]
    pub scrape_stale: bool,
    /// The goal's own range lies ahead.
    #[schema(example = false)]
    pub not_yet_started: bool,
    /// One sentence for each flag.
    #[schema(example = json!(["The period is not over: the figure will grow."]))]
    pub messages: Vec<&'static str>,
    /// When the period begins.
    #[schema(value_type = DateTime<Utc>)]
    pub period_start: Timestamp,
    /// When it is over, exclusive.
    #[schema(value_type = DateTime<Utc>)]
    pub period_end: Timestamp,
    /// Until then, one decimal; null once it is over.
    #[schema(value_type = Option<f64>, required, example = 31.5)]
    pub hours_until_period_end: Option<Figure>,
    /// Since then, one decimal; null before.
    #[schema(value_type = Option<f64>, required, example = 31.5)]
    pub hours_since_period_end: Option<Figure>,
    /// How old the readings are; null without any.
    #[schema(required)]
    pub scrape_freshness: Option<ScrapeFreshness>,
}

/// How old a creator's readings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScrapeFreshness {
    /// The newest reading of a post that counts.
    #[schema(value_type = DateTime<Utc>)]
    pub last_stats_at: Timestamp,
    /// Its age, one decimal.
    #[schema(value_type = f64, example = 3.2)]
    pub age_hours: Figure,
    /// Hours between two updates.
    #[schema(example = 12)]
    pub expected_hours: u64,
    /// `stale` above 1.5 times, `overdue` above 3 times that.
    #[schema(value_type = FreshnessName)]
    pub state: &'static str,
}

/// How many goals of a project are how far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct GoalComplianceCounts {
    /// Goals in all.
    #[schema(example = 12)]
    pub total: u64,
    /// Creators who have any of them.
    #[schema(example = 7)]
    pub creators: u64,
    /// Goals by status.
    pub by_status: StatusCounts,
    /// The same for each metric.
    pub by_metric: MetricCounts,
}

/// Goals by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusCounts {
    /// Projected to reach the target.
    pub on_track: u64,
    /// At least seven tenths of what the elapsed time asks for.
    pub behind_pace: u64,
    /// Less than that.
    pub at_risk: u64,
    /// The period is over and the target was reached.
    pub completed: u64,
    /// The period is over and it was not.
    pub missed: u64,
}

/// Goals by status for each metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct MetricCounts {
    /// Posts made.
    pub posts: StatusCounts,
    /// Views gained.
    pub views: StatusCounts,
    /// Engagement gained.
    pub engagement: StatusCounts,
    /// Followers gained.
    pub followers: StatusCounts,
}
