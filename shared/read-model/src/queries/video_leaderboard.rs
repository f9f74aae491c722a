//! Videos posted in a period, by their last-known counts.

use domain::ids::ProjectId;
use uuid::Uuid;

use super::cards::VideoCard;
use super::rows::{Ranked, Rows};
use crate::analytics::Period;
use crate::error::ReadError;
use crate::reader::OrgReader;

/// By what videos are ranked, the highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoOrder {
    /// Last-known views.
    #[default]
    Views,
    /// Last-known likes.
    Likes,
    /// Last-known comments.
    Comments,
    /// Last-known shares.
    Shares,
    /// Last-known saves.
    Saves,
    /// When they were posted, as reported.
    PostedAt,
}

impl VideoOrder {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Views,
        Self::Likes,
        Self::Comments,
        Self::Shares,
        Self::Saves,
        Self::PostedAt,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Views => "view_count",
            Self::Likes => "like_count",
            Self::Comments => "comment_count",
            Self::Shares => "share_count",
            Self::Saves => "save_count",
            Self::PostedAt => "posted_at",
        }
    }
}

impl OrgReader {
    /// The project's counted videos posted in the period, in this order, null last, ties by id.
    pub async fn video_leaderboard(
        &mut self,
        project: ProjectId,
        period: &Period,
        order: VideoOrder,
        rows: Rows,
    ) -> Result<Ranked<VideoCard>, ReadError> {
        let (org, project) = (self.org.as_uuid(), project.as_uuid());
        let (start, end) = (period.start().datetime(), period.end().datetime());
        let total_count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM posted_videos
               WHERE org_id = $1 AND project_id = $2 AND post_time >= $3 AND post_time < $4"#,
            org,
            project,
            start,
            end,
        )
        .fetch_one(&mut *self.tx)
        .await?
        .unsigned_abs();
        let ids: Vec<Uuid> = sqlx::query_scalar!(
            r#"SELECT p.video_id AS "video_id!"
               FROM posted_videos p
               LEFT JOIN video_stats s ON s.video_id = p.video_id AND s.org_id = $1
               LEFT JOIN videos v ON $5 = 'posted_at' AND v.video_id = p.video_id AND v.org_id = $1
               LEFT JOIN video_details d
                   ON $5 = 'posted_at' AND d.video_id = p.video_id AND d.org_id = $1
               WHERE p.org_id = $1 AND p.project_id = $2 AND p.post_time >= $3 AND p.post_time < $4
               ORDER BY CASE $5::text WHEN 'view_count' THEN s.views WHEN 'like_count' THEN s.likes
                            WHEN 'comment_count' THEN s.comments WHEN 'share_count' THEN s.shares
                            WHEN 'save_count' THEN s.saves END DESC NULLS LAST,
                        coalesce(d.posted_at, v.posted_at) DESC NULLS LAST, p.video_id
               LIMIT $6 OFFSET $7"#,
            org,
            project,
            start,
            end,
            order.name(),
            rows.limit_as_i64(),
            rows.offset_as_i64(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        Ok(Ranked {
            rows: self.video_cards(&ids).await?,
            total_count,
        })
    }
}
