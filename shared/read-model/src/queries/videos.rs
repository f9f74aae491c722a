//! Tracked videos with what the platform said last of them.

use chrono::{DateTime, Utc};
use domain::event::{Actor, MediaType, TrackingDisabledReason, TrackingStatus};
use domain::ids::{CreatorId, ProjectId, VideoId};
use domain::org::Review;
use domain::platform::{Platform, PlatformVideoId};
use domain::text::{Metadata, Readme};
use domain::time::Timestamp;
use uuid::Uuid;

use super::columns::{Row, count, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;
use crate::text::containing;

/// A video that was not removed, nor was its creator or project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 11.1")]
pub struct Video {
    pub id: VideoId,
    pub project_id: ProjectId,
    pub creator_id: Option<CreatorId>,
    pub platform: Platform,
    pub platform_video_id: PlatformVideoId,
    pub url: String,
    pub title: Option<String>,
    pub readme: Option<Readme>,
    pub metadata: Metadata,
    pub tracking_status: TrackingStatus,
    /// None while tracking is on.
    pub tracking_disabled: Option<TrackingDisabledReason>,
    pub media_type: MediaType,
    pub thumbnail_url: Option<String>,
    pub posted_at: Option<Timestamp>,
    pub view_count: Option<u64>,
    pub like_count: Option<u64>,
    pub comment_count: Option<u64>,
    pub share_count: Option<u64>,
    pub save_count: Option<u64>,
    pub stats_at: Option<Timestamp>,
    /// What a person decided on it, if it was found.
    pub review: Option<Review>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Which videos; what is `None` does not restrict. Excluded ones are never listed.
#[derive(Debug, Clone, Default)]
pub struct VideoFilter {
    /// Of this project.
    pub project_id: Option<ProjectId>,
    /// Of this creator.
    pub creator_id: Option<CreatorId>,
    /// On this platform.
    pub platform: Option<Platform>,
    /// Of this status.
    pub tracking_status: Option<TrackingStatus>,
    /// Whose title contains this, case aside.
    pub search: Option<String>,
}

pub(super) struct VideoRow {
    pub video_id: Uuid,
    pub project_id: Uuid,
    pub creator_id: Option<Uuid>,
    pub platform: String,
    pub platform_video_id: String,
    pub url: String,
    pub title: Option<String>,
    pub readme: Option<String>,
    pub metadata: String,
    pub tracking_status: String,
    pub tracking_disabled_reason: Option<String>,
    pub media_type: String,
    pub thumbnail_url: Option<String>,
    pub posted_at: Option<DateTime<Utc>>,
    pub views: Option<i64>,
    pub likes: Option<i64>,
    pub comments: Option<i64>,
    pub shares: Option<i64>,
    pub saves: Option<i64>,
    pub stats_at: Option<DateTime<Utc>>,
    pub reviewed_at: Option<DateTime<Utc>>,
    pub reviewed_by: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl OrgReader {
    /// A page of videos. Without a project or creator the newest of each project are merged.
    pub async fn videos(
        &mut self,
        filter: &VideoFilter,
        page: Page,
    ) -> Result<Listed<Video>, ReadError> {
        let rows = match filter.creator_id {
            Some(creator) => self.video_rows_of_creator(creator, filter, page).await?,
            None => self.video_rows_of_projects(filter, page).await?,
        };
        let videos: Result<Vec<_>, _> = rows.into_iter().map(VideoRow::into_video).collect();
        Ok(page.listed(videos?, |video| Cursor {
            created_at: video.created_at,
            id: video.id.as_uuid(),
        }))
    }

    /// A video of any status that was not removed, nor was its creator or project.
    pub async fn video(&mut self, id: VideoId) -> Result<Option<Video>, ReadError> {
        let row = sqlx::query_as!(
            VideoRow,
            r#"SELECT v.video_id, v.project_id, v.creator_id, v.platform, v.platform_video_id,
                      coalesce(d.url, v.url) AS "url!", d.title AS "title?", v.readme, v.metadata,
                      v.tracking_status, v.tracking_disabled_reason,
                      coalesce(d.media_type, v.media_type) AS "media_type!",
                      d.thumbnail_url AS "thumbnail_url?",
                      coalesce(d.posted_at, v.posted_at) AS "posted_at?",
                      s.views AS "views?", s.likes AS "likes?", s.comments AS "comments?",
                      s.shares AS "shares?", s.saves AS "saves?", s.stats_at AS "stats_at?",
                      v.reviewed_at, v.reviewed_by, v.created_at, v.updated_at
               FROM videos v
               JOIN projects p ON p.project_id = v.project_id AND p.org_id = $1 AND NOT p.removed
               LEFT JOIN video_details d ON d.video_id = v.video_id
               LEFT JOIN video_stats s ON s.video_id = v.video_id
               WHERE v.video_id = $2 AND v.org_id = $1 AND NOT v.removed AND NOT v.creator_removed"#,
            self.org.as_uuid(),
            id.as_uuid(),
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        Ok(row.map(VideoRow::into_video).transpose()?)
    }

    async fn video_rows_of_projects(
        &mut self,
        filter: &VideoFilter,
        page: Page,
    ) -> Result<Vec<VideoRow>, sqlx::Error> {
        sqlx::query_as!(
            VideoRow,
            r#"SELECT v.video_id, v.project_id, v.creator_id, v.platform, v.platform_video_id,
                      coalesce(v.seen_url, v.url) AS "url!", v.title AS "title?", v.readme,
                      v.metadata, v.tracking_status, v.tracking_disabled_reason,
                      coalesce(v.seen_media_type, v.media_type) AS "media_type!",
                      v.thumbnail_url AS "thumbnail_url?",
                      coalesce(v.seen_posted_at, v.posted_at) AS "posted_at?",
                      s.views AS "views?", s.likes AS "likes?", s.comments AS "comments?",
                      s.shares AS "shares?", s.saves AS "saves?", s.stats_at AS "stats_at?",
                      v.reviewed_at, v.reviewed_by, v.created_at, v.updated_at
               FROM (
                   SELECT v.*
                   FROM projects p CROSS JOIN LATERAL (
                       SELECT v.*, d.url AS seen_url, d.title, d.media_type AS seen_media_type,
                              d.thumbnail_url, d.posted_at AS seen_posted_at
                       FROM videos v LEFT JOIN video_details d USING (video_id)
                       WHERE v.project_id = p.project_id AND v.org_id = $1
                         AND NOT v.removed AND NOT v.creator_removed
                         AND v.tracking_status <> 'excluded'
                         AND (v.created_at, v.video_id) <
                             (coalesce($3, 'infinity'::timestamptz),
                              coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                         AND ($5::text IS NULL OR v.platform = $5)
                         AND ($6::text IS NULL OR v.tracking_status = $6)
                         AND ($7 = '%' OR d.search LIKE $7)
                       ORDER BY v.created_at DESC, v.video_id DESC
                       LIMIT $8
                   ) v
                   WHERE p.org_id = $1 AND NOT p.removed
                     AND ($2::uuid IS NULL OR p.project_id = $2)
                   ORDER BY v.created_at DESC, v.video_id DESC
                   LIMIT $8
               ) v LEFT JOIN video_stats s USING (video_id)
               ORDER BY v.created_at DESC, v.video_id DESC"#,
            self.org.as_uuid(),
            filter.project_id.map(ProjectId::as_uuid),
            page.after_created_at(),
            page.after_id(),
            filter.platform.map(Platform::name),
            filter.tracking_status.map(TrackingStatus::name),
            containing(filter.search.as_deref()),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await
    }

    async fn video_rows_of_creator(
        &mut self,
        creator: CreatorId,
        filter: &VideoFilter,
        page: Page,
    ) -> Result<Vec<VideoRow>, sqlx::Error> {
        sqlx::query_as!(
            VideoRow,
            r#"SELECT v.video_id, v.project_id, v.creator_id, v.platform, v.platform_video_id,
                      coalesce(d.url, v.url) AS "url!", d.title AS "title?", v.readme, v.metadata,
                      v.tracking_status, v.tracking_disabled_reason,
                      coalesce(d.media_type, v.media_type) AS "media_type!",
                      d.thumbnail_url AS "thumbnail_url?",
                      coalesce(d.posted_at, v.posted_at) AS "posted_at?",
                      s.views AS "views?", s.likes AS "likes?", s.comments AS "comments?",
                      s.shares AS "shares?", s.saves AS "saves?", s.stats_at AS "stats_at?",
                      v.reviewed_at, v.reviewed_by, v.created_at, v.updated_at
               FROM videos v
               JOIN projects p ON p.project_id = v.project_id AND p.org_id = $1 AND NOT p.removed
               LEFT JOIN video_details d ON d.video_id = v.video_id
               LEFT JOIN video_stats s ON s.video_id = v.video_id
               WHERE v.creator_id = $2 AND v.org_id = $1
                 AND NOT v.removed AND NOT v.creator_removed AND v.tracking_status <> 'excluded'
                 AND (v.created_at, v.video_id) <
                     (coalesce($3, 'infinity'::timestamptz),
                      coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                 AND ($5::uuid IS NULL OR v.project_id = $5)
                 AND ($6::text IS NULL OR v.platform = $6)
                 AND ($7::text IS NULL OR v.tracking_status = $7)
                 AND ($8 = '%' OR d.search LIKE $8)
               ORDER BY v.created_at DESC, v.video_id DESC
               LIMIT $9"#,
            self.org.as_uuid(),
            creator.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            filter.project_id.map(ProjectId::as_uuid),
            filter.platform.map(Platform::name),
            filter.tracking_status.map(TrackingStatus::name),
            containing(filter.search.as_deref()),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await
    }
}

impl VideoRow {
    pub fn into_video(self) -> Result<Video, CorruptRow> {
        let row = Row {
            table: "videos",
            key: self.video_id,
        };
        let platform = row.read("platform", &self.platform, str::parse::<Platform>)?;
        let review = match (self.reviewed_at, self.reviewed_by) {
            (Some(at), Some(by)) => Some(Review {
                at: timestamp(at),
                by: row.read("reviewed_by", &by, str::parse::<Actor>)?,
            }),
            _ => None,
        };
        let parse_id = |text: &str| PlatformVideoId::parse(platform, text);
        Ok(Video {
            id: VideoId::from_uuid(self.video_id),
            project_id: ProjectId::from_uuid(self.project_id),
            creator_id: self.creator_id.map(CreatorId::from_uuid),
            platform,
            platform_video_id: row.read("platform_video_id", &self.platform_video_id, parse_id)?,
            url: self.url,
            title: self.title,
            readme: row.read_optional("readme", self.readme.as_deref(), Readme::parse)?,
            metadata: row.metadata(&self.metadata)?,
            tracking_status: row.named("tracking_status", &self.tracking_status)?,
            tracking_disabled: row.named_optional(
                "tracking_disabled_reason",
                self.tracking_disabled_reason.as_deref(),
            )?,
            media_type: row.named("media_type", &self.media_type)?,
            thumbnail_url: self.thumbnail_url,
            posted_at: self.posted_at.map(timestamp),
            view_count: count(self.views),
            like_count: count(self.likes),
            comment_count: count(self.comments),
            share_count: count(self.shares),
            save_count: count(self.saves),
            stats_at: self.stats_at.map(timestamp),
            review,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        })
    }
}
