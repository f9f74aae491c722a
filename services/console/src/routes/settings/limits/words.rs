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
        title: "What there can be",
        effect: "At a limit another one is refused (status 402), and nothing is changed. What is there stays, also when a limit is lowered.",
        units: &[LimitUnit::Count],
    },
    Group {
        title: "Requests and updates",
        effect: "API keys over a number of requests are refused (status 429) until there is room again. A key cannot be given more per minute, and there is no update by hand beyond the day's number (status 402). This console uses none of it.",
        units: &[LimitUnit::PerDay, LimitUnit::PerMinute],
    },
    Group {
        title: "How often figures are read",
        effect: "Nothing is refused: a schedule that is set to a shorter time runs this often. Updates by hand are not bound by it.",
        units: &[LimitUnit::Hours],
    },
    Group {
        title: "History",
        effect: "Figures of earlier days are not shown, and asking for them is refused (status 402). After a change to a smaller plan they stay for 14 days more.",
        units: &[LimitUnit::Days],
    },
];

/// What a limit is called, and what is counted.
pub const fn of(key: LimitKey) -> (&'static str, &'static str) {
    match key {
        LimitKey::MaxCreatorsPerOrg => ("Creators", "active ones, in all projects"),
        LimitKey::MaxTrackedVideosPerOrg => (
            "Single videos",
            "added one by one and tracked, in all projects",
        ),
        LimitKey::MaxProjectsPerOrg => ("Projects", ""),
        LimitKey::MaxMembersPerOrg => ("Members", "with open invitations"),
        LimitKey::MaxCampaignsPerProject => {
            ("Campaigns of a project", "in the project with the most")
        }
        LimitKey::MaxCampaignItemsPerCampaign => (
            "Items of a campaign",
            "put into it directly, in the campaign with the most",
        ),
        LimitKey::MaxApiKeysPerOrg => ("API keys", "live ones"),
        LimitKey::MaxApiRequestsPerDay => ("Requests a day", "with all API keys together"),
        LimitKey::MaxRequestsPerMinutePerKey => {
            ("Requests a minute", "the most that a key can be given")
        }
        LimitKey::MaxManualScrapeTriggersPerDay => ("Updates by hand a day", ""),
        LimitKey::MaxPayoutMethodsPerOrg => ("Payout methods", ""),
        LimitKey::MaxPayoutStructuresPerProject => (
            "Payout structures of a project",
            "in the project with the most",
        ),
        LimitKey::MinVideoStatsHours => ("Figures of a video", "at most once in this time"),
        LimitKey::MinDiscoverVideosHours => {
            ("New videos of a creator", "looked for at most once in this time")
        }
        LimitKey::MinCreatorProfilesHours => ("Profile of a creator", "at most once in this time"),
        LimitKey::StatsHistoryRetentionDays => ("Figures go back", ""),
        LimitKey::MaxGoalsPerCreator => ("Goals of a creator", "of the creator with the most"),
        LimitKey::MaxAnnotationsPerProject => (
            "Annotations of a project",
            "in the project with the most",
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
            let groups = GROUPS.iter().filter(|group| group.units.contains(&key.unit()));
            assert_eq!(groups.count(), 1, "{key}");
        }
    }
}
