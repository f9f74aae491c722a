//! From where people signed in.

use chrono::TimeDelta;
use domain::ids::{OrgId, SessionId, UserId};
use domain::time::Timestamp;
use sqlx::PgPool;

use super::PeopleError;

/// How long it is kept, in days: longer than any session lives.
const KEPT_DAYS: i64 = 30;
/// Rows of sessions long over that each new one takes away.
const PRUNED: i64 = 100;
/// Stored numbers of a credential's kind and status; stable.
const KIND_SESSION: i16 = 2;
const ENDED: i16 = 3;

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

/// The orgs in which sessions of a person live, but one. All appends write these rows, so all orgs are
/// seen at one moment of the log.
pub async fn orgs_with_sessions(
    pool: &PgPool,
    person: UserId,
    except: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<OrgId>, PeopleError> {
    let ids = sqlx::query_scalar!(
        "select distinct c.org_id
         from gate.members m
         join gate.credentials c on c.org_id = m.org_id and c.owner_id = m.user_id
         where m.user_id = $1 and c.kind = $2 and c.status < $3 and c.expires_at > $4
             and c.id is distinct from $5",
        person.as_uuid(),
        KIND_SESSION,
        ENDED,
        now.datetime(),
        except.map(SessionId::as_uuid)
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(OrgId::from_uuid).collect())
}
