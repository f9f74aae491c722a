//! Writing the rows of `gate.*` that are about persons, under the head's lock.

use domain::credential::CredentialHash;
use domain::event::{Role, SessionOpened};
use domain::ids::UserId;
use domain::limits::SESSION_RATE;
use sqlx::PgConnection;
use uuid::Uuid;

use super::gate_rows::{ACTIVE, ENDED, KIND_SESSION, as_bigint};

pub async fn session_in_tx(
    connection: &mut PgConnection,
    org: Uuid,
    session: &SessionOpened,
    hash: &CredentialHash,
    position: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into gate.credentials (hash, id, org_id, kind, status, scopes, strict, owner_id,
             owner_banned, rate_limit_per_minute, expires_at, position)
         select $1, $2, $3, $4, $5, $6, false, $7,
             exists (select from gate.bans b where b.org_id = $3 and b.user_id = $7),
             $8, $9, $10",
        &hash.as_bytes()[..],
        session.session_id.as_uuid(),
        org,
        KIND_SESSION,
        ACTIVE,
        i16::from(session.role.scopes().bits()),
        session.user_id.as_uuid(),
        as_bigint(SESSION_RATE),
        session.expires_at.datetime(),
        position
    )
    .execute(connection)
    .await
    .map(drop)
}

/// A session may do what its person's role says, whatever it was when the session was opened.
pub async fn member_in_tx(
    connection: &mut PgConnection,
    org: Uuid,
    user: UserId,
    role: Role,
    demoted: bool,
    position: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into gate.members (org_id, user_id, role, position) values ($1, $2, $3, $4)
         on conflict (org_id, user_id) do update
             set role = excluded.role, position = excluded.position",
        org,
        user.as_uuid(),
        role.name(),
        position
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update gate.credentials set scopes = $4, position = $5,
             denied_position = case when $6 then $5 else denied_position end
         where org_id = $1 and owner_id = $2 and kind = $3 and status < $7",
        org,
        user.as_uuid(),
        KIND_SESSION,
        i16::from(role.scopes().bits()),
        position,
        demoted,
        ENDED
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Their sessions end with them, also those that nothing else remembers.
pub async fn left_in_tx(
    connection: &mut PgConnection,
    org: Uuid,
    user: UserId,
    position: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from gate.members where org_id = $1 and user_id = $2",
        org,
        user.as_uuid()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update gate.credentials set status = $4, position = $5, denied_position = $5
         where org_id = $1 and owner_id = $2 and kind = $3 and status < $4",
        org,
        user.as_uuid(),
        KIND_SESSION,
        ENDED,
        position
    )
    .execute(connection)
    .await
    .map(drop)
}

pub async fn ban_in_tx(
    connection: &mut PgConnection,
    org: Uuid,
    user: UserId,
    banned: bool,
    position: i64,
) -> Result<(), sqlx::Error> {
    if banned {
        sqlx::query!(
            "insert into gate.bans (org_id, user_id) values ($1, $2) on conflict do nothing",
            org,
            user.as_uuid()
        )
        .execute(&mut *connection)
        .await?;
    } else {
        sqlx::query!(
            "delete from gate.bans where org_id = $1 and user_id = $2",
            org,
            user.as_uuid()
        )
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query!(
        "update gate.credentials set owner_banned = $3, position = $4,
             denied_position = case when $3 then $4 else denied_position end
         where org_id = $1 and owner_id = $2",
        org,
        user.as_uuid(),
        banned,
        position
    )
    .execute(connection)
    .await
    .map(drop)
}
