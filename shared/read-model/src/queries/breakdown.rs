//! A creator's or campaign's figures by video: the videos with the highest totals, and all others together.
//!
//! The totals of all videos are found from the readings at the range's two ends alone, the points
//! of the few from all their readings, and those of the others are what is left of the creator's
//! own: so the entries add up to the series whatever the source, and a thousand videos cost two
//! look-ups each.

use std::cmp::Reverse;
use std::collections::HashMap;

use domain::time::Timestamp;
use uuid::Uuid;

use super::analytics::{EntityRef, EntitySeries};
use super::raw::COUNTED;
use crate::analytics::{
    Asked, Changes, Counter, Edges, EntityKind, Level, Levels, Mode, Span, series,
};
use crate::error::ReadError;
use crate::reader::OrgReader;
use domain::limits::BREAKDOWN_VIDEOS;

/// How all other videos together are called.
const OTHERS: &str = "Other";

impl OrgReader {
    /// The series of an entity's videos; `whole` are its own levels.
    pub(super) async fn breakdown(
        &mut self,
        kind: EntityKind,
        id: Uuid,
        asked: &Asked<'_>,
        edges: &Edges,
        whole: &Levels,
    ) -> Result<Vec<EntitySeries>, ReadError> {
        let mut videos = self.videos_of(kind, id).await?;
        if videos.len() > BREAKDOWN_VIDEOS {
            videos = self.by_total(videos, asked).await?;
        }
        let top = &videos[..videos.len().min(BREAKDOWN_VIDEOS)];
        let inputs = asked.measure.inputs();
        let levels = self
            .from_raw(EntityKind::Video, top, edges.as_slice(), inputs)
            .await?;
        let labels = self.labels(EntityKind::Video, top).await?;
        let mut rest = whole.clone();
        let mut answers = Vec::with_capacity(BREAKDOWN_VIDEOS + 1);
        for (id, levels) in top.iter().filter_map(|id| Some((id, levels.get(id)?))) {
            rest.subtract(levels);
            answers.push(EntitySeries {
                entity: EntityRef {
                    kind: EntityKind::Video,
                    id: Some(*id),
                    label: labels.get(id).cloned().unwrap_or_default(),
                },
                series: series(asked, edges, levels),
            });
        }
        // Few enough to stand for themselves were not put in order before.
        answers.sort_by_key(|one| (Reverse(one.series.total), one.entity.id));
        if videos.len() > top.len() {
            answers.push(EntitySeries {
                entity: EntityRef {
                    kind: EntityKind::Video,
                    id: None,
                    label: OTHERS.to_owned(),
                },
                series: series(asked, edges, &rest),
            });
        }
        Ok(answers)
    }

    /// The videos that an entity's figures are of.
    async fn videos_of(&mut self, kind: EntityKind, id: Uuid) -> Result<Vec<Uuid>, ReadError> {
        match kind {
            EntityKind::Creator => Ok(sqlx::query_scalar!(
                "SELECT video_id FROM videos
                 WHERE org_id = $1 AND creator_id = $2 AND NOT removed AND NOT creator_removed
                   AND tracking_status = ANY ($3)",
                self.org.as_uuid(),
                id,
                &COUNTED.map(str::to_owned),
            )
            .fetch_all(&mut *self.tx)
            .await?),
            EntityKind::Campaign => Ok(sqlx::query_scalar!(
                "SELECT v.video_id FROM videos_within($2) AS within (video_id)
                 JOIN videos v ON v.video_id = within.video_id
                 WHERE v.org_id = $1 AND NOT v.removed AND NOT v.creator_removed
                   AND v.tracking_status = ANY ($3)",
                self.org.as_uuid(),
                id,
                &COUNTED.map(str::to_owned),
            )
            .fetch_all(&mut *self.tx)
            .await?),
            EntityKind::Video | EntityKind::Project => Ok(Vec::new()),
        }
    }

    /// Highest total first, null last, ties by id.
    async fn by_total(
        &mut self,
        videos: Vec<Uuid>,
        asked: &Asked<'_>,
    ) -> Result<Vec<Uuid>, ReadError> {
        let begun = asked.calendar.begun(asked.now);
        let start = asked.calendar.buckets().first().map(|bucket| bucket.start);
        let start = start.unwrap_or(asked.now);
        let end = begun.last().map_or(start, |bucket| bucket.end);
        let formula = asked.measure.formula();
        let mut changes: HashMap<Uuid, Changes> =
            videos.iter().map(|id| (*id, Changes::none(2))).collect();
        for counter in formula.inputs().counters() {
            self.add_ends(&videos, counter, start, end, &mut changes)
                .await?;
        }
        // As it is shown: of a range that has not begun there is no running total.
        let has_total = !begun.is_empty() || asked.mode == Mode::New;
        let total = |(id, changes): (Uuid, Changes)| {
            let levels = changes.into_levels();
            let total = Span::whole(&levels).value(formula, asked.mode);
            (Reverse(total.filter(|_| has_total)), id)
        };
        let mut totals: Vec<_> = changes.into_iter().map(total).collect();
        totals.sort_unstable();
        Ok(totals.into_iter().map(|(_, id)| id).collect())
    }

