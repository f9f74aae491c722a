//! Readings of videos' counts: the raw rows and the last-known counts.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::event::VideoStats;
use domain::ids::OrgId;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::figures::{History, Sink};
use super::profiles::last;
use super::touched::{Touched, ids};
use crate::queries::columns::timestamp;

/// Views, likes, comments, shares, saves.
pub(super) const COUNTS: usize = 5;
type Counts = [Option<i64>; COUNTS];

#[derive(Debug, Default)]
struct Stats {
    org: Option<OrgId>,
    /// The newest reading before the batch.
    stored: Option<Timestamp>,
    history: History<COUNTS>,
    is_changed: bool,
}

/// A row to be written.
#[derive(Debug, Clone, Copy)]
struct ReadingRow {
    video: Uuid,
    at: Timestamp,
    org: OrgId,
    counts: Counts,
}

/// The videos that a batch reads of.
#[derive(Debug, Default)]
pub(super) struct VideoReadings {
    stats: HashMap<Uuid, Stats>,
    /// Newer than all that is stored of their videos, in the order of the log: no row of these
    /// instants exists.
    fresh: Vec<ReadingRow>,
    /// Not newer, so that they may take the place of a row.
    late: BTreeMap<(Uuid, Timestamp), ReadingRow>,
    count: u64,
    late_count: u64,
}

impl VideoReadings {
    /// Loads the last-known counts and, for late readings, their neighbours.
    pub async fn load(
        connection: &mut PgConnection,
        touched: &Touched,
        observed: &[(Uuid, Timestamp)],
    ) -> Result<Self, ApplyError> {
        let mut readings = Self::default();
        if touched.stats.is_empty() {
            return Ok(readings);
        }
        readings.stats.reserve(touched.stats.len());
        readings.fresh.reserve(observed.len());
        let rows = sqlx::query!(
            "SELECT video_id, org_id, stats_at, views, views_at, likes, likes_at, comments,
                    comments_at, shares, shares_at, saves, saves_at
             FROM video_stats WHERE video_id = ANY ($1)",
            &ids(&touched.stats),
        )
        .fetch_all(&mut *connection)
        .await?;
        for row in rows {
            let last = [
                last(row.views, row.views_at),
                last(row.likes, row.likes_at),
                last(row.comments, row.comments_at),
                last(row.shares, row.shares_at),
                last(row.saves, row.saves_at),
            ];
            let newest = timestamp(row.stats_at);
            let stats = Stats {
                org: Some(OrgId::from_uuid(row.org_id)),
                stored: Some(newest),
                history: History::of(newest, last),
                is_changed: false,
            };
            readings.stats.insert(row.video_id, stats);
        }
        let late = readings.expect_late(observed);
        if !late.is_empty() {
            readings.load_around(connection, &late).await?;
        }
        Ok(readings)
    }

