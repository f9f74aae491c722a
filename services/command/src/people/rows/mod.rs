//! The rows of `auth.*`, and of what the log keeps beside itself about members.

mod erase;
mod invitations;
mod sessions;
mod setup;

use domain::email::Email;
use domain::event::Role;
use domain::ids::{OrgId, SessionId, UserId};
use domain::text::Name;
use domain::time::Timestamp;
use gate::Person;
use sqlx::PgPool;
use uuid::Uuid;

pub use self::erase::{erase, erase_invitees, invitations_to, invitees_of, vacuum};
pub use self::invitations::{Invitation, add_invitation, invitation_of, remove_invitation};
pub use self::sessions::{NewRow, add_session, orgs_with_sessions, remove_session};
pub use self::setup::{
    Claim, add_setup_token, anybody_belongs, claim_setup, end_setup, release_setup,
};
use super::PeopleError;
use super::password::PasswordHash;

/// An org of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgOfPerson {
    /// The org.
    pub id: OrgId,
    /// What people call it.
    pub name: String,
    /// The person's role there.
    pub role: Role,
    /// Whether they are let in: neither is the org suspended, nor are they banned there.
    pub is_open: bool,
}

/// Who signs in, and what must fit.
pub struct Known {
    pub id: UserId,
    pub hash: PasswordHash,
    /// Where they opened their last session.
    pub last_org: Option<OrgId>,
}

pub async fn person(pool: &PgPool, id: UserId) -> Result<Option<Person>, PeopleError> {
    let row = sqlx::query!(
        "select name, email from auth.users where id = $1",
        id.as_uuid()
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Person {
        name: row.name,
        email: row.email,
    }))
}

pub async fn by_email(pool: &PgPool, email: &Email) -> Result<Option<Known>, PeopleError> {
    let row = sqlx::query!(
        "select id, password_hash, last_org_id from auth.users where email = $1",
        email.as_str()
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Known {
        id: UserId::from_uuid(row.id),
        hash: PasswordHash::stored(row.password_hash),
        last_org: row.last_org_id.map(OrgId::from_uuid),
    }))
}

/// False if the address has a person already.
pub async fn add(
    pool: &PgPool,
    id: UserId,
    email: &Email,
    name: &Name,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<bool, PeopleError> {
    let added = sqlx::query!(
        "insert into auth.users (id, email, name, password_hash, created_at)
         values ($1, $2, $3, $4, $5) on conflict (email) do nothing",
        id.as_uuid(),
        email.as_str(),
        name.as_str(),
        hash.as_stored(),
        now.datetime()
    )
    .execute(pool)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// The person of an address, made or made anew.
pub async fn put(
    pool: &PgPool,
    id: UserId,
    email: &Email,
    name: &Name,
    hash: &PasswordHash,
    now: Timestamp,
) -> Result<UserId, PeopleError> {
    let id = sqlx::query_scalar!(
        "insert into auth.users (id, email, name, password_hash, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (email) do update
             set name = excluded.name, password_hash = excluded.password_hash
         returning id",
        id.as_uuid(),
        email.as_str(),
        name.as_str(),
        hash.as_stored(),
        now.datetime()
    )
    .fetch_one(pool)
    .await?;
    Ok(UserId::from_uuid(id))
}

/// Takes back a person whom nothing names: they belong to nothing, and nobody but perhaps the caller,
/// whose session that is, is about to let them in.
pub async fn remove(
    pool: &PgPool,
    id: UserId,
    session: Option<SessionId>,
) -> Result<(), PeopleError> {
    let mut transaction = pool.begin().await?;
    // Whoever adds a session of theirs has done so before this, or finds nobody after it.
    sqlx::query_scalar!(
        "select id from auth.users where id = $1 for update",
        id.as_uuid()
    )
    .fetch_optional(&mut *transaction)
    .await?;
    sqlx::query!(
        "delete from auth.users u where u.id = $1
             and not exists (select from gate.members m where m.user_id = u.id)
             and not exists (
                 select from auth.sessions s where s.user_id = u.id and s.id is distinct from $2)",
        id.as_uuid(),
        session.map(SessionId::as_uuid)
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

pub async fn hash_of(pool: &PgPool, id: UserId) -> Result<Option<PasswordHash>, PeopleError> {
    let hash = sqlx::query_scalar!(
        "select password_hash from auth.users where id = $1",
        id.as_uuid()
    )
    .fetch_optional(pool)
    .await?;
    Ok(hash.map(PasswordHash::stored))
}

pub async fn set_password(
    pool: &PgPool,
    id: UserId,
    hash: &PasswordHash,
) -> Result<(), PeopleError> {
    sqlx::query!(
        "update auth.users set password_hash = $2 where id = $1",
        id.as_uuid(),
        hash.as_stored()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// False if it was changed meanwhile.
pub async fn change_password(
    pool: &PgPool,
    id: UserId,
    from: &PasswordHash,
    to: &PasswordHash,
) -> Result<bool, PeopleError> {
    let changed = sqlx::query!(
        "update auth.users set password_hash = $3 where id = $1 and password_hash = $2",
        id.as_uuid(),
        from.as_stored(),
        to.as_stored()
    )
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}

pub async fn orgs_of(pool: &PgPool, person: UserId) -> Result<Vec<OrgOfPerson>, PeopleError> {
    let rows = sqlx::query!(
        r#"select m.org_id, m.role, o.name,
             not o.suspended and not exists (
                 select from gate.bans b where b.org_id = m.org_id and b.user_id = m.user_id
             ) as "is_open!"
         from gate.members m join gate.orgs o on o.org_id = m.org_id
         where m.user_id = $1 order by o.name, m.org_id"#,
        person.as_uuid()
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(OrgOfPerson {
                id: OrgId::from_uuid(row.org_id),
                name: row.name,
                role: role(&row.role, row.org_id)?,
                is_open: row.is_open,
            })
        })
        .collect()
}

fn role(name: &str, org: Uuid) -> Result<Role, PeopleError> {
    name.parse().map_err(|_| PeopleError::Corrupt {
        table: "gate.members",
        column: "role",
        key: org,
    })
}

/// The org to be signed in to the next time.
pub async fn note_org(pool: &PgPool, person: UserId, org: OrgId) -> Result<(), PeopleError> {
    sqlx::query!(
        "update auth.users set last_org_id = $2 where id = $1 and last_org_id is distinct from $2",
        person.as_uuid(),
        org.as_uuid()
    )
    .execute(pool)
    .await?;
    Ok(())
}