    /// What a counter of each video was before `start`, and what it became before `end`.
    async fn add_ends(
        &mut self,
        videos: &[Uuid],
        counter: Counter,
        start: Timestamp,
        end: Timestamp,
        changes: &mut HashMap<Uuid, Changes>,
    ) -> Result<(), ReadError> {
        // The last-known count says whether there is any reading to look for, and is mostly the
        // last one before the end too.
        let rows = sqlx::query!(
            r#"SELECT s.video_id, before.count AS "before?", first.count AS "first?",
                      coalesce(CASE WHEN s.at < $4 THEN s.count END, last.count) AS "last?"
               FROM (SELECT video_id,
                            CASE $5::integer WHEN 0 THEN views WHEN 1 THEN likes WHEN 2 THEN comments
                                 WHEN 3 THEN shares WHEN 4 THEN saves END AS count,
                            CASE $5::integer WHEN 0 THEN views_at WHEN 1 THEN likes_at
                                 WHEN 2 THEN comments_at WHEN 3 THEN shares_at
                                 WHEN 4 THEN saves_at END AS at
                     FROM video_stats WHERE org_id = $1 AND video_id = ANY ($2)) s
               LEFT JOIN LATERAL (
                   SELECT CASE $5::integer WHEN 0 THEN r.views WHEN 1 THEN r.likes
                               WHEN 2 THEN r.comments WHEN 3 THEN r.shares
                               WHEN 4 THEN r.saves END AS count
                   FROM video_readings r
                   WHERE r.org_id = $1 AND r.video_id = s.video_id AND r.observed_at < $3
                     AND CASE $5::integer WHEN 0 THEN r.views WHEN 1 THEN r.likes
                              WHEN 2 THEN r.comments WHEN 3 THEN r.shares
                              WHEN 4 THEN r.saves END IS NOT NULL
                   ORDER BY r.observed_at DESC LIMIT 1) before ON true
               LEFT JOIN LATERAL (
                   SELECT CASE $5::integer WHEN 0 THEN r.views WHEN 1 THEN r.likes
                               WHEN 2 THEN r.comments WHEN 3 THEN r.shares
                               WHEN 4 THEN r.saves END AS count
                   FROM video_readings r
                   WHERE before.count IS NULL AND r.org_id = $1 AND r.video_id = s.video_id
                     AND r.observed_at >= $3 AND r.observed_at < $4
                     AND CASE $5::integer WHEN 0 THEN r.views WHEN 1 THEN r.likes
                              WHEN 2 THEN r.comments WHEN 3 THEN r.shares
                              WHEN 4 THEN r.saves END IS NOT NULL
                   ORDER BY r.observed_at LIMIT 1) first ON true
               LEFT JOIN LATERAL (
                   SELECT CASE $5::integer WHEN 0 THEN r.views WHEN 1 THEN r.likes
                               WHEN 2 THEN r.comments WHEN 3 THEN r.shares
                               WHEN 4 THEN r.saves END AS count
                   FROM video_readings r
                   WHERE s.at >= $4 AND r.org_id = $1 AND r.video_id = s.video_id
                     AND r.observed_at < $4
                     AND CASE $5::integer WHEN 0 THEN r.views WHEN 1 THEN r.likes
                              WHEN 2 THEN r.comments WHEN 3 THEN r.shares
                              WHEN 4 THEN r.saves END IS NOT NULL
                   ORDER BY r.observed_at DESC LIMIT 1) last ON true
               WHERE s.count IS NOT NULL"#,
            self.org.as_uuid(),
            videos,
            start.datetime(),
            end.datetime(),
            i32::try_from(counter.index()).unwrap_or(i32::MAX),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        for row in rows {
            let found = [row.before, row.first, row.last];
            if let Some(changes) = changes.get_mut(&row.video_id) {
                add(changes, counter, found);
            }
        }
        Ok(())
    }
}

/// A video's count before the range, its first one inside if there was none, and its last one.
fn add(changes: &mut Changes, counter: Counter, [before, first, last]: [Option<i64>; 3]) {
    if let Some(before) = before {
        changes.add(0, counter, Level::first_reading(before));
    }
    if let Some(first) = first {
        changes.add(1, counter, Level::first_reading(first));
    }
    if let Some((last, known)) = last.zip(before.or(first)) {
        changes.add(1, counter, Level::next_reading(last, known));
    }
}
