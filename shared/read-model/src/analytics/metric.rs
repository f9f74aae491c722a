//! What can be asked for (v1-contract.md 15.1, 15.2).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A text that names no metric, entity or mode; the message lists the known ones.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not one of {known}")]
pub struct UnknownName {
    known: String,
}

/// Whose figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// One video, whatever its status.
    Video,
    /// A creator's counted videos.
    Creator,
    /// The counted videos of a campaign's union, each once.
    Campaign,
    /// A project's counted videos.
    Project,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Views.
    Views,
    /// Likes.
    Likes,
    /// Comments.
    Comments,
    /// Shares.
    Shares,
    /// Saves.
    Saves,
    /// Followers of creators.
    Followers,
    /// Counted videos by post time.
    Posts,
    /// Likes, comments, shares and saves gained, per 100 views gained.
    EngagementRateByViews,
    /// Likes, comments, shares and saves gained, per 100 followers at the end.
    EngagementRateByFollowers,
    /// Posts, brought to seven days.
    PostsPerWeek,
    /// Views gained, per video posted by the end.
    AvgViewsPerPost,
    /// Change of a base metric against the bucket before.
    GrowthRatePop,
}

/// Of what growth is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BaseMetric {
    /// Views gained.
    Views,
    /// Likes gained.
    Likes,
    /// Comments gained.
    Comments,
    /// Shares gained.
    Shares,
    /// Saves gained.
    Saves,
    /// Followers at the end.
    Followers,
    /// Posts by the end.
    Posts,
}

/// Gained in the bucket, or the running total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Gained in the bucket.
    New,
    /// Total at the bucket's end.
    Cumulative,
}

/// What a value counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Hundredths.
    Percent,
    /// Posts in seven days.
    PostsPerWeek,
}

/// What readings carry and roll-ups keep: a metric is one of these, posts, or derived of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Views of videos.
    Views = 0,
    /// Likes of videos.
    Likes = 1,
    /// Comments under videos.
    Comments = 2,
    /// Shares of videos.
    Shares = 3,
    /// Saves of videos.
    Saves = 4,
    /// Followers of creators.
    Followers = 5,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 6;
    /// All of them, by their places.
    pub const ALL: [Self; 6] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::Followers,
    ];
    /// Those of videos, in the order of a reading's fields.
    pub const OF_VIDEOS: [Self; 5] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
    ];
    /// What engagement adds up.
    pub const OF_ENGAGEMENT: [Self; 4] = [Self::Likes, Self::Comments, Self::Shares, Self::Saves];

    /// Its place in arrays of [`Counter::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl EntityKind {
    /// All kinds that are answered.
    pub const ALL: [Self; 4] = [Self::Video, Self::Creator, Self::Campaign, Self::Project];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Creator => "creator",
            Self::Campaign => "campaign",
            Self::Project => "project",
        }
    }

    /// Whether figures of one can be broken down by its videos.
    pub const fn breaks_down(self) -> bool {
        match self {
            Self::Creator | Self::Campaign => true,
            Self::Video | Self::Project => false,
        }
    }
}

impl Metric {
    /// All metrics that are answered, in the contract's order.
    pub const ALL: [Self; 12] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::Followers,
        Self::Posts,
        Self::EngagementRateByViews,
        Self::EngagementRateByFollowers,
        Self::PostsPerWeek,
        Self::AvgViewsPerPost,
        Self::GrowthRatePop,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Views => "views",
            Self::Likes => "likes",
            Self::Comments => "comments",
            Self::Shares => "shares",
            Self::Saves => "saves",
            Self::Followers => "followers",
            Self::Posts => "posts",
            Self::EngagementRateByViews => "engagement_rate_by_views",
            Self::EngagementRateByFollowers => "engagement_rate_by_followers",
            Self::PostsPerWeek => "posts_per_week",
            Self::AvgViewsPerPost => "avg_views_per_post",
            Self::GrowthRatePop => "growth_rate_pop",
        }
    }

    /// What its values count in.
    pub const fn unit(self) -> Unit {
        match self {
            Self::EngagementRateByViews | Self::EngagementRateByFollowers | Self::GrowthRatePop => {
                Unit::Percent
            }
            Self::PostsPerWeek => Unit::PostsPerWeek,
            _ => Unit::Count,
        }
    }

    /// Whether it is computed from other metrics; such a metric knows no mode.
    pub const fn is_derived(self) -> bool {
        matches!(
            self,
            Self::EngagementRateByViews
                | Self::EngagementRateByFollowers
                | Self::PostsPerWeek
                | Self::AvgViewsPerPost
                | Self::GrowthRatePop
        )
    }

    /// Whether it can be asked of this kind of entity.
    pub const fn applies_to(self, entity: EntityKind) -> bool {
        match entity {
            EntityKind::Video => !matches!(
                self,
                Self::Followers
                    | Self::Posts
                    | Self::EngagementRateByFollowers
                    | Self::PostsPerWeek
                    | Self::AvgViewsPerPost
            ),
            EntityKind::Creator | EntityKind::Campaign | EntityKind::Project => true,
        }
    }

    /// Whether it can be broken down by videos.
    pub const fn breaks_down(self) -> bool {
        matches!(
            self,
            Self::Views
                | Self::Likes
                | Self::Comments
                | Self::Shares
                | Self::Saves
                | Self::EngagementRateByViews
        )
    }
}

impl BaseMetric {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 7] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::Followers,
        Self::Posts,
    ];

    /// The metric of that name.
    pub const fn metric(self) -> Metric {
        match self {
            Self::Views => Metric::Views,
            Self::Likes => Metric::Likes,
            Self::Comments => Metric::Comments,
            Self::Shares => Metric::Shares,
            Self::Saves => Metric::Saves,
            Self::Followers => Metric::Followers,
            Self::Posts => Metric::Posts,
        }
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        self.metric().name()
    }
}

impl Mode {
    /// Both modes.
    pub const ALL: [Self; 2] = [Self::New, Self::Cumulative];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cumulative => "cumulative",
        }
    }
}

impl Unit {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Percent => "percent",
            Self::PostsPerWeek => "posts_per_week",
        }
    }
}

macro_rules! read_and_written_by_name {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                let known = || $name::ALL.map($name::name).join(", ");
                Self::ALL
                    .into_iter()
                    .find(|one| one.name() == text)
                    .ok_or_else(|| UnknownName { known: known() })
            }
        }
    )+};
}

read_and_written_by_name!(BaseMetric, EntityKind, Metric, Mode);
