//! Creators and videos as the rows of summaries name them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::event::TrackingStatus;
use domain::ids::{CreatorId, VideoId};
use domain::platform::{Handle, Platform};
use domain::time::Timestamp;
use uuid::Uuid;

use super::columns::{Row, count, timestamp};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// A creator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct CreatorCard {
    pub id: CreatorId,
    pub platform: Platform,
    pub handle: Handle,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
}

/// A video with its last-known counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct VideoCard {
    pub id: VideoId,
    pub title: Option<String>,
    pub thumbnail_url: Option<String>,
    pub url: String,
    pub view_count: Option<u64>,
    pub like_count: Option<u64>,
    pub comment_count: Option<u64>,
    pub share_count: Option<u64>,
    pub save_count: Option<u64>,
    pub posted_at: Option<Timestamp>,
    pub platform: Platform,
    pub tracking_status: TrackingStatus,
    pub creator: Option<CreatorCard>,
}

struct CreatorCardRow {
    creator_id: Uuid,
    platform: String,
    handle: String,
    display_name: Option<String>,
    avatar_url: Option<String>,
}

struct VideoCardRow {
    video_id: Uuid,
    creator_id: Option<Uuid>,
    title: Option<String>,
    thumbnail_url: Option<String>,
    url: String,
    views: Option<i64>,
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
    posted_at: Option<DateTime<Utc>>,
    platform: String,
    tracking_status: String,
}

impl OrgReader {
    /// Creators by their ids.
    pub(super) async fn creator_cards(
        &mut self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, CreatorCard>, ReadError> {
        let rows = sqlx::query_as!(
            CreatorCardRow,
            r#"SELECT c.creator_id, c.platform, c.handle,
                      CASE WHEN c.display_name_sealed IS NULL THEN f.display_name
                           ELSE c.display_name END AS "display_name?",
                      f.avatar_url AS "avatar_url?"
               FROM creators c
               LEFT JOIN creator_profiles f ON f.creator_id = c.creator_id AND f.org_id = $1
               WHERE c.org_id = $1 AND c.creator_id = ANY ($2)"#,
            self.org.as_uuid(),
            ids,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let cards = rows
            .into_iter()
            .map(|row| Ok((row.creator_id, row.into_card()?)));
        Ok(cards.collect::<Result<_, CorruptRow>>()?)
    }

    /// Videos by their ids, in their order.
    pub(super) async fn video_cards(&mut self, ids: &[Uuid]) -> Result<Vec<VideoCard>, ReadError> {
        let rows = sqlx::query_as!(
            VideoCardRow,
            r#"SELECT v.video_id, v.creator_id, d.title AS "title?",
                      d.thumbnail_url AS "thumbnail_url?", coalesce(d.url, v.url) AS "url!",
                      s.views AS "views?", s.likes AS "likes?", s.comments AS "comments?",
                      s.shares AS "shares?", s.saves AS "saves?",
                      coalesce(d.posted_at, v.posted_at) AS "posted_at?", v.platform,
                      v.tracking_status
               FROM videos v
               LEFT JOIN video_details d ON d.video_id = v.video_id AND d.org_id = $1
               LEFT JOIN video_stats s ON s.video_id = v.video_id AND s.org_id = $1
               WHERE v.org_id = $1 AND v.video_id = ANY ($2)"#,
            self.org.as_uuid(),
            ids,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let creators: Vec<Uuid> = rows.iter().filter_map(|row| row.creator_id).collect();
        let creators = self.creator_cards(&creators).await?;
        let mut cards = HashMap::with_capacity(rows.len());
        for row in rows {
            let creator = row.creator_id.and_then(|id| creators.get(&id).cloned());
            cards.insert(row.video_id, row.into_card(creator)?);
        }
        Ok(ids.iter().filter_map(|id| cards.remove(id)).collect())
    }
}

impl CreatorCardRow {
    fn into_card(self) -> Result<CreatorCard, CorruptRow> {
        let row = Row {
            table: "creators",
            key: self.creator_id,
        };
        let platform = row.read("platform", &self.platform, str::parse::<Platform>)?;
        Ok(CreatorCard {
            id: CreatorId::from_uuid(self.creator_id),
            platform,
            handle: row.read("handle", &self.handle, |text| Handle::parse(platform, text))?,
            display_name: self.display_name,
            avatar_url: self.avatar_url,
        })
    }
}

impl VideoCardRow {
    fn into_card(self, creator: Option<CreatorCard>) -> Result<VideoCard, CorruptRow> {
        let row = Row {
            table: "videos",
            key: self.video_id,
        };
        Ok(VideoCard {
            id: VideoId::from_uuid(self.video_id),
            title: self.title,
            thumbnail_url: self.thumbnail_url,
            url: self.url,
            view_count: count(self.views),
            like_count: count(self.likes),
            comment_count: count(self.comments),
            share_count: count(self.shares),
            save_count: count(self.saves),
            posted_at: self.posted_at.map(timestamp),
            platform: row.read("platform", &self.platform, str::parse::<Platform>)?,
            tracking_status: row.named("tracking_status", &self.tracking_status)?,
            creator,
        })
    }
}