    /// Takes up a reading; tells what it changes.
    pub fn see(&mut self, org: OrgId, reading: &VideoStats, sink: impl Sink) {
        let at = reading.observed_at;
        let counts = [
            reading.view_count,
            reading.like_count,
            reading.comment_count,
            reading.share_count,
            reading.save_count,
        ]
        .map(|count| count.and_then(|count| i64::try_from(count).ok()));
        let video = reading.video_id.as_uuid();
        let row = ReadingRow {
            video,
            at,
            org,
            counts,
        };
        let stats = self.stats.entry(video).or_default();
        stats.org = Some(org);
        stats.is_changed = true;
        self.count += 1;
        if stats.stored.is_some_and(|newest| at <= newest) {
            self.late_count += 1;
            self.late.insert((video, at), row);
        } else {
            self.fresh.push(row);
        }
        stats.history.record(at, counts, sink);
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    pub const fn late(&self) -> u64 {
        self.late_count
    }

    /// Finds which videos have readings that come late, be it only after a newer one of the batch,
    /// and between which instants their stored readings are needed.
    fn expect_late(
        &mut self,
        observed: &[(Uuid, Timestamp)],
    ) -> BTreeMap<Uuid, (Timestamp, Timestamp)> {
        let mut needed: BTreeMap<Uuid, (Timestamp, Timestamp)> = BTreeMap::new();
        let mut newest: HashMap<Uuid, Timestamp> = HashMap::with_capacity(self.stats.len());
        for (video, at) in observed {
            let stored = self.stats.get(video).and_then(|stats| stats.stored);
            let known = newest.get(video).copied().max(stored);
            if known.is_some_and(|known| *at <= known) {
                self.stats.entry(*video).or_default().history.expect_late();
                if stored.is_some_and(|stored| *at <= stored) {
                    let (from, to) = needed.entry(*video).or_insert((*at, *at));
                    *from = (*from).min(*at);
                    *to = (*to).max(*at);
                }
            }
            newest.insert(*video, known.map_or(*at, |known| known.max(*at)));
        }
        needed
    }

    /// Loads the stored readings from the earliest to the latest late one of each video and, for
    /// each count, the next on either side that carry it.
    async fn load_around(
        &mut self,
        connection: &mut PgConnection,
        late: &BTreeMap<Uuid, (Timestamp, Timestamp)>,
    ) -> Result<(), ApplyError> {
        let videos: Vec<Uuid> = late.keys().copied().collect();
        let from: Vec<DateTime<Utc>> = late.values().map(|(from, _)| from.datetime()).collect();
        let to: Vec<DateTime<Utc>> = late.values().map(|(_, to)| to.datetime()).collect();
        let rows = sqlx::query!(
            "SELECT r.video_id, r.observed_at, r.views, r.likes, r.comments, r.shares, r.saves
             FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS u (video_id, first, last)
             JOIN video_readings r ON r.video_id = u.video_id
                  AND r.observed_at BETWEEN u.first AND u.last",
            &videos,
            &from,
            &to,
        )
        .fetch_all(&mut *connection)
        .await?;
        for row in rows {
            let counts = [row.views, row.likes, row.comments, row.shares, row.saves];
            for (count, value) in counts.into_iter().enumerate() {
                self.remember(row.video_id, count, timestamp(row.observed_at), value);
            }
        }
        self.load_outside(connection, &videos, &from, &to).await
    }

    async fn load_outside(
        &mut self,
        connection: &mut PgConnection,
        videos: &[Uuid],
        from: &[DateTime<Utc>],
        to: &[DateTime<Utc>],
    ) -> Result<(), ApplyError> {
        // A count that was never read has no neighbours, and looking for them would read the
        // video's whole history.
        let carried = |count: usize| -> Vec<bool> {
            let carries = |id| {
                self.stats
                    .get(id)
                    .is_some_and(|s| s.history.last[count].is_some())
            };
            videos.iter().map(carries).collect()
        };
        let rows = sqlx::query!(
            r#"WITH u AS (
                 SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bool[],
                        $5::bool[], $6::bool[], $7::bool[], $8::bool[])
                        AS u (video_id, first, last, views, likes, comments, shares, saves)
               )
               SELECT u.video_id AS "video_id!", n.count AS "count!",
                      n.observed_at AS "observed_at!", n.value AS "value!"
               FROM u CROSS JOIN LATERAL (
                 (SELECT 0 AS count, observed_at, views AS value FROM video_readings r
                  WHERE u.views AND r.video_id = u.video_id AND r.observed_at < u.first
                    AND r.views IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1)
                 UNION ALL
                 (SELECT 0, observed_at, views FROM video_readings r
                  WHERE u.views AND r.video_id = u.video_id AND r.observed_at > u.last
                    AND r.views IS NOT NULL ORDER BY r.observed_at LIMIT 1)
                 UNION ALL
                 (SELECT 1, observed_at, likes FROM video_readings r
                  WHERE u.likes AND r.video_id = u.video_id AND r.observed_at < u.first
                    AND r.likes IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1)
                 UNION ALL
                 (SELECT 1, observed_at, likes FROM video_readings r
                  WHERE u.likes AND r.video_id = u.video_id AND r.observed_at > u.last
                    AND r.likes IS NOT NULL ORDER BY r.observed_at LIMIT 1)
                 UNION ALL
                 (SELECT 2, observed_at, comments FROM video_readings r
                  WHERE u.comments AND r.video_id = u.video_id AND r.observed_at < u.first
                    AND r.comments IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1)
                 UNION ALL
                 (SELECT 2, observed_at, comments FROM video_readings r
                  WHERE u.comments AND r.video_id = u.video_id AND r.observed_at > u.last
                    AND r.comments IS NOT NULL ORDER BY r.observed_at LIMIT 1)
                 UNION ALL
                 (SELECT 3, observed_at, shares FROM video_readings r
                  WHERE u.shares AND r.video_id = u.video_id AND r.observed_at < u.first
                    AND r.shares IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1)
                 UNION ALL
                 (SELECT 3, observed_at, shares FROM video_readings r
                  WHERE u.shares AND r.video_id = u.video_id AND r.observed_at > u.last
                    AND r.shares IS NOT NULL ORDER BY r.observed_at LIMIT 1)
                 UNION ALL
                 (SELECT 4, observed_at, saves FROM video_readings r
                  WHERE u.saves AND r.video_id = u.video_id AND r.observed_at < u.first
                    AND r.saves IS NOT NULL ORDER BY r.observed_at DESC LIMIT 1)
                 UNION ALL
                 (SELECT 4, observed_at, saves FROM video_readings r
                  WHERE u.saves AND r.video_id = u.video_id AND r.observed_at > u.last
                    AND r.saves IS NOT NULL ORDER BY r.observed_at LIMIT 1)
               ) n"#,
            videos,
            from,
            to,
            &carried(0),
            &carried(1),
            &carried(2),
            &carried(3),
            &carried(4),
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let count = usize::try_from(row.count).unwrap_or(0);
            self.remember(
                row.video_id,
                count,
                timestamp(row.observed_at),
                Some(row.value),
            );
        }
        Ok(())
    }

    fn remember(&mut self, video: Uuid, count: usize, at: Timestamp, value: Option<i64>) {
        if let Some(stats) = self.stats.get_mut(&video) {
            stats.history.remember(count, at, value);
        }
    }

    pub async fn store(mut self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        // The sort is stable: of readings of one instant the last received comes first and stays.
        self.fresh.reverse();
        self.fresh.sort_by_key(|row| (row.video, row.at));
        self.fresh.dedup_by_key(|row| (row.video, row.at));
        insert(connection, &self.fresh).await?;
        let late: Vec<ReadingRow> = self.late.into_values().collect();
        upsert(connection, &late).await?;
        store_stats(connection, &self.stats).await
    }
}

