//! What can be asked about projects and all that is in them.

use chrono::NaiveDate;

use crate::event::{
    AnnotationKind, EntityRef, GoalMetric, GoalPeriod, MediaType, TrackingMode, TrackingStatus,
};
use crate::ids::{AnnotationId, CampaignId, CreatorId, GoalId, VideoId};
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::text::{AnnotationBody, CampaignName, Label, Metadata, ProjectName, Readme};
use crate::time::Timestamp;

/// Changes of a project; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 9")]
pub struct ProjectPatch {
    pub name: Option<ProjectName>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// A creator to be followed; `None` of the optional fields: not sent.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 10.2")]
pub struct NewCreator {
    pub creator_id: CreatorId,
    pub platform: Platform,
    pub handle: Handle,
    pub tracking_mode: Option<TrackingMode>,
    /// None: today in the org's zone.
    pub tracking_start_date: Option<Option<NaiveDate>>,
    pub display_name: Option<Option<String>>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// Changes of a creator; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 10.2")]
pub struct CreatorPatch {
    /// As it was sent; the creator's platform says whether it is one.
    pub handle: Option<String>,
    /// Whether it was sent as `tiktok_handle`, which only a creator on TikTok has.
    pub is_tiktok_handle: bool,
    pub tracking_mode: Option<TrackingMode>,
    pub tracking_start_date: Option<Option<NaiveDate>>,
    pub display_name: Option<Option<String>>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// A video to be added by URL or id.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 11.2")]
pub struct NewVideo {
    pub video_id: VideoId,
    pub platform: Platform,
    pub platform_video_id: PlatformVideoId,
    pub url: String,
    pub media_type: MediaType,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
}

/// Changes of a video; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 11.2")]
pub struct VideoPatch {
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
    pub decision: Option<ReviewDecision>,
    pub tracking_enabled: Option<bool>,
}

/// What a person decides on a found video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewDecision {
    /// It counts.
    Include,
    /// It does not.
    Exclude,
}

impl ReviewDecision {
    /// The status it leads to.
    pub const fn status(self) -> TrackingStatus {
        match self {
            Self::Include => TrackingStatus::Included,
            Self::Exclude => TrackingStatus::Excluded,
        }
    }
}

/// A campaign to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 13")]
pub struct NewCampaign {
    pub campaign_id: CampaignId,
    pub name: CampaignName,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub target_views: Option<u64>,
    pub target_at: Option<Timestamp>,
}

/// Changes of a campaign; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 13")]
pub struct CampaignPatch {
    pub name: Option<CampaignName>,
    pub readme: Option<Option<Readme>>,
    pub metadata: Option<Metadata>,
    pub target_views: Option<Option<u64>>,
    pub target_at: Option<Option<Timestamp>>,
}

/// A goal to be set.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 17")]
pub struct NewGoal {
    pub goal_id: GoalId,
    pub creator_id: CreatorId,
    pub metric: GoalMetric,
    pub period: GoalPeriod,
    pub target_value: u64,
    pub start_date: Option<NaiveDate>,
    pub end_date: Option<NaiveDate>,
}

/// Changes of a goal; `None` stays.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 17")]
pub struct GoalPatch {
    pub target_value: Option<u64>,
    pub start_date: Option<Option<NaiveDate>>,
    pub end_date: Option<Option<NaiveDate>>,
    pub is_active: Option<bool>,
}

/// An annotation to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 14")]
pub struct NewAnnotation {
    pub annotation_id: AnnotationId,
    pub entity: Option<EntityRef>,
    pub kind: AnnotationKind,
    pub date: NaiveDate,
    pub label: Label,
    pub body: Option<AnnotationBody>,
}

/// Changes of an annotation; `None` stays.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 14")]
pub struct AnnotationPatch {
    pub kind: Option<AnnotationKind>,
    pub date: Option<NaiveDate>,
    pub label: Option<Label>,
    pub body: Option<Option<AnnotationBody>>,
}
