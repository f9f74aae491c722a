//! Readings older than their org's history go, but for the last of each count: whatever is asked about
//! days that the plan lets see is answered as before, to the digit (README, "History that goes").
//!
//! A sweep a day, a step a second, each in a transaction of its own and of a bounded number of rows:
//! what is recorded meanwhile hardly waits. A sweep that was cut short begins anew.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use domain::time::Timestamp;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::ProjectorError;
use crate::queries::orgs;

/// How often it is looked whose history has become longer than it may be.
const EVERY: TimeDelta = TimeDelta::hours(1);
/// Days that are kept beyond the plan's: they begin at different instants in different zones.
const MARGIN_DAYS: u64 = 2;
/// Days that are kept whatever the plan's are: a goal's period of now is told of under any.
const LEAST_DAYS: u64 = 31;
/// Videos or creators of one step.
const UNITS: i64 = 1_000;
/// Readings that one step deletes at most.
const ROWS: i64 = 5_000;
/// Orgs that are looked at at once.
const ORGS: i64 = 1_000;

/// What has been done of it, in this session.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// When it is looked again.
    next: Option<Timestamp>,
    sweep: Option<Sweep>,
}

/// One sweep over everything that was read.
#[derive(Debug)]
struct Sweep {
    /// By org the instant before which readings go.
    before: HashMap<Uuid, DateTime<Utc>>,
    table: Table,
    /// The last video or creator that is done with.
    after: Uuid,
    deleted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Videos,
    Creators,
}

impl Retention {
    /// Does a little of what there is to do, if there is anything.
    pub async fn step(
        &mut self,
        connection: &mut PgConnection,
        now: Timestamp,
    ) -> Result<(), ProjectorError> {
        if let Some(sweep) = &mut self.sweep {
            if sweep.step(connection).await? {
                return Ok(());
            }
            sweep.conclude(connection, now).await?;
            self.sweep = None;
        } else if self.next.is_none_or(|next| now >= next) {
            self.next = Some(now.plus(EVERY));
            self.sweep = Sweep::begin(connection, now).await?;
        }
        Ok(())
    }
}

impl Sweep {
    /// Notes whose readings are about to go; none if nobody's are. From now on nothing is answered
    /// about the days that they are of, whatever the plan becomes.
    async fn begin(
        connection: &mut PgConnection,
        now: Timestamp,
    ) -> Result<Option<Self>, ProjectorError> {
        let mut before = HashMap::new();
        let mut after = Uuid::nil();
        loop {
            let ids = sqlx::query_scalar!(
                "SELECT org_id FROM orgs WHERE org_id > $1 ORDER BY org_id LIMIT $2",
                after,
                ORGS,
            )
            .fetch_all(&mut *connection)
            .await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            for row in orgs::rows(connection, &ids).await? {
                let id = row.org_id;
                // What cannot be read is answered with an error, and keeps its readings.
                let Ok(org) = row.into_org() else { continue };
                let Some(days) = org.history_days(now) else {
                    continue;
                };
                before.extend(cutoff(now, days).map(|cutoff| (id, cutoff)));
            }
        }
        let (ids, cutoffs): (Vec<_>, Vec<_>) = before.iter().map(|(id, at)| (*id, *at)).unzip();
        let due = sqlx::query_scalar!(
            "UPDATE orgs SET pruned_before = due.before, pruned_at = NULL
             FROM unnest($1::uuid[], $2::timestamptz[]) AS due (org_id, before)
             WHERE orgs.org_id = due.org_id
               AND (orgs.pruned_before IS NULL OR orgs.pruned_before < due.before
                    OR orgs.pruned_before = due.before AND orgs.pruned_at IS NULL)
             RETURNING orgs.org_id",
            &ids,
            &cutoffs,
        )
        .fetch_all(&mut *connection)
        .await?;
        before.retain(|id, _| due.contains(id));
        Ok((!before.is_empty()).then_some(Self {
            before,
            table: Table::Videos,
            after: Uuid::nil(),
            deleted: 0,
        }))
    }

    /// Goes a little further; false at the end.
    async fn step(&mut self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let units = self.units(connection).await?;
        let Some((last, _)) = units.last().copied() else {
            if self.table == Table::Creators {
                return Ok(false);
            }
            (self.table, self.after) = (Table::Creators, Uuid::nil());
            return Ok(true);
        };
        let due = units.iter();
        let due = due.filter_map(|(id, org)| Some((*id, *self.before.get(org)?)));
        let (ids, cutoffs): (Vec<_>, Vec<_>) = due.unzip();
        let deleted = if ids.is_empty() {
            0
        } else {
            let mut tx = connection.begin().await?;
            let deleted = match self.table {
                Table::Videos => delete_of_videos(&mut tx, &ids, &cutoffs).await?,
                Table::Creators => delete_of_creators(&mut tx, &ids, &cutoffs).await?,
            };
            tx.commit().await?;
            deleted
        };
        self.deleted += deleted;
        // Else there may be more of the same.
        if deleted < ROWS.unsigned_abs() {
            self.after = last;
        }
        Ok(true)
    }

