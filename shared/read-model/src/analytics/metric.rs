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
    /// Likes, comments, shares and saves per 100 views gained.
    EngagementRateByViews,
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

/// How a metric is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Formula {
    /// From readings of one counter.
    Counter(Counter),
    /// From post times.
    Posts,
    /// Engagement per view.
    EngagementByViews,
}

impl EntityKind {
    /// All kinds that are answered.
    pub const ALL: [Self; 3] = [Self::Video, Self::Creator, Self::Project];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Creator => "creator",
            Self::Project => "project",
        }
    }
}

impl Metric {
    /// All metrics that are answered, in the contract's order.
    pub const ALL: [Self; 8] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::Followers,
        Self::Posts,
        Self::EngagementRateByViews,
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
        }
    }

    /// What its values count in.
    pub const fn unit(self) -> Unit {
        if self.is_derived() {
            Unit::Percent
        } else {
            Unit::Count
        }
    }

    /// Whether it is computed from other metrics; such a metric knows no mode.
    pub const fn is_derived(self) -> bool {
        matches!(self.formula(), Formula::EngagementByViews)
    }

    /// Whether it can be asked of this kind of entity.
    pub const fn applies_to(self, entity: EntityKind) -> bool {
        match entity {
            EntityKind::Video => !matches!(self, Self::Followers | Self::Posts),
            EntityKind::Creator | EntityKind::Project => true,
        }
    }

    pub(crate) const fn formula(self) -> Formula {
        match self {
            Self::Views => Formula::Counter(Counter::Views),
            Self::Likes => Formula::Counter(Counter::Likes),
            Self::Comments => Formula::Counter(Counter::Comments),
            Self::Shares => Formula::Counter(Counter::Shares),
            Self::Saves => Formula::Counter(Counter::Saves),
            Self::Followers => Formula::Counter(Counter::Followers),
            Self::Posts => Formula::Posts,
            Self::EngagementRateByViews => Formula::EngagementByViews,
        }
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

read_and_written_by_name!(EntityKind, Metric, Mode);
