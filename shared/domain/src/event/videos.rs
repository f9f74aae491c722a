//! Events of tracked videos.

use serde::{Deserialize, Serialize};

use super::cleared;
use crate::ids::{CreatorId, ProjectId, VideoId};
use crate::named::named;
use crate::platform::{Platform, PlatformVideoId};
use crate::text::{Metadata, Readme};
use crate::time::Timestamp;

named! {
    /// What a post is.
    #[derive(Default)]
    MediaType {
        /// A video.
        #[default]
        Video = "video",
        /// A photo carousel.
        Photo = "photo",
    }
}

named! {
    /// How a video came to be tracked (v1-contract.md 11.1).
    TrackingStatus {
        /// Found; its creator's mode is `auto`.
        AutoTracked = "auto_tracked",
        /// Found; its creator's mode is `selective`; in the inbox.
        PendingReview = "pending_review",
        /// Approved by a person.
        Included = "included",
        /// Rejected by a person.
        Excluded = "excluded",
        /// Added by URL.
        DirectAdd = "direct_add",
    }
}

impl TrackingStatus {
    /// Whether a video of this status counts in figures.
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::AutoTracked | Self::Included | Self::DirectAdd)
    }
}

named! {
    /// Why a video gets no more updates.
    TrackingDisabledReason {
        /// Somebody asked for it.
        Manual = "manual",
        /// It is old.
        Expired = "expired",
        /// The platform does not show it any more.
        Unavailable = "unavailable",
    }
}

/// A person added a video by its URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoAdded {
    /// The video.
    pub video_id: VideoId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its platform.
    pub platform: Platform,
    /// Its id there.
    pub platform_video_id: PlatformVideoId,
    /// Its page.
    pub url: String,
    /// What it is.
    pub media_type: MediaType,
    /// People's notes to agents.
    pub readme: Option<Readme>,
    /// The agents' own space.
    pub metadata: Metadata,
}

/// Ingest found a video of a followed creator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoDiscovered {
    /// The video.
    pub video_id: VideoId,
    /// Its project.
    pub project_id: ProjectId,
    /// Its creator.
    pub creator_id: CreatorId,
    /// Its platform.
    pub platform: Platform,
    /// Its id there.
    pub platform_video_id: PlatformVideoId,
    /// Its page.
    pub url: String,
    /// What it is.
    pub media_type: MediaType,
    /// What the creator's mode said at that moment.
    pub tracking_status: TrackingStatus,
    /// When it was posted, if that was reported.
    pub posted_at: Option<Timestamp>,
}

/// Notes or metadata changed; absent fields stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoChanged {
    /// The video.
    pub video_id: VideoId,
    /// The new notes; null: none.
    #[serde(
        default,
        deserialize_with = "cleared::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub readme: Option<Option<Readme>>,
    /// The new metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// A pending, excluded or removed video was added by URL: it is a `direct_add` now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoPromoted {
    /// The video.
    pub video_id: VideoId,
}

/// A person decided on a found video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoReviewed {
    /// The video.
    pub video_id: VideoId,
    /// `included` or `excluded`.
    pub tracking_status: TrackingStatus,
    /// The former status.
    pub previous: TrackingStatus,
}

/// No more updates; keeps counting with its last reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoTrackingDisabled {
    /// The video.
    pub video_id: VideoId,
    /// Why.
    pub reason: TrackingDisabledReason,
}

/// Updates again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoTrackingEnabled {
    /// The video.
    pub video_id: VideoId,
}

/// A video left answers and counts; only a direct add brings it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoRemoved {
    /// The video.
    pub video_id: VideoId,
}
