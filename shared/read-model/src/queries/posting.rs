//! When a project's videos were posted: by hour of the week, and how regularly each creator does.

use std::collections::HashMap;

use domain::ids::ProjectId;
use domain::time::Timestamp;
use uuid::Uuid;

use super::cards::CreatorCard;
use super::columns::timestamp;
use super::creator_figures::in_order;
use super::rows::{Ranked, Rows};
use crate::analytics::{Consistency, HeatCell, Period, PostedTogether, consistency, heatmap};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

impl OrgReader {
    /// Posts of the period by local day of the week and hour, without those that have none, with
    /// the mean of their last-known views.
    pub async fn posting_heatmap(
        &mut self,
        project: ProjectId,
        period: &Period,
    ) -> Result<Vec<HeatCell>, ReadError> {
        // A quarter hour lies in one hour of every zone.
        let rows = sqlx::query!(
            r#"SELECT date_bin('15 minutes', p.post_time, 'epoch'::timestamptz) AS "at!",
                      count(*) AS "posts!", count(s.views) AS "read!", sum(s.views)::text AS views
               FROM posted_videos p
               LEFT JOIN video_stats s ON s.video_id = p.video_id AND s.org_id = $1
               WHERE p.org_id = $1 AND p.project_id = $2 AND p.post_time >= $3 AND p.post_time < $4
               GROUP BY 1"#,
            self.org.as_uuid(),
            project.as_uuid(),
            period.start().datetime(),
            period.end().datetime(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let together = rows.into_iter().map(|row| {
            let views = row.views.as_deref().unwrap_or("0").parse();
            Ok(PostedTogether {
                at: timestamp(row.at),
                posts: row.posts,
                read: row.read,
                views: views.map_err(|_| CorruptRow::new("video_stats", "views", row.at))?,
            })
        });
        let together: Vec<_> = together.collect::<Result<_, CorruptRow>>()?;
        Ok(heatmap(&together, period.tz()))
    }

    /// How regularly each of the project's creators posted in the period: those in the most weeks
    /// first, ties by id.
    pub async fn posting_consistency(
        &mut self,
        project: ProjectId,
        period: &Period,
        rows: Rows,
    ) -> Result<Ranked<(CreatorCard, Consistency)>, ReadError> {
        let mut posted: HashMap<Uuid, Vec<Timestamp>> = HashMap::new();
        for id in self.creator_ids(project).await? {
            posted.insert(id, Vec::new());
        }
        let posts = sqlx::query!(
            r#"SELECT creator_id AS "creator_id!", post_time AS "post_time!" FROM posted_videos
               WHERE org_id = $1 AND project_id = $2 AND post_time >= $3 AND post_time < $4
                 AND creator_id IS NOT NULL
               ORDER BY post_time"#,
            self.org.as_uuid(),
            project.as_uuid(),
            period.start().datetime(),
            period.end().datetime(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        for post in posts {
            if let Some(posted) = posted.get_mut(&post.creator_id) {
                posted.push(timestamp(post.post_time));
            }
        }
        let all = posted
            .iter()
            .map(|(id, posted)| (*id, consistency(posted, period)));
        let page = rows.of(all.collect(), |(id, found)| (Some(found.share), *id));
        let ids: Vec<Uuid> = page.rows.iter().map(|(id, _)| *id).collect();
        let cards = in_order(ids.iter().copied(), self.creator_cards(&ids).await?);
        let found = page.rows.iter().map(|(_, found)| *found);
        Ok(Ranked {
            rows: cards.zip(found).collect(),
            total_count: page.total_count,
        })
    }
}
