//! Goals.

use chrono::NaiveDate;
use domain::event::{GoalMetric, GoalPeriod};
use domain::ids::CreatorId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::names::{GoalMetricName, GoalPeriodName};

/// `POST /projects/{id}/goals`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGoal {
    /// Whose it is: a creator of the project.
    #[schema(value_type = Uuid)]
    pub creator_id: CreatorId,
    /// What is measured.
    #[schema(value_type = GoalMetricName)]
    pub metric: GoalMetric,
    /// How often it begins anew.
    #[schema(value_type = GoalPeriodName)]
    pub period: GoalPeriod,
    /// What is to be reached in each period.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64, example = 5)]
    pub target_value: u64,
    /// First day on which it counts; null: no first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-03-01")]
    pub start_date: Option<NaiveDate>,
    /// Last day on which it counts, not before the first; null: no last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(null))]
    pub end_date: Option<NaiveDate>,
}

/// `PATCH /goals/{id}`.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeGoal {
    /// What is to be reached in each period.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 1, maximum = 1_000_000_000_000_i64, required = false, example = 7)]
    pub target_value: Option<u64>,
    /// First day on which it counts; null: no first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>, example = json!(null))]
    pub start_date: Option<Option<NaiveDate>>,
    /// Last day on which it counts; null: no last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>, example = json!(null))]
    pub end_date: Option<Option<NaiveDate>>,
    /// Whether it is pursued now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = true)]
    pub is_active: Option<bool>,
}
