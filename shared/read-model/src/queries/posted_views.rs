//! The last-known views of what was posted in a period: how they are spread, and which stand out.

use domain::ids::ProjectId;
use uuid::Uuid;

use super::cards::VideoCard;
use super::rows::{Ranked, Rows};
use crate::analytics::{Decimal4, Direction, Period, Scale, Spread, Threshold, outliers, spread};
use crate::error::ReadError;
use crate::reader::OrgReader;

/// Whom a video is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutlierScope {
    /// The other videos of its creator; direct adds have none and are left out.
    #[default]
    Creator,
    /// All videos of the project.
    Project,
}

impl OutlierScope {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Creator, Self::Project];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creator => "creator",
            Self::Project => "project",
        }
    }
}

/// Which videos are told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierQuestion {
    /// Whom each is held against.
    pub scope: OutlierScope,
    /// From which score on.
    pub threshold: Threshold,
    /// Many views, few, or both.
    pub direction: Direction,
}

/// A video that stands out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 16")]
pub struct Outlier {
    pub video: VideoCard,
    pub median_views: Decimal4,
    pub score: Decimal4,
}

/// Videos that stand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundOutliers {
    /// The highest |score| first, ties by id.
    pub ranked: Ranked<Outlier>,
    /// How many groups have too few videos with known views, or a MAD of 0.
    pub skipped_groups: u64,
}

/// Views of one video.
struct ViewsRow {
    group: Option<Uuid>,
    video_id: Uuid,
    views: Option<i64>,
}

/// A score before its video is looked up.
#[derive(Clone, Copy)]
struct Standing {
    video_id: Uuid,
    median_views: Decimal4,
    score: Decimal4,
}

impl OrgReader {
    /// How the last-known views of the project's videos posted in the period are spread.
    pub async fn view_distribution(
        &mut self,
        project: ProjectId,
        period: &Period,
        scale: Scale,
    ) -> Result<Spread, ReadError> {
        let views: Vec<i64> = sqlx::query_scalar!(
            r#"SELECT s.views AS "views!"
               FROM posted_videos p
               JOIN video_stats s ON s.video_id = p.video_id AND s.org_id = $1
               WHERE p.org_id = $1 AND p.project_id = $2 AND p.post_time >= $3 AND p.post_time < $4
                 AND s.views IS NOT NULL
               ORDER BY s.views"#,
            self.org.as_uuid(),
            project.as_uuid(),
            period.start().datetime(),
            period.end().datetime(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        Ok(spread(&views, scale))
    }

    /// The project's videos posted in the period whose last-known views stand out.
    pub async fn outliers(
        &mut self,
        project: ProjectId,
        period: &Period,
        question: OutlierQuestion,
        rows: Rows,
    ) -> Result<FoundOutliers, ReadError> {
        // A project is one group: that of no creator.
        let of_creators = question.scope == OutlierScope::Creator;
        let found = sqlx::query_as!(
            ViewsRow,
            r#"SELECT CASE WHEN $5 THEN p.creator_id END AS "group?", p.video_id AS "video_id!",
                      s.views AS "views?"
               FROM posted_videos p
               LEFT JOIN video_stats s ON s.video_id = p.video_id AND s.org_id = $1
               WHERE p.org_id = $1 AND p.project_id = $2 AND p.post_time >= $3 AND p.post_time < $4
                 AND (p.creator_id IS NOT NULL OR NOT $5)
               ORDER BY 1, 3, 2"#,
            self.org.as_uuid(),
            project.as_uuid(),
            period.start().datetime(),
            period.end().datetime(),
            of_creators,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let mut standings = Vec::new();
        let mut skipped_groups = 0;
        for group in found.chunk_by(|one, other| one.group == other.group) {
            match standings_of(group, question) {
                Some(found) => standings.extend(found),
                None => skipped_groups += 1,
            }
        }
        let page = rows.of(standings, |one| (Some(one.score.magnitude()), one.video_id));
        let ids: Vec<Uuid> = page.rows.iter().map(|one| one.video_id).collect();
        let videos = self.video_cards(&ids).await?;
        let outliers = videos.into_iter().zip(page.rows);
        let outliers = outliers.map(|(video, standing)| Outlier {
            video,
            median_views: standing.median_views,
            score: standing.score,
        });
        Ok(FoundOutliers {
            ranked: Ranked {
                rows: outliers.collect(),
                total_count: page.total_count,
            },
            skipped_groups,
        })
    }
}

/// Of one group, by its views; those that are not known are left out.
fn standings_of(group: &[ViewsRow], question: OutlierQuestion) -> Option<Vec<Standing>> {
    let read = group
        .iter()
        .filter_map(|row| Some((row.video_id, row.views?)));
    let (videos, views): (Vec<Uuid>, Vec<i64>) = read.unzip();
    let found = outliers(&views, question.threshold, question.direction)?;
    let standing = |(place, score): (usize, Decimal4)| Standing {
        video_id: videos[place],
        median_views: found.median_views,
        score,
    };
    let scored = found
        .scored
        .iter()
        .map(|scored| (scored.place, scored.score));
    Some(scored.map(standing).collect())
}
