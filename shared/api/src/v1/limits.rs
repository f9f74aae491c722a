//! `GET /limits` (v1-contract.md 6).

use domain::plan::{LimitKey, LimitUnit, Limits, Plan};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::{LimitKeyName, LimitUnitName, PlanName};

/// Every limit of the org, and how far it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsAnswer {
    /// The org's plan.
    #[schema(value_type = PlanName)]
    pub plan: Plan,
    /// Every limit, in the contract's order.
    pub limits: Vec<LimitAnswer>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitAnswer {
    /// Which.
    #[schema(value_type = LimitKeyName)]
    pub key: LimitKey,
    /// How far it is used: the highest of any one where it counts per project, campaign or
    /// creator; null where nothing is counted.
    #[schema(example = 3, required)]
    pub current: Option<u64>,
    /// What holds; null: unlimited.
    #[schema(example = 50, required)]
    pub max: Option<u64>,
    /// What the plan grants; null: unlimited.
    #[schema(example = 50, required)]
    pub plan_max: Option<u64>,
    /// The operator's number in place of the plan's.
    #[serde(rename = "override")]
    #[schema(example = json!(null), required)]
    pub override_: Option<u64>,
    /// What it counts in.
    #[schema(value_type = LimitUnitName)]
    pub unit: LimitUnit,
    /// When `current` begins at 0 again; null: it does not.
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null), required)]
    pub resets_at: Option<Timestamp>,
}

impl LimitsAnswer {
    /// Every limit; `current` says how far one is used, `midnight` is the next of UTC.
    pub fn new(
        limits: &Limits,
        midnight: Timestamp,
        current: impl Fn(LimitKey) -> Option<u64>,
    ) -> Self {
        let answer = |key: LimitKey| LimitAnswer {
            key,
            current: current(key),
            max: limits.max(key),
            plan_max: key.of_plan(limits.plan),
            override_: limits.overrides.get(&key).copied(),
            unit: key.unit(),
            resets_at: (key.unit() == LimitUnit::PerDay).then_some(midnight),
        };
        Self {
            plan: limits.plan,
            limits: LimitKey::ALL.iter().copied().map(answer).collect(),
        }
    }
}
