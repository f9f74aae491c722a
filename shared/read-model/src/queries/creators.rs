//! Creators with what the platform said last of them.

use chrono::{DateTime, NaiveDate, Utc};
use domain::event::TrackingMode;
use domain::ids::{CreatorId, ProjectId};
use domain::org::CreatorStatus;
use domain::platform::{Handle, Platform};
use domain::text::{Metadata, Readme};
use domain::time::Timestamp;
use uuid::Uuid;

use super::columns::{Row, count, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;
use crate::text::containing;

/// A creator that was not removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 10.1")]
pub struct Creator {
    pub id: CreatorId,
    pub project_id: ProjectId,
    pub platform: Platform,
    pub handle: Handle,
    /// What people gave, else what the platform says; null once erased.
    pub display_name: Option<String>,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub tracking_mode: TrackingMode,
    pub tracking_start_date: Option<NaiveDate>,
    pub status: CreatorStatus,
    pub disabled_reason: Option<String>,
    pub disabled_at: Option<Timestamp>,
    pub avatar_url: Option<String>,
    pub follower_count: Option<u64>,
    pub following_count: Option<u64>,
    pub like_count: Option<u64>,
    pub video_count: Option<u64>,
    pub profile_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Which creators; what is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct CreatorFilter {
    /// Of this project.
    pub project_id: Option<ProjectId>,
    /// Whose handle or display name contains this, case aside.
    pub search: Option<String>,
    /// On this platform.
    pub platform: Option<Platform>,
    /// Active or auto-disabled; removed ones are never listed.
    pub status: Option<CreatorStatus>,
}

struct CreatorRow {
    creator_id: Uuid,
    project_id: Uuid,
    platform: String,
    handle: String,
    display_name: Option<String>,
    readme: Option<String>,
    metadata: String,
    tracking_mode: String,
    tracking_start_date: Option<NaiveDate>,
    status: String,
    disabled_reason: Option<String>,
    disabled_at: Option<DateTime<Utc>>,
    avatar_url: Option<String>,
    followers: Option<i64>,
    following: Option<i64>,
    likes: Option<i64>,
    videos: Option<i64>,
    profile_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl OrgReader {
    /// A page of creators. Without a project the newest of each are merged, so that removing a
    /// project is one row's change however much it held.
    pub async fn creators(
        &mut self,
        filter: &CreatorFilter,
        page: Page,
    ) -> Result<Listed<Creator>, ReadError> {
        let rows = sqlx::query_as!(
            CreatorRow,
            r#"SELECT c.creator_id, c.project_id, c.platform, c.handle,
                      CASE WHEN c.display_name_sealed IS NULL THEN c.profile_name
                           ELSE c.display_name END AS "display_name?", c.readme,
                      c.metadata, c.tracking_mode, c.tracking_start_date, c.status,
                      c.disabled_reason, c.disabled_at, c.avatar_url AS "avatar_url?",
                      c.followers AS "followers?", c.following AS "following?",
                      c.likes AS "likes?", c.videos AS "videos?", c.profile_at AS "profile_at?",
                      c.created_at, c.updated_at
               FROM projects p CROSS JOIN LATERAL (
                   SELECT c.*, f.display_name AS profile_name, f.avatar_url, f.followers,
                          f.following, f.likes, f.videos, f.profile_at
                   FROM creators c LEFT JOIN creator_profiles f USING (creator_id)
                   WHERE c.project_id = p.project_id AND c.org_id = $1 AND c.status <> 'removed'
                     AND (c.created_at, c.creator_id) <
                         (coalesce($3, 'infinity'::timestamptz),
                          coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                     AND ($5::text IS NULL OR c.platform = $5)
                     AND ($6::text IS NULL OR c.status = $6)
                     AND (c.search LIKE $7 OR c.display_name_sealed IS NULL AND f.search LIKE $7)
                   ORDER BY c.created_at DESC, c.creator_id DESC
                   LIMIT $8
               ) c
               WHERE p.org_id = $1 AND NOT p.removed AND ($2::uuid IS NULL OR p.project_id = $2)
               ORDER BY c.created_at DESC, c.creator_id DESC
               LIMIT $8"#,
            self.org.as_uuid(),
            filter.project_id.map(ProjectId::as_uuid),
            page.after_created_at(),
            page.after_id(),
            filter.platform.map(Platform::name),
            filter.status.map(status_name),
            containing(filter.search.as_deref()),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let creators: Result<Vec<_>, _> = rows.into_iter().map(CreatorRow::into_creator).collect();
        Ok(page.listed(creators?, |creator| Cursor {
            created_at: creator.created_at,
            id: creator.id.as_uuid(),
        }))
    }

    /// A creator that was not removed, nor was its project.
    pub async fn creator(&mut self, id: CreatorId) -> Result<Option<Creator>, ReadError> {
        let row = sqlx::query_as!(
            CreatorRow,
            r#"SELECT c.creator_id, c.project_id, c.platform, c.handle,
                      CASE WHEN c.display_name_sealed IS NULL THEN f.display_name
                           ELSE c.display_name END AS "display_name?", c.readme,
                      c.metadata, c.tracking_mode, c.tracking_start_date, c.status,
                      c.disabled_reason, c.disabled_at, f.avatar_url AS "avatar_url?",
                      f.followers AS "followers?", f.following AS "following?",
                      f.likes AS "likes?", f.videos AS "videos?", f.profile_at AS "profile_at?",
                      c.created_at, c.updated_at
               FROM creators c
               JOIN projects p ON p.project_id = c.project_id AND p.org_id = $1 AND NOT p.removed
               LEFT JOIN creator_profiles f ON f.creator_id = c.creator_id
               WHERE c.creator_id = $2 AND c.org_id = $1 AND c.status <> 'removed'"#,
            self.org.as_uuid(),
            id.as_uuid(),
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        Ok(row.map(CreatorRow::into_creator).transpose()?)
    }
}

impl CreatorRow {
    fn into_creator(self) -> Result<Creator, CorruptRow> {
        let row = Row {
            table: "creators",
            key: self.creator_id,
        };
        let platform = row.read("platform", &self.platform, str::parse::<Platform>)?;
        Ok(Creator {
            id: CreatorId::from_uuid(self.creator_id),
            project_id: ProjectId::from_uuid(self.project_id),
            platform,
            handle: row.read("handle", &self.handle, |text| Handle::parse(platform, text))?,
            display_name: self.display_name,
            readme: row.read_optional("readme", self.readme.as_deref(), Readme::parse)?,
            metadata: row.metadata(&self.metadata)?,
            tracking_mode: row.named("tracking_mode", &self.tracking_mode)?,
            tracking_start_date: self.tracking_start_date,
            status: row.named("status", &self.status)?,
            disabled_reason: self.disabled_reason,
            disabled_at: self.disabled_at.map(timestamp),
            avatar_url: self.avatar_url,
            follower_count: count(self.followers),
            following_count: count(self.following),
            like_count: count(self.likes),
            video_count: count(self.videos),
            profile_at: self.profile_at.map(timestamp),
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        })
    }
}

pub(crate) const fn status_name(status: CreatorStatus) -> &'static str {
    match status {
        CreatorStatus::Active => "active",
        CreatorStatus::AutoDisabled => "auto_disabled",
        CreatorStatus::Removed => "removed",
    }
}
