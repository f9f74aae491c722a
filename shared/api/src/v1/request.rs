//! Bodies of commands as callers write them: for the document and for clients of ours. What is
//! `None` is not sent. The services read the same fields more strictly than a derive could
//! ([`crate::input`]); a test there holds the two together.

use chrono::NaiveDate;
use domain::event::{AnnotationKind, GoalMetric, GoalPeriod, Role, TrackingMode};
use domain::ids::{CreatorId, OrgId, ProjectId, VideoId};
use domain::platform::Platform;
use domain::scope::Scopes;
use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use uuid::Uuid;

use super::MetadataJson;
use super::names::{
    GoalMetricName, GoalPeriodName, ItemTypeName, PeoplesAnnotationKindName, PlatformName,
    RoleName, ScopeName, TrackingModeName,
};

/// `POST /api-keys`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What people call it; need not be unique.
    #[schema(min_length = 1, max_length = 100, example = "Reporting")]
    pub name: String,
    /// Default read and write. Nobody grants what they lack.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ScopeName>, min_items = 1, max_items = 6, required = false, example = json!(["read"]))]
    pub scopes: Option<Scopes>,
    /// 60 seconds to 10 years ahead; null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub expires_at: Option<Timestamp>,
    /// CIDRs without host bits, or bare addresses; null: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 50, example = json!(["203.0.113.0/24"]))]
    pub ip_allowlist: Option<Vec<String>>,
    /// Requests in any trailing 60 s; default 60, at most the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_i64, required = false, example = 60)]
    pub rate_limit_per_minute: Option<u64>,
    /// Whether every request is checked against the primary; default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = false)]
    pub strict: Option<bool>,
}

/// `PATCH /api-keys/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeApiKey {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 100, required = false, example = "Reporting")]
    pub name: Option<String>,
    /// What it may do; widening only by who holds the scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ScopeName>, min_items = 1, max_items = 6, required = false, example = json!(["read"]))]
    pub scopes: Option<Scopes>,
    /// 60 seconds to 10 years ahead; null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub expires_at: Option<Option<Timestamp>>,
    /// CIDRs without host bits, or bare addresses; null: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 50, example = json!(["203.0.113.0/24"]))]
    pub ip_allowlist: Option<Option<Vec<String>>>,
    /// Requests in any trailing 60 s, at most the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_i64, required = false, example = 60)]
    pub rate_limit_per_minute: Option<u64>,
    /// Whether every request is checked against the primary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = true)]
    pub strict: Option<bool>,
}

/// `POST /api-keys/{id}/rotate`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// Seconds for which the old key is still accepted; default 86400, 0 ends it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 0, maximum = 2_592_000, required = false, example = 86_400)]
    pub overlap_seconds: Option<u64>,
    /// Default: the old one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 100, required = false, example = "Reporting 2")]
    pub name: Option<String>,
    /// Default: the old one's span from now; null: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub expires_at: Option<Option<Timestamp>>,
}

/// `PATCH /orgs/self`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeOrg {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 100, required = false, example = "Acme")]
    pub name: Option<String>,
    /// IANA name of the zone in which its days begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Europe/Berlin")]
    pub timezone: Option<String>,
}

/// `PATCH /members/{user_id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMember {
    /// The new role, which only who holds its scopes may give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RoleName, required = false)]
    pub role: Option<Role>,
}

/// `POST /invitations`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// Whom to invite.
    #[schema(max_length = 254, example = "ada@example.com")]
    pub email: String,
    /// The role they will have; default member. Only who holds its scopes may give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RoleName, required = false)]
    pub role: Option<Role>,
}

/// `POST /sessions`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// Another org of the same person.
    #[schema(value_type = Uuid)]
    pub org_id: OrgId,
}

/// `POST /projects`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProject {
    /// Need not be unique.
    #[schema(min_length = 1, max_length = 200, example = "Spring launch")]
    pub name: String,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "Target: 1 M views by May.")]
    pub readme: Option<String>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "Target: 1 M views by May.", extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<String>,
    /// The agents' own space; default `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({"phase": 2}))]
    pub metadata: Option<MetadataJson>,
}

/// `PATCH /projects/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeProject {
    /// Need not be unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 200, required = false, example = "Summer launch")]
    pub name: Option<String>,
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
    #[schema(value_type = Object, required = false, example = json!({"phase": 3}))]
    pub metadata: Option<MetadataJson>,
}

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

