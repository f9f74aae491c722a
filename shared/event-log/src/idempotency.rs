//! `log.idempotency`: answers by `Idempotency-Key`, for 24 hours.

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{GlobalPosition, OrgId};
use domain::limits::IDEMPOTENCY_HOURS;
use domain::time::Timestamp;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::append::{IdempotencyRecord, StoredAnswer};
use crate::error::{CorruptRow, ReadError};

/// A row of `log.idempotency`.
pub struct Row {
    pub org_id: Uuid,
    pub key: String,
    pub route: String,
    pub fingerprint: Vec<u8>,
    pub status: i16,
    pub answer: Vec<u8>,
    pub first_position: i64,
    pub last_position: i64,
    pub recorded_at: DateTime<Utc>,
}

impl TryFrom<Row> for StoredAnswer {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let org = row.org_id;
        let corrupt = |column, problem| CorruptRow::new("log.idempotency", column, org, problem);
        let position = |column, value| {
            GlobalPosition::try_from_i64(value).ok_or_else(|| corrupt(column, "is negative"))
        };
        Ok(Self {
            first: position("first_position", row.first_position)?,
            last: position("last_position", row.last_position)?,
            recorded_at: Timestamp::from_datetime(row.recorded_at),
            record: IdempotencyRecord {
                org_id: OrgId::from_uuid(org),
                key: row.key,
                route: row.route,
                fingerprint: row
                    .fingerprint
                    .try_into()
                    .map_err(|_| corrupt("fingerprint", "is not 32 bytes"))?,
                status: u16::try_from(row.status).map_err(|_| corrupt("status", "is negative"))?,
                answer: row.answer,
            },
        })
    }
}

/// Answers recorded before this are forgotten.
pub fn cutoff(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::hours(IDEMPOTENCY_HOURS)
}

/// Forgets the answers in which a text stands, of one org or of all.
pub async fn forget(
    connection: &mut PgConnection,
    org: Option<OrgId>,
    holding: &str,
) -> Result<u64, ReadError> {
    let forgotten = sqlx::query!(
        "delete from log.idempotency
         where ($1::uuid is null or org_id = $1) and position($2::bytea in answer) > 0",
        org.map(OrgId::as_uuid),
        holding.as_bytes()
    )
    .execute(connection)
    .await?;
    Ok(forgotten.rows_affected())
}

/// The answer that is remembered under a key.
pub async fn find(
    connection: &mut PgConnection,
    org: OrgId,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Option<StoredAnswer>, ReadError> {
    let row = sqlx::query_as!(
        Row,
        "select org_id, key, route, fingerprint, status, answer, first_position, last_position,
             recorded_at
         from log.idempotency where org_id = $1 and key = $2 and recorded_at > $3",
        org.as_uuid(),
        key,
        cutoff(now)
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(StoredAnswer::try_from).transpose()?)
}

/// Puts the finished answer in place of what stood for it when it was recorded.
pub async fn finish(
    connection: &mut PgConnection,
    org: OrgId,
    key: &str,
    status: u16,
    answer: &[u8],
) -> Result<(), ReadError> {
    let status = i16::try_from(status).unwrap_or(i16::MAX);
    sqlx::query!(
        "update log.idempotency set status = $3, answer = $4 where org_id = $1 and key = $2",
        org.as_uuid(),
        key,
        status,
        answer
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to `limit` answers that are forgotten; returns how many.
pub async fn sweep(pool: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "delete from log.idempotency i
         using (
             select org_id, key from log.idempotency where recorded_at <= $1
             order by recorded_at limit $2 for update skip locked
         ) as old
         where i.org_id = old.org_id and i.key = old.key",
        cutoff(now),
        limit
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
