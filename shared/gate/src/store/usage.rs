use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::ids::OrgId;
use domain::time::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use super::StoreError;
use crate::core::usage::Folded;

/// Counts of one credential and day, to be added to what is stored.
#[derive(Debug, Clone, Copy)]
pub struct UsageRow {
    /// The key or session.
    pub credential: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// What was counted.
    pub folded: Folded,
}

/// Adds counts; the time of the last use only moves forward.
pub async fn record(pool: &PgPool, rows: &[UsageRow]) -> Result<(), StoreError> {
    let credentials: Vec<Uuid> = rows.iter().map(|row| row.credential).collect();
    let days: Vec<NaiveDate> = rows.iter().map(|row| row.folded.day).collect();
    let orgs: Vec<Uuid> = rows.iter().map(|row| row.org.as_uuid()).collect();
    let requests: Vec<i64> = rows.iter().map(|row| signed(row.folded.requests)).collect();
    let refused: Vec<i64> = rows.iter().map(|row| signed(row.folded.refused)).collect();
    let last: Vec<DateTime<Utc>> = rows
        .iter()
        .map(|row| row.folded.last_used_at.datetime())
        .collect();
    sqlx::query!(
        "select gate.record_usage($1, $2, $3, $4, $5, $6)",
        &credentials,
        &days,
        &orgs,
        &requests,
        &refused,
        &last
    )
    .execute(pool)
    .await?;
    Ok(())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// How a credential was used, at most 60 s late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// When last; none: never.
    pub last_used_at: Option<Timestamp>,
    /// Admitted requests of the last 7 UTC days, today last.
    pub by_day: [u64; 7],
}

/// How each of these credentials of an org was used; one that never was is left out.
pub async fn used(
    pool: &PgPool,
    org: OrgId,
    credentials: &[Uuid],
    today: NaiveDate,
) -> Result<HashMap<Uuid, Used>, StoreError> {
    let first_day = today - TimeDelta::days(6);
    let rows = sqlx::query!(
        r#"select credential_id, max(last_used_at) as "last_used_at!",
               array_agg(day) filter (where day >= $3) as days,
               array_agg(requests) filter (where day >= $3) as requests
           from gate.usage where credential_id = any($1) and org_id = $2
           group by credential_id"#,
        credentials,
        org.as_uuid(),
        first_day
    )
    .fetch_all(pool)
    .await?;
    let of_row = |days: Option<Vec<NaiveDate>>, requests: Option<Vec<i64>>| {
        let mut by_day = [0; 7];
        for (day, requests) in days
            .into_iter()
            .flatten()
            .zip(requests.into_iter().flatten())
        {
            let index = usize::try_from((day - first_day).num_days()).ok();
            // A clock behind Postgres's may not know the newest day yet.
            if let Some(cell) = index.and_then(|index| by_day.get_mut(index)) {
                *cell = u64::try_from(requests).unwrap_or(0);
            }
        }
        by_day
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let used = Used {
                last_used_at: Some(Timestamp::from_datetime(row.last_used_at)),
                by_day: of_row(row.days, row.requests),
            };
            (row.credential_id, used)
        })
        .collect())
}

/// Admitted requests of an org on a UTC day, at most 60 s late.
pub async fn used_by_org(pool: &PgPool, org: OrgId, day: NaiveDate) -> Result<u64, StoreError> {
    let requests = sqlx::query_scalar!(
        r#"select coalesce(sum(requests), 0)::bigint as "requests!"
           from gate.usage where org_id = $1 and day = $2"#,
        org.as_uuid(),
        day
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(requests).unwrap_or(0))
}