/// `POST /projects/{id}/campaigns`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCampaign {
    /// Need not be unique.
    #[schema(min_length = 1, max_length = 200, example = "Launch of spring")]
    pub name: String,
    /// People's notes to agents, markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "1 M views by May.")]
    pub readme: Option<String>,
    /// Another name of `readme`: send one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20_000, example = "1 M views by May.", extensions(("x-alias-of" = json!("readme"))))]
    pub description: Option<String>,
    /// The agents' own space; default `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, example = json!({}))]
    pub metadata: Option<MetadataJson>,
    /// Views that it is to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1_000_000)]
    pub target_views: Option<u64>,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = "2026-06-01T00:00:00Z")]
    pub target_at: Option<Timestamp>,
}

/// `PATCH /campaigns/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCampaign {
    /// Need not be unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 200, required = false, example = "Launch")]
    pub name: Option<String>,
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
    /// Views that it is to reach; null: no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 2_000_000)]
    pub target_views: Option<Option<u64>>,
    /// By when; null: no date.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    pub target_at: Option<Option<Timestamp>>,
}

/// `POST /campaigns/{id}/items`: one, or several.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AddCampaignItems {
    /// One.
    One(AddCampaignItem),
    /// Several.
    Many(AddManyCampaignItems),
}

/// Several items; each is judged on its own.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddManyCampaignItems {
    /// Judged in order.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<AddCampaignItem>,
}

/// What a campaign is to hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCampaignItem {
    /// What it is.
    #[schema(value_type = ItemTypeName)]
    pub item_type: String,
    /// Its id; it must belong to the campaign's project.
    pub item_id: Uuid,
}

/// `POST /projects/{id}/goals`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGoal {
    /// Whose it is: a creator of the project.
    #[schema(value_type = Uuid)]
    pub creator_id: CreatorId,
    /// What is measured.
    #[schema(value_type = GoalMetricName)]
    pub metric: GoalMetric,
    /// How often it begins anew.
    #[schema(value_type = GoalPeriodName)]
    pub period: GoalPeriod,
    /// What is to be reached in each period.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64, example = 5)]
    pub target_value: u64,
    /// First day on which it counts; null: no first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-03-01")]
    pub start_date: Option<NaiveDate>,
    /// Last day on which it counts, not before the first; null: no last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(null))]
    pub end_date: Option<NaiveDate>,
}

/// `PATCH /goals/{id}`.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeGoal {
    /// What is to be reached in each period.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, minimum = 1, maximum = 1_000_000_000_000_i64, required = false, example = 7)]
    pub target_value: Option<u64>,
    /// First day on which it counts; null: no first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>, example = json!(null))]
    pub start_date: Option<Option<NaiveDate>>,
    /// Last day on which it counts; null: no last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>, example = json!(null))]
    pub end_date: Option<Option<NaiveDate>>,
    /// Whether it is pursued now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, example = true)]
    pub is_active: Option<bool>,
}

/// `POST /analytics/annotations`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAnnotation {
    /// The project.
    #[schema(value_type = Uuid)]
    pub project_id: ProjectId,
    /// What it is about: something of the project; null: the whole project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<MarkedEntity>,
    /// What it marks; default `note`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PeoplesAnnotationKindName, required = false)]
    pub kind: Option<AnnotationKind>,
    /// The day.
    pub date: NaiveDate,
    /// What is shown.
    #[schema(min_length = 1, max_length = 200, example = "Campaign starts")]
    pub label: String,
    /// What there is to say besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2_000, example = json!(null))]
    pub body: Option<String>,
}

/// What a mark is to be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkedEntity {
    /// What it is.
    #[serde(rename = "type")]
    #[schema(value_type = ItemTypeName)]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

/// `PATCH /analytics/annotations/{id}`.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeAnnotation {
    /// What it marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PeoplesAnnotationKindName, required = false)]
    pub kind: Option<AnnotationKind>,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = NaiveDate, required = false)]
    pub date: Option<NaiveDate>,
    /// What is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 200, required = false, example = "Campaign starts")]
    pub label: Option<String>,
    /// What there is to say besides; null: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 2_000, example = json!(null))]
    pub body: Option<Option<String>>,
}

/// No field: a command that says everything in its path. The body may be left out.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}
