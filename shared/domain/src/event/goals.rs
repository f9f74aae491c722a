//! Events of goals.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::cleared;
use crate::ids::{CreatorId, GoalId};

/// What a goal measures.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GoalMetric {
    /// Posts made in the period.
    Posts,
    /// Views gained in the period.
    Views,
    /// Likes, comments, shares and saves gained in the period.
    Engagement,
    /// Followers gained in the period.
    Followers,
}

/// How often a goal begins anew.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GoalPeriod {
    /// Each day.
    Daily,
    /// Each week, from Monday.
    Weekly,
    /// Each calendar month.
    Monthly,
}

impl GoalMetric {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 4] = [Self::Posts, Self::Views, Self::Engagement, Self::Followers];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Views => "views",
            Self::Engagement => "engagement",
            Self::Followers => "followers",
        }
    }
}

impl GoalPeriod {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Daily, Self::Weekly, Self::Monthly];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }
}

/// A creator has a goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GoalAdded {
    /// The goal.
    pub goal_id: GoalId,
    /// Whose it is.
    pub creator_id: CreatorId,
    /// What is measured.
    pub metric: GoalMetric,
    /// How often it begins anew.
    pub period: GoalPeriod,
    /// What is to be reached in each period.
    pub target_value: u64,
    /// First day on which it counts; null: no first.
    #[schemars(with = "Option<String>")]
    pub start_date: Option<NaiveDate>,
    /// Last day on which it counts; null: no last.
    #[schemars(with = "Option<String>")]
    pub end_date: Option<NaiveDate>,
}

/// Something about a goal changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GoalChanged {
    /// The goal.
    pub goal_id: GoalId,
    /// The new target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_value: Option<u64>,
    /// The new first day; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub start_date: Option<Option<NaiveDate>>,
    /// The new last day; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub end_date: Option<Option<NaiveDate>>,
    /// Whether it is pursued now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
}

/// A goal is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GoalRemoved {
    /// The goal.
    pub goal_id: GoalId,
}
