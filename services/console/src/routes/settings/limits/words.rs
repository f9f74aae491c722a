//! Limits in people's words.

use api::v1::{LimitKey, LimitUnit};

/// Limits that act alike.
pub struct Group {
    pub title: &'static str,
    /// What happens at the limit.
    pub effect: &'static str,
    pub units: &'static [LimitUnit],
}

/// All of them, as they are shown.
pub const GROUPS: [Group; 4] = [
    Group {
        title: "How much you can have",
        effect: "At a limit, adding one more is refused (402) and nothing is changed. What you have stays, also when a limit is lowered.",
        units: &[LimitUnit::Count],
    },
    Group {
        title: "Requests and updates",
        effect: "At a limit, requests with API keys are refused (429) until there is room again, and manual updates are refused (402). What you do in this console does not count as a request.",
        units: &[LimitUnit::PerDay, LimitUnit::PerMinute],
    },
    Group {
        title: "Update schedules",
        effect: "Nothing is refused: a schedule set to a shorter interval runs at this one. Manual updates are not bound by it.",
        units: &[LimitUnit::Hours],
    },
    Group {
        title: "History",
        effect: "Figures of earlier days are not shown, and asking for them is refused (402). After a change to a smaller plan they stay for another 14 days.",
        units: &[LimitUnit::Days],
    },
];

/// What a limit is called, and what is counted.
pub const fn of(key: LimitKey) -> (&'static str, &'static str) {
    match key {
        LimitKey::MaxCreatorsPerOrg => ("Creators", "active ones, in all projects"),
        LimitKey::MaxTrackedVideosPerOrg => {
            ("Videos added directly", "tracked ones, in all projects")
        }
        LimitKey::MaxProjectsPerOrg => ("Projects", ""),
        LimitKey::MaxMembersPerOrg => ("Members", "open invitations included"),
        LimitKey::MaxCampaignsPerProject => {
            ("Campaigns per project", "shown: the project with the most")
        }
        LimitKey::MaxCampaignItemsPerCampaign => (
            "Items per campaign",
            "added directly; shown: the campaign with the most",
        ),
        LimitKey::MaxApiKeysPerOrg => ("API keys", "live ones"),
        LimitKey::MaxApiRequestsPerDay => ("Requests per day", "with all API keys together"),
        LimitKey::MaxRequestsPerMinutePerKey => {
            ("Requests per minute", "the most that one key can be given")
        }
        LimitKey::MaxManualScrapeTriggersPerDay => ("Manual updates per day", ""),
        LimitKey::MaxPayoutMethodsPerOrg => ("Payout methods", ""),
        LimitKey::MaxPayoutStructuresPerProject => (
            "Payout structures per project",
            "shown: the project with the most",
        ),
        LimitKey::MinVideoStatsHours => ("Video figures", "at least this long between two updates"),
        LimitKey::MinDiscoverVideosHours => {
            ("New videos", "at least this long between two searches")
        }
        LimitKey::MinCreatorProfilesHours => {
            ("Creator profiles", "at least this long between two updates")
        }
        LimitKey::StatsHistoryRetentionDays => ("How far back figures go", ""),
        LimitKey::MaxGoalsPerCreator => ("Goals per creator", "shown: the creator with the most"),
        LimitKey::MaxAnnotationsPerProject => (
            "Annotations per project",
            "shown: the project with the most",
        ),
    }
}

#[cfg(test)]
mod tests {
    use api::v1::LimitKey;

    use super::{GROUPS, of};

    #[test]
    fn every_limit_has_one_group_and_a_name_of_its_own() {
        let mut names: Vec<_> = LimitKey::ALL.iter().map(|key| of(*key).0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LimitKey::ALL.len());
        for key in LimitKey::ALL {
            let groups = GROUPS
                .iter()
                .filter(|group| group.units.contains(&key.unit()));
            assert_eq!(groups.count(), 1, "{key}");
        }
    }
}
