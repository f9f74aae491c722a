//! Creators.

use chrono::NaiveDate;
use domain::event::TrackingMode;
use domain::ids::CreatorId;
use domain::platform::Platform;
use serde::Serialize;
use utoipa::ToSchema;

use crate::v1::MetadataJson;
use crate::v1::names::{PlatformName, TrackingModeName};

/// `POST /projects/{id}/creators`: one, or several.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AddCreators {
    /// One.
    One(Box<AddCreator>),
    /// Several.
    Many(AddManyCreators),
}

/// Several creators; each is judged on its own.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddManyCreators {
    /// Judged in order.
    #[schema(min_items = 1, max_items = 50)]
    pub creators: Vec<AddCreator>,
}

/// A creator to be followed: one of `handle`, `tiktok_handle`, `url` is required.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCreator {
    /// Default: the URL's, else `tiktok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PlatformName, required = false)]
    pub platform: Option<Platform>,
    /// The account on the platform; on YouTube the channel id. A leading `@` is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "charlidamelio")]
    pub handle: Option<String>,
    /// The account on TikTok.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(null))]
    pub tiktok_handle: Option<String>,
    /// The account's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://www.tiktok.com/@charlidamelio")]
    pub url: Option<String>,
    /// Whether new videos are tracked at once or wait in the inbox; default `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = TrackingModeName, required = false)]
    pub tracking_mode: Option<TrackingMode>,
    /// Videos posted before this day are not taken up; default today, null: all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>)]
    pub tracking_start_date: Option<Option<NaiveDate>>,
    /// In place of the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200, example = "Charli")]
    pub display_name: Option<String>,
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

/// `PATCH /creators/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCreator {
    /// The account's new handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "charli.d.amelio")]
    pub handle: Option<String>,
    /// Another name of `handle`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "charli.d.amelio", extensions(("x-alias-of" = json!("handle"))))]
    pub tiktok_handle: Option<String>,
    /// Holds for videos found later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = TrackingModeName, required = false)]
    pub tracking_mode: Option<TrackingMode>,
    /// Does not touch videos already tracked; null: all are taken up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>)]
    pub tracking_start_date: Option<Option<NaiveDate>>,
    /// Null: the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 200, example = "Charli")]
    pub display_name: Option<Option<String>>,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = json!(null))]
    pub readme: Option<Option<String>>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 20_000, example = json!(null), extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<Option<String>>,
    /// The agents' own space, replaced whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({}))]
    pub metadata: Option<MetadataJson>,
}

/// `POST /projects/{id}/creators/bulk-reenable` and `bulk-remove`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatorIds {
    /// The creators concerned.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 100)]
    pub creator_ids: Vec<CreatorId>,
}
