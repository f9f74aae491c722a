//! The inbox of a project: found videos that wait for a person, or were decided by one.

use std::collections::HashMap;

use domain::event::TrackingStatus;
use domain::ids::{CreatorId, ProjectId};
use domain::platform::{Handle, Platform};
use uuid::Uuid;

use super::columns::Row;
use super::page::{Cursor, Listed, Page};
use super::videos::{Video, VideoRow};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;
use crate::text::containing;

/// Which videos of a project's inbox; what is `None` does not restrict.
#[derive(Debug, Clone)]
pub struct InboxFilter {
    /// The project.
    pub project_id: ProjectId,
    /// Pending, included or excluded; of the latter two only what a person decided.
    pub status: TrackingStatus,
    /// Of this creator.
    pub creator_id: Option<CreatorId>,
    /// On this platform.
    pub platform: Option<Platform>,
    /// Whose title contains this, case aside.
    pub search: Option<String>,
}

/// A video of the inbox with the creator under which it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxVideo {
    /// The video.
    pub video: Video,
    /// Its creator.
    pub creator: Option<CreatorName>,
}

/// A creator as lists of other things name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatorName {
    /// The creator's id.
    pub id: CreatorId,
    /// The platform.
    pub platform: Platform,
    /// The account there.
    pub handle: Handle,
    /// What people gave, else what the platform says; null once erased.
    pub display_name: Option<String>,
}

impl OrgReader {
    /// A page of a project's inbox; that the project is there is for the caller to ask.
    pub async fn inbox(
        &mut self,
        filter: &InboxFilter,
        page: Page,
    ) -> Result<Listed<InboxVideo>, ReadError> {
        let rows = sqlx::query_as!(
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
               LEFT JOIN video_details d ON d.video_id = v.video_id
               LEFT JOIN video_stats s ON s.video_id = v.video_id
               WHERE v.org_id = $1 AND v.project_id = $2
                 AND NOT v.removed AND NOT v.creator_removed AND v.tracking_status = $3
                 AND (v.tracking_status = 'pending_review' OR v.reviewed_at IS NOT NULL)
                 AND (v.created_at, v.video_id) <
                     (coalesce($4, 'infinity'::timestamptz),
                      coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
                 AND ($6::uuid IS NULL OR v.creator_id = $6)
                 AND ($7::text IS NULL OR v.platform = $7)
                 AND ($8 = '%' OR d.search LIKE $8)
               ORDER BY v.created_at DESC, v.video_id DESC
               LIMIT $9"#,
            self.org.as_uuid(),
            filter.project_id.as_uuid(),
            filter.status.name(),
            page.after_created_at(),
            page.after_id(),
            filter.creator_id.map(CreatorId::as_uuid),
            filter.platform.map(Platform::name),
            containing(filter.search.as_deref()),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let videos: Result<Vec<_>, _> = rows.into_iter().map(VideoRow::into_video).collect();
        let listed = page.listed(videos?, |video| Cursor {
            created_at: video.created_at,
            id: video.id.as_uuid(),
        });
        let ids = listed.items.iter().filter_map(|video| video.creator_id);
        let names = self.creator_names(ids.map(CreatorId::as_uuid)).await?;
        let items = listed.items.into_iter().map(|video| InboxVideo {
            creator: video.creator_id.and_then(|id| names.get(&id).cloned()),
            video,
        });
        Ok(Listed {
            items: items.collect(),
            next: listed.next,
        })
    }

    /// The names of these creators.
    async fn creator_names(
        &mut self,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<CreatorId, CreatorName>, ReadError> {
        let ids: Vec<_> = ids.collect();
        let rows = sqlx::query!(
            r#"SELECT c.creator_id, c.platform, c.handle,
                      CASE WHEN c.display_name_sealed IS NULL THEN f.display_name
                           ELSE c.display_name END AS "display_name?"
               FROM creators c LEFT JOIN creator_profiles f ON f.creator_id = c.creator_id
               WHERE c.org_id = $1 AND c.creator_id = ANY ($2)"#,
            self.org.as_uuid(),
            &ids,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let names: Result<HashMap<_, _>, CorruptRow> = rows
            .into_iter()
            .map(|row| {
                let id = CreatorId::from_uuid(row.creator_id);
                let table = Row {
                    table: "creators",
                    key: row.creator_id,
                };
                let platform = table.read("platform", &row.platform, str::parse::<Platform>)?;
                let parse = |text: &str| Handle::parse(platform, text);
                let name = CreatorName {
                    id,
                    platform,
                    handle: table.read("handle", &row.handle, parse)?,
                    display_name: row.display_name,
                };
                Ok((id, name))
            })
            .collect();
        Ok(names?)
    }
}