    /// The next ones of which anything was read, with their orgs.
    async fn units(&self, connection: &mut PgConnection) -> Result<Vec<(Uuid, Uuid)>, sqlx::Error> {
        match self.table {
            Table::Videos => {
                let rows = sqlx::query!(
                    "SELECT video_id, org_id FROM video_stats WHERE video_id > $1
                     ORDER BY video_id LIMIT $2",
                    self.after,
                    UNITS,
                );
                let rows = rows.fetch_all(connection).await?.into_iter();
                Ok(rows.map(|row| (row.video_id, row.org_id)).collect())
            }
            Table::Creators => {
                let rows = sqlx::query!(
                    "SELECT creator_id, org_id FROM creator_profiles WHERE creator_id > $1
                     ORDER BY creator_id LIMIT $2",
                    self.after,
                    UNITS,
                );
                let rows = rows.fetch_all(connection).await?.into_iter();
                Ok(rows.map(|row| (row.creator_id, row.org_id)).collect())
            }
        }
    }

    async fn conclude(
        &self,
        connection: &mut PgConnection,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let orgs: Vec<_> = self.before.keys().copied().collect();
        sqlx::query!(
            "UPDATE orgs SET pruned_at = $2 WHERE org_id = ANY ($1)",
            &orgs,
            now.datetime(),
        )
        .execute(connection)
        .await?;
        let (orgs, deleted) = (orgs.len(), self.deleted);
        tracing::info!(
            orgs,
            deleted,
            "readings older than their orgs' history went"
        );
        Ok(())
    }
}

/// The instant before which nothing is told of under so many days of history, in whatever zone.
fn cutoff(now: Timestamp, days: u64) -> Option<DateTime<Utc>> {
    let days = days.max(LEAST_DAYS).saturating_add(MARGIN_DAYS);
    let day = now.date().checked_sub_days(Days::new(days))?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

/// A reading goes if every count that it has was read again before the cutoff.
async fn delete_of_videos(
    connection: &mut PgConnection,
    ids: &[Uuid],
    cutoffs: &[DateTime<Utc>],
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM video_readings WHERE (video_id, observed_at) IN (
             SELECT r.video_id, r.observed_at
             FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, cutoff)
             JOIN video_readings r ON r.video_id = u.id AND r.observed_at < u.cutoff
             WHERE (r.views IS NULL OR EXISTS (SELECT FROM video_readings n
                    WHERE n.video_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.views IS NOT NULL))
               AND (r.likes IS NULL OR EXISTS (SELECT FROM video_readings n
                    WHERE n.video_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.likes IS NOT NULL))
               AND (r.comments IS NULL OR EXISTS (SELECT FROM video_readings n
                    WHERE n.video_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.comments IS NOT NULL))
               AND (r.shares IS NULL OR EXISTS (SELECT FROM video_readings n
                    WHERE n.video_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.shares IS NOT NULL))
               AND (r.saves IS NULL OR EXISTS (SELECT FROM video_readings n
                    WHERE n.video_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.saves IS NOT NULL))
             LIMIT $3)",
        ids,
        cutoffs,
        ROWS,
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

async fn delete_of_creators(
    connection: &mut PgConnection,
    ids: &[Uuid],
    cutoffs: &[DateTime<Utc>],
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM creator_readings WHERE (creator_id, observed_at) IN (
             SELECT r.creator_id, r.observed_at
             FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, cutoff)
             JOIN creator_readings r ON r.creator_id = u.id AND r.observed_at < u.cutoff
             WHERE (r.followers IS NULL OR EXISTS (SELECT FROM creator_readings n
                    WHERE n.creator_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.followers IS NOT NULL))
               AND (r.following IS NULL OR EXISTS (SELECT FROM creator_readings n
                    WHERE n.creator_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.following IS NOT NULL))
               AND (r.likes IS NULL OR EXISTS (SELECT FROM creator_readings n
                    WHERE n.creator_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.likes IS NOT NULL))
               AND (r.videos IS NULL OR EXISTS (SELECT FROM creator_readings n
                    WHERE n.creator_id = u.id AND n.observed_at > r.observed_at
                      AND n.observed_at < u.cutoff AND n.videos IS NOT NULL))
             LIMIT $3)",
        ids,
        cutoffs,
        ROWS,
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

/// Prunes everything at once, for tests and tools: as many steps as it takes.
///
/// # Errors
/// If the database does not answer.
pub async fn prune(connection: &mut PgConnection, now: Timestamp) -> Result<(), ProjectorError> {
    let mut retention = Retention::default();
    retention.step(connection, now).await?;
    while retention.sweep.is_some() {
        retention.step(connection, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use chrono::{Days, TimeDelta};
    use chrono_tz::TZ_VARIANTS;
    use domain::time::Timestamp;

    use super::{LEAST_DAYS, cutoff};
    use crate::analytics::{day_of, day_start};

    #[test]
    fn what_goes_is_of_no_day_that_any_zone_sees() {
        let start = Timestamp::parse("2026-03-27T00:00:00Z").unwrap();
        for hour in 0..96 {
            let now = start.plus(TimeDelta::hours(hour));
            for days in [LEAST_DAYS, 365] {
                let before = Timestamp::from_datetime(cutoff(now, days).unwrap());
                for tz in TZ_VARIANTS {
                    let first = day_of(tz, now).checked_sub_days(Days::new(days)).unwrap();
                    assert!(before <= day_start(tz, first), "{tz} at {now}");
                }
            }
        }
        let few = cutoff(start, 1).unwrap();
        assert_eq!(few.to_rfc3339(), "2026-02-22T00:00:00+00:00");
        assert_eq!(cutoff(start, u64::MAX), None);
    }
}
