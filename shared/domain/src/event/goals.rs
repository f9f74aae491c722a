//! Events of goals.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::cleared;
use crate::ids::{CreatorId, GoalId};
use crate::named::named;

named! {
    /// What a goal measures.
    GoalMetric {
        /// Posts made in the period.
        Posts = "posts",
        /// Views gained in the period.
        Views = "views",
        /// Likes, comments, shares and saves gained in the period.
        Engagement = "engagement",
        /// Followers gained in the period.
        Followers = "followers",
    }
}

named! {
    /// How often a goal begins anew.
    GoalPeriod {
        /// Each day.
        Daily = "daily",
        /// Each week, from Monday.
        Weekly = "weekly",
        /// Each calendar month.
        Monthly = "monthly",
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

impl GoalChanged {
    /// A change of nothing.
    pub const fn nothing(goal_id: GoalId) -> Self {
        Self {
            goal_id,
            target_value: None,
            start_date: None,
            end_date: None,
            is_active: None,
        }
    }
}

/// A goal is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GoalRemoved {
    /// The goal.
    pub goal_id: GoalId,
}
