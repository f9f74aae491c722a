//! Videos and what is decided about them.

use domain::ids::VideoId;
use domain::platform::Platform;
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::MetadataJson;
use crate::v1::names::PlatformName;

/// `POST /projects/{id}/videos`: one, or several.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AddVideos {
    /// One.
    One(Box<AddVideo>),
    /// Several.
    Many(AddManyVideos),
}

/// Several videos; each is judged on its own.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddManyVideos {
    /// Judged in order.
    #[schema(min_items = 1, max_items = 50)]
    pub videos: Vec<AddVideo>,
}

/// A video to be tracked: `url`, or `platform` and `platform_video_id`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddVideo {
    /// Its page in the long form; other query parameters are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://www.tiktok.com/@charlidamelio/video/7301234567890123456")]
    pub url: Option<String>,
    /// Its platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PlatformName>)]
    pub platform: Option<Platform>,
    /// Its id there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "7301234567890123456")]
    pub platform_video_id: Option<String>,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = json!(null))]
    pub readme: Option<String>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = json!(null), extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<String>,
    /// The agents' own space; default `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({}))]
    pub metadata: Option<MetadataJson>,
}

/// What a person decides on a found video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It counts.
    Include,
    /// It does not.
    Exclude,
}

/// What a person makes of a found video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedStatus {
    /// It counts.
    Included,
    /// It does not.
    Excluded,
}

/// `PATCH /videos/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeVideo {
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = "Reuse the hook.")]
    pub readme: Option<Option<String>>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = "Reuse the hook.", extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<Option<String>>,
    /// The agents' own space, replaced whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({}))]
    pub metadata: Option<MetadataJson>,
    /// A decision, as `POST /videos/{id}/review` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DecidedStatus, required = false)]
    pub tracking_status: Option<DecidedStatus>,
    /// Whether it gets updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = false)]
    pub tracking_enabled: Option<bool>,
}

/// `POST /videos/{id}/review`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewVideo {
    /// What is decided.
    pub decision: Decision,
}

/// `POST /projects/{id}/inbox/review`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewVideos {
    /// What is decided.
    pub decision: Decision,
    /// On which videos.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 100)]
    pub video_ids: Vec<VideoId>,
}

/// `POST /projects/{id}/videos/bulk-tracking-disable`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VideoIds {
    /// The videos concerned.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 100)]
    pub video_ids: Vec<VideoId>,
}
