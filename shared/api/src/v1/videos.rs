//! Videos and the inbox (v1-contract.md 11).

use domain::event::{MediaType, TrackingDisabledReason, TrackingStatus};
use domain::ids::{CreatorId, ProjectId, VideoId};
use domain::platform::Platform;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MetadataJson;
use super::creators::{CreatorRef, tiktok_only};
use super::keys::ActorRef;
use super::names::{MediaTypeName, PlatformName, TrackingDisabledReasonName, TrackingStatusName};
use super::projects::notes;

/// A tracked video, within one project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Video {
    /// The video's id.
    #[schema(value_type = Uuid)]
    pub id: VideoId,
    /// The project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// The creator under which it was found; null for direct adds.
    #[schema(value_type = Option<Uuid>, required)]
    pub creator_id: Option<CreatorId>,
    /// The platform.
    #[schema(value_type = PlatformName)]
    pub platform: Platform,
    /// Its id there.
    #[schema(example = "7301234567890123456")]
    pub platform_video_id: String,
    /// Its id on TikTok, else null.
    #[schema(example = "7301234567890123456", required)]
    pub tiktok_video_id: Option<String>,
    /// Its page.
    #[schema(example = "https://www.tiktok.com/@charlidamelio/video/7301234567890123456")]
    pub url: String,
    /// The caption, as last reported.
    #[schema(example = "a new dance", required)]
    pub title: Option<String>,
    /// The same as `readme`: the team's notes, not the caption.
    #[schema(max_length = 20_000, required)]
    pub description: Option<String>,
    /// People's notes to agents, markdown.
    #[schema(max_length = 20_000, required)]
    pub readme: Option<String>,
    /// The agents' own space.
    #[schema(value_type = Object, example = json!({}))]
    pub metadata: MetadataJson,
    /// How it came to be tracked.
    #[schema(value_type = TrackingStatusName)]
    pub tracking_status: TrackingStatus,
    /// Whether it gets updates; without, it keeps counting with its last reading.
    #[schema(example = true)]
    pub tracking_enabled: bool,
    /// Why it gets none.
    #[schema(value_type = Option<TrackingDisabledReasonName>, example = json!(null), required)]
    pub tracking_disabled_reason: Option<TrackingDisabledReason>,
    /// What it is.
    #[schema(value_type = MediaTypeName)]
    pub media_type: MediaType,
    /// Its picture, as last reported.
    #[schema(example = "https://example.com/thumbnail.jpg", required)]
    pub thumbnail_url: Option<String>,
    /// When it was posted.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub posted_at: Option<Timestamp>,
    /// As last reported; null: never.
    #[schema(example = 12_345, required)]
    pub view_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 678, required)]
    pub like_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 45, required)]
    pub comment_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = json!(null), required)]
    pub share_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = json!(null), required)]
    pub save_count: Option<u64>,
    /// When figures were last reported.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub stats_at: Option<Timestamp>,
    /// When it was taken up.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

/// What was reported of a video. What is `None` here is taken from what was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VideoReadings {
    /// The caption.
    pub title: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// What it is.
    pub media_type: Option<MediaType>,
    /// Its picture.
    pub thumbnail_url: Option<String>,
    /// When it was posted.
    pub posted_at: Option<Timestamp>,
    /// Views.
    pub view_count: Option<u64>,
    /// Likes.
    pub like_count: Option<u64>,
    /// Comments.
    pub comment_count: Option<u64>,
    /// Shares.
    pub share_count: Option<u64>,
    /// Saves.
    pub save_count: Option<u64>,
    /// The newest reading's `observed_at`.
    pub stats_at: Option<Timestamp>,
}

impl Video {
    /// The video as it is decided, with what was reported.
    pub fn new(id: VideoId, video: &domain::org::Video, readings: VideoReadings) -> Self {
        let notes = notes(video.readme.as_ref());
        let platform_video_id = video.platform_video_id.as_str().to_owned();
        Self {
            id,
            project_id: video.project_id,
            creator_id: video.creator_id,
            platform: video.platform,
            tiktok_video_id: tiktok_only(video.platform, &platform_video_id),
            platform_video_id,
            url: readings.url.unwrap_or_else(|| video.url.clone()),
            title: readings.title,
            description: notes.clone(),
            readme: notes,
            metadata: (&video.metadata).into(),
            tracking_status: video.tracking_status,
            tracking_enabled: video.tracking_disabled.is_none(),
            tracking_disabled_reason: video.tracking_disabled,
            media_type: readings.media_type.unwrap_or(video.media_type),
            thumbnail_url: readings.thumbnail_url,
            posted_at: readings.posted_at.or(video.posted_at),
            view_count: readings.view_count,
            like_count: readings.like_count,
            comment_count: readings.comment_count,
            share_count: readings.share_count,
            save_count: readings.save_count,
            stats_at: readings.stats_at,
            created_at: video.created_at,
            updated_at: video.updated_at,
        }
    }
}

/// A video of the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InboxVideo {
    /// The video.
    #[serde(flatten)]
    pub object: Video,
    /// The creator under which it was found.
    #[schema(required)]
    pub creator: Option<CreatorRef>,
    /// When a person decided on it.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub reviewed_at: Option<Timestamp>,
    /// Who decided.
    #[schema(required)]
    pub reviewed_by: Option<ActorRef>,
}
