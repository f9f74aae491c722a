//! Goals (v1-contract.md 17).

use chrono::NaiveDate;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::{CreatorId, GoalId, ProjectId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{GoalMetricName, GoalPeriodName};

/// What a creator is to reach in each day, week or month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Goal {
    /// The goal's id.
    #[schema(value_type = Uuid)]
    pub id: GoalId,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub creator_id: CreatorId,
    /// The creator's project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// What is measured.
    #[schema(value_type = GoalMetricName)]
    pub metric: GoalMetric,
    /// How often it begins anew.
    #[schema(value_type = GoalPeriodName)]
    pub period: GoalPeriod,
    /// What is to be reached in each period.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64, example = 5)]
    pub target_value: u64,
    /// First day on which it counts.
    #[schema(example = json!(null), required)]
    pub start_date: Option<NaiveDate>,
    /// Last day on which it counts.
    #[schema(example = json!(null), required)]
    pub end_date: Option<NaiveDate>,
    /// Whether it is pursued now.
    #[schema(example = true)]
    pub is_active: bool,
    /// When it was set.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

impl Goal {
    /// The goal as it is decided.
    pub const fn new(id: GoalId, goal: &domain::org::Goal, project_id: ProjectId) -> Self {
        Self {
            id,
            creator_id: goal.creator_id,
            project_id,
            metric: goal.metric,
            period: goal.period,
            target_value: goal.target_value,
            start_date: goal.start_date,
            end_date: goal.end_date,
            is_active: goal.is_active,
            created_at: goal.created_at,
            updated_at: goal.updated_at,
        }
    }
}
