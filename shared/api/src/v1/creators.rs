//! Creators (v1-contract.md 10).

use chrono::NaiveDate;
use domain::event::TrackingMode;
use domain::ids::{CreatorId, ProjectId};
use domain::org::CreatorStatus;
use domain::platform::Platform;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MetadataJson;
use super::names::{CreatorStatusName, PlatformName, TrackingModeName};
use super::projects::notes;

/// A followed account, within one project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Creator {
    /// The creator's id.
    #[schema(value_type = Uuid)]
    pub id: CreatorId,
    /// The project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// The platform.
    #[schema(value_type = PlatformName)]
    pub platform: Platform,
    /// The account on the platform; on YouTube the channel id.
    #[schema(example = "charlidamelio")]
    pub handle: String,
    /// The handle on TikTok, else null.
    #[schema(example = "charlidamelio", required)]
    pub tiktok_handle: Option<String>,
    /// The name people gave, else the platform's.
    #[schema(example = "charli d'amelio", required)]
    pub display_name: Option<String>,
    /// The same as `readme`.
    #[schema(max_length = 20_000, required)]
    pub description: Option<String>,
    /// People's notes to agents, markdown.
    #[schema(max_length = 20_000, required)]
    pub readme: Option<String>,
    /// The agents' own space.
    #[schema(value_type = Object, example = json!({}))]
    pub metadata: MetadataJson,
    /// Whether new videos are tracked at once or wait in the inbox.
    #[schema(value_type = TrackingModeName)]
    pub tracking_mode: TrackingMode,
    /// Videos posted before this day are not taken up; null: all are.
    #[schema(required)]
    pub tracking_start_date: Option<NaiveDate>,
    /// Whether it is followed.
    #[schema(value_type = CreatorStatusName)]
    pub status: CreatorStatus,
    /// Why it is not followed.
    #[schema(example = json!(null), required)]
    pub disabled_reason: Option<String>,
    /// Since when it is not followed.
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null), required)]
    pub disabled_at: Option<Timestamp>,
    /// The account's page.
    #[schema(example = "https://www.tiktok.com/@charlidamelio")]
    pub profile_url: String,
    /// The account's picture, as last reported.
    #[schema(example = "https://example.com/avatar.jpg", required)]
    pub avatar_url: Option<String>,
    /// As last reported; null: never.
    #[schema(example = 155_000_000, required)]
    pub follower_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 1_300, required)]
    pub following_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 11_700_000_000_u64, required)]
    pub like_count: Option<u64>,
    /// As last reported; null: never.
    #[schema(example = 2_800, required)]
    pub video_count: Option<u64>,
    /// When the profile was last reported.
    #[schema(value_type = Option<DateTime<Utc>>, required)]
    pub profile_at: Option<Timestamp>,
    /// When it was added.
    #[schema(value_type = DateTime<Utc>)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = DateTime<Utc>)]
    pub updated_at: Timestamp,
}

/// What was reported of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreatorProfile {
    /// The name people gave, opened, else the platform's.
    pub display_name: Option<String>,
    /// The account's picture.
    pub avatar_url: Option<String>,
    /// Followers.
    pub follower_count: Option<u64>,
    /// Followed accounts.
    pub following_count: Option<u64>,
    /// Likes of all videos.
    pub like_count: Option<u64>,
    /// Videos.
    pub video_count: Option<u64>,
    /// When it was reported.
    pub profile_at: Option<Timestamp>,
}

impl Creator {
    /// The creator as it is decided, with what was reported.
    pub fn new(id: CreatorId, creator: &domain::org::Creator, profile: CreatorProfile) -> Self {
        let notes = notes(creator.readme.as_ref());
        let handle = creator.handle.as_str().to_owned();
        Self {
            id,
            project_id: creator.project_id,
            platform: creator.platform,
            tiktok_handle: tiktok_only(creator.platform, &handle),
            display_name: profile.display_name,
            description: notes.clone(),
            readme: notes,
            metadata: (&creator.metadata).into(),
            tracking_mode: creator.tracking_mode,
            tracking_start_date: creator.tracking_start_date,
            status: shown_status(creator),
            disabled_reason: creator.disabled_reason.clone(),
            disabled_at: creator.disabled_at,
            profile_url: creator.handle.profile_url(creator.platform),
            avatar_url: profile.avatar_url,
            follower_count: profile.follower_count,
            following_count: profile.following_count,
            like_count: profile.like_count,
            video_count: profile.video_count,
            profile_at: profile.profile_at,
            created_at: creator.created_at,
            updated_at: creator.updated_at,
            handle,
        }
    }
}

/// A removed creator is shown once more, by its DELETE, as it last was.
const fn shown_status(creator: &domain::org::Creator) -> CreatorStatus {
    match (creator.status, creator.disabled_at) {
        (CreatorStatus::Removed, Some(_)) => CreatorStatus::AutoDisabled,
        (CreatorStatus::Removed, None) => CreatorStatus::Active,
        (status, _) => status,
    }
}

/// A creator where another object names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatorRef {
    /// The creator's id.
    #[schema(value_type = Uuid)]
    pub id: CreatorId,
    /// The platform.
    #[schema(value_type = PlatformName)]
    pub platform: Platform,
    /// The account on the platform.
    #[schema(example = "charlidamelio")]
    pub handle: String,
    /// The name people gave, else the platform's.
    #[schema(example = "charli d'amelio", required)]
    pub display_name: Option<String>,
}

/// A name that has a field of its own on TikTok.
pub(super) fn tiktok_only(platform: Platform, name: &str) -> Option<String> {
    (platform == Platform::Tiktok).then(|| name.to_owned())
}
