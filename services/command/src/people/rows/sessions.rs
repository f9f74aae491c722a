//! From where people signed in.

use chrono::TimeDelta;
use domain::ids::{OrgId, SessionId, UserId};
use domain::time::Timestamp;
use sqlx::PgPool;

use super::super::Place;
use super::PeopleError;

/// How long it is kept, in days: longer than any session lives.
const KEPT_DAYS: i64 = 30;
/// Rows of sessions long over that each new one takes away.
const PRUNED: i64 = 100;

/// A session that is about to be opened.
pub struct NewRow<'a> {
    pub id: SessionId,
    pub org: OrgId,
    pub user: UserId,
    pub ip: String,
    pub user_agent: Option<&'a str>,
    pub at: Timestamp,
}

pub async fn add_session(pool: &PgPool, row: &NewRow<'_>) -> Result<(), PeopleError> {
    let old = row.at.minus(TimeDelta::days(KEPT_DAYS));
    sqlx::query!(
        "with pruned as (
             delete from auth.sessions where id in (
                 select old.id from auth.sessions old where old.created_at < $7 limit $8)
         )
         insert into auth.sessions (id, org_id, user_id, ip, user_agent, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        row.id.as_uuid(),
        row.org.as_uuid(),
        row.user.as_uuid(),
        row.ip,
        row.user_agent,
        row.at.datetime(),
        old.datetime(),
        PRUNED
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes back a session that no event names.
pub async fn remove_session(pool: &PgPool, id: SessionId) -> Result<(), PeopleError> {
    sqlx::query!("delete from auth.sessions where id = $1", id.as_uuid())
        .execute(pool)
        .await?;
    Ok(())
}

pub async fn place_of(
    pool: &PgPool,
    org: OrgId,
    id: SessionId,
) -> Result<Option<Place>, PeopleError> {
    let row = sqlx::query!(
        r#"select ip as "ip!", user_agent from auth.session_places($1, array[$2::uuid])"#,
        org.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let ip = row.ip.parse().map_err(|_| PeopleError::Corrupt {
            table: "auth.sessions",
            column: "ip",
            key: id.as_uuid(),
        })?;
        Ok(Place {
            ip,
            user_agent: row.user_agent,
        })
    })
    .transpose()
}
