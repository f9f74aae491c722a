//! Plans and their limits (v1-contract.md 6).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::named::named;

named! {
    /// What an org has bought; changed by the operator.
    Plan {
        /// For trying out; no requests with keys.
        Free = "free",
        /// For small teams.
        Starter = "starter",
        /// For agencies.
        Ultra = "ultra",
    }
}

/// A text that names no plan or limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what}; known are {known}")]
pub struct UnknownName {
    what: &'static str,
    known: String,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plan {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|plan| plan.name() == text)
            .ok_or_else(|| UnknownName {
                what: "plan",
                known: Self::ALL.map(Self::name).join(", "),
            })
    }
}

/// What a limit counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Things that exist at once.
    Count,
    /// Per UTC day.
    PerDay,
    /// In any trailing 60 s.
    PerMinute,
    /// Hours between two runs.
    Hours,
    /// Days of history.
    Days,
}

macro_rules! limit_keys {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $unit:ident, [$free:expr, $starter:expr, $ultra:expr]);+ $(;)?) => {
        /// One limit of a plan; its stable name is `limitKey` on the wire.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
        )]
        pub enum LimitKey {
            $($(#[$doc])* #[serde(rename = $name)] $variant),+
        }

        impl LimitKey {
            /// Every limit, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it counts in.
            pub const fn unit(self) -> LimitUnit {
                match self { $(Self::$variant => LimitUnit::$unit),+ }
            }

            /// What the plan grants; `None` is unlimited.
            pub const fn of_plan(self, plan: Plan) -> Option<u64> {
                match (self, plan) {
                    $((Self::$variant, Plan::Free) => $free,
                      (Self::$variant, Plan::Starter) => $starter,
                      (Self::$variant, Plan::Ultra) => $ultra),+
                }
            }
        }
    };
}

limit_keys! {
    /// Active creators of all projects.
    MaxCreatorsPerOrg = "max_creators_per_org", Count, [Some(5), Some(50), Some(300)];
    /// Videos with status `direct_add` and tracking on.
    MaxTrackedVideosPerOrg = "max_tracked_videos_per_org", Count, [Some(50), Some(1_000), Some(20_000)];
    /// Projects.
    MaxProjectsPerOrg = "max_projects_per_org", Count, [Some(1), Some(3), Some(10)];
    /// Members and open invitations.
    MaxMembersPerOrg = "max_members_per_org", Count, [Some(2), Some(5), Some(50)];
    /// Campaigns of one project.
    MaxCampaignsPerProject = "max_campaigns_per_project", Count, [Some(3), Some(20), Some(200)];
    /// Direct items of one campaign.
    MaxCampaignItemsPerCampaign = "max_campaign_items_per_campaign", Count, [Some(25), Some(200), Some(1_000)];
    /// Keys of status active or rotating.
    MaxApiKeysPerOrg = "max_api_keys_per_org", Count, [Some(2), Some(10), Some(50)];
    /// Requests with keys per UTC day.
    MaxApiRequestsPerDay = "max_api_requests_per_day", PerDay, [Some(0), Some(1_000), Some(50_000)];
    /// The most a key's `rate_limit_per_minute` may be.
    MaxRequestsPerMinutePerKey = "max_requests_per_minute_per_key", PerMinute, [Some(60), Some(60), Some(60)];
    /// Manual scrape triggers per UTC day.
    MaxManualScrapeTriggersPerDay = "max_manual_scrape_triggers_per_day", PerDay, [Some(1), Some(10), Some(100)];
    /// Payout methods.
    MaxPayoutMethodsPerOrg = "max_payout_methods_per_org", Count, [Some(6), Some(10), None];
    /// Payout structures of one project.
    MaxPayoutStructuresPerProject = "max_payout_structures_per_project", Count, [Some(1), Some(10), Some(50)];
    /// Floor between updates of a video's stats.
    MinVideoStatsHours = "min_video_stats_hours", Hours, [Some(24), Some(12), Some(1)];
    /// Floor between discovery runs.
    MinDiscoverVideosHours = "min_discover_videos_hours", Hours, [Some(24), Some(12), Some(3)];
    /// Floor between profile updates.
    MinCreatorProfilesHours = "min_creator_profiles_hours", Hours, [Some(24), Some(24), Some(6)];
    /// Days of history that answers reach back.
    StatsHistoryRetentionDays = "stats_history_retention_days", Days, [Some(30), Some(365), None];
    /// Goals of one creator.
    MaxGoalsPerCreator = "max_goals_per_creator", Count, [Some(20), Some(20), Some(20)];
    /// Annotations of one project.
    MaxAnnotationsPerProject = "max_annotations_per_project", Count, [Some(1_000), Some(1_000), Some(1_000)];
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LimitKey {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|key| key.name() == text)
            .ok_or_else(|| UnknownName {
                what: "limit key",
                known: Self::ALL
                    .iter()
                    .map(|key| key.name())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// An org's plan with what the operator raised or lowered for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The plan.
    pub plan: Plan,
    /// The operator's numbers, which stand in place of the plan's.
    pub overrides: BTreeMap<LimitKey, u64>,
}

impl Limits {
    /// The plan's own limits.
    pub const fn of(plan: Plan) -> Self {
        Self {
            plan,
            overrides: BTreeMap::new(),
        }
    }

    /// What holds; `None` is unlimited.
    pub fn max(&self, key: LimitKey) -> Option<u64> {
        self.overrides
            .get(&key)
            .copied()
            .or_else(|| key.of_plan(self.plan))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_override_stands_in_place_of_the_plan_up_or_down() {
        let mut limits = Limits::of(Plan::Ultra);
        assert_eq!(limits.max(LimitKey::MaxCreatorsPerOrg), Some(300));
        assert_eq!(limits.max(LimitKey::MaxPayoutMethodsPerOrg), None);
        limits.overrides.insert(LimitKey::MaxCreatorsPerOrg, 2);
        limits.overrides.insert(LimitKey::MaxPayoutMethodsPerOrg, 7);
        assert_eq!(limits.max(LimitKey::MaxCreatorsPerOrg), Some(2));
        assert_eq!(limits.max(LimitKey::MaxPayoutMethodsPerOrg), Some(7));
    }

    #[test]
    fn names_are_read_back_and_unknown_ones_name_the_known() {
        for key in LimitKey::ALL {
            assert_eq!(key.name().parse::<LimitKey>().unwrap(), *key);
            assert_eq!(serde_json::to_value(key).unwrap(), key.name());
        }
        for plan in Plan::ALL {
            assert_eq!(plan.name().parse::<Plan>().unwrap(), plan);
        }
        assert!(
            "pro"
                .parse::<Plan>()
                .unwrap_err()
                .to_string()
                .contains("free, starter, ultra")
        );
    }
}
