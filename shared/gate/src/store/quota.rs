use std::time::Duration;

use chrono::NaiveDate;
use domain::ids::OrgId;
use sqlx::PgConnection;

use super::StoreError;
use crate::core::quota::Grant;

/// Reserves a block of the org's day, which Postgres names.
pub async fn reserve(
    connection: &mut PgConnection,
    org: OrgId,
    wanted: u64,
    limit: u64,
) -> Result<Grant, StoreError> {
    let row = sqlx::query!(
        r#"select day as "day!", granted as "granted!", reserved as "reserved!",
               ends_in_ms as "ends_in_ms!"
           from gate.reserve_quota($1, $2, $3)"#,
        org.as_uuid(),
        signed(wanted),
        signed(limit)
    )
    .fetch_one(connection)
    .await?;
    Ok(Grant {
        day: row.day,
        granted: unsigned(row.granted),
        reserved: unsigned(row.reserved),
        // Rounded up there.
        ends_in: Duration::from_millis(unsigned(row.ends_in_ms).saturating_sub(1)),
    })
}

/// Gives back what was reserved and is not used any more.
pub async fn give_back(
    connection: &mut PgConnection,
    org: OrgId,
    day: NaiveDate,
    unused: u64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "select gate.return_quota($1, $2, $3)",
        org.as_uuid(),
        day,
        signed(unused)
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
