use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::OrgId;
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