/// A reading as it is sent: the type `video_reading_row`.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "video_reading_row")]
struct SentReading {
    video_id: Uuid,
    observed_at: DateTime<Utc>,
    org_id: Uuid,
    views: Option<i64>,
    likes: Option<i64>,
    comments: Option<i64>,
    shares: Option<i64>,
    saves: Option<i64>,
}

/// Last-known counts as they are sent: the type `video_stats_row`.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "video_stats_row")]
struct SentStats {
    video_id: Uuid,
    org_id: Uuid,
    stats_at: DateTime<Utc>,
    views: Option<i64>,
    views_at: Option<DateTime<Utc>>,
    likes: Option<i64>,
    likes_at: Option<DateTime<Utc>>,
    comments: Option<i64>,
    comments_at: Option<DateTime<Utc>>,
    shares: Option<i64>,
    shares_at: Option<DateTime<Utc>>,
    saves: Option<i64>,
    saves_at: Option<DateTime<Utc>>,
}

impl ReadingRow {
    fn sent(&self) -> SentReading {
        let [views, likes, comments, shares, saves] = self.counts;
        SentReading {
            video_id: self.video,
            observed_at: self.at.datetime(),
            org_id: self.org.as_uuid(),
            views,
            likes,
            comments,
            shares,
            saves,
        }
    }
}

impl Stats {
    fn sent(&self, video_id: Uuid) -> Option<SentStats> {
        let value = |count: usize| self.history.last[count].map(|(_, value)| value);
        let at = |count: usize| self.history.last[count].map(|(at, _)| at.datetime());
        Some(SentStats {
            video_id,
            org_id: self.org?.as_uuid(),
            stats_at: self.history.newest?.datetime(),
            views: value(0),
            views_at: at(0),
            likes: value(1),
            likes_at: at(1),
            comments: value(2),
            comments_at: at(2),
            shares: value(3),
            shares_at: at(3),
            saves: value(4),
            saves_at: at(4),
        })
    }
}

async fn insert(connection: &mut PgConnection, rows: &[ReadingRow]) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<SentReading> = rows.iter().map(ReadingRow::sent).collect();
    sqlx::query!(
        "INSERT INTO video_readings (video_id, observed_at, org_id, views, likes, comments, shares,
                saves)
         SELECT video_id, observed_at, org_id, views, likes, comments, shares, saves
         FROM unnest($1::video_reading_row[])",
        &rows as &[SentReading],
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn upsert(connection: &mut PgConnection, rows: &[ReadingRow]) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<SentReading> = rows.iter().map(ReadingRow::sent).collect();
    sqlx::query!(
        "INSERT INTO video_readings (video_id, observed_at, org_id, views, likes, comments, shares,
                saves)
         SELECT video_id, observed_at, org_id, views, likes, comments, shares, saves
         FROM unnest($1::video_reading_row[])
         ON CONFLICT (video_id, observed_at) DO UPDATE SET
                views = excluded.views, likes = excluded.likes, comments = excluded.comments,
                shares = excluded.shares, saves = excluded.saves",
        &rows as &[SentReading],
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn store_stats(
    connection: &mut PgConnection,
    stats: &HashMap<Uuid, Stats>,
) -> Result<(), ApplyError> {
    let changed = stats.iter().filter(|(_, stats)| stats.is_changed);
    let mut rows: Vec<SentStats> = changed.filter_map(|(id, stats)| stats.sent(*id)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_unstable_by_key(|row| row.video_id);
    sqlx::query!(
        "INSERT INTO video_stats (video_id, org_id, stats_at, views, views_at, likes, likes_at,
                comments, comments_at, shares, shares_at, saves, saves_at)
         SELECT video_id, org_id, stats_at, views, views_at, likes, likes_at, comments, comments_at,
                shares, shares_at, saves, saves_at
         FROM unnest($1::video_stats_row[])
         ON CONFLICT (video_id) DO UPDATE SET
                stats_at = excluded.stats_at,
                views = excluded.views, views_at = excluded.views_at,
                likes = excluded.likes, likes_at = excluded.likes_at,
                comments = excluded.comments, comments_at = excluded.comments_at,
                shares = excluded.shares, shares_at = excluded.shares_at,
                saves = excluded.saves, saves_at = excluded.saves_at",
        &rows as &[SentStats],
    )
    .execute(connection)
    .await?;
    Ok(())
}
