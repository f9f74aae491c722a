//! What the primary keeps of people beside the log: who they are, from where they call, where they
//! belong. For query services, which reach it through functions that tell of one org or one person.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::event::Role;
use domain::ids::{InvitationId, OrgId, SessionId, UserId};
use domain::time::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use super::StoreError;

/// Who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// What others call them.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// From where a session was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionPlace {
    /// The address.
    pub ip: String,
    /// What the client said it is.
    pub user_agent: Option<String>,
}

/// An invitation to a person's address; whether it is open the projection says.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The invitation.
    pub id: InvitationId,
    /// Who invites.
    pub org: OrgId,
    /// That org's name.
    pub org_name: String,
    /// The address.
    pub email: String,
}

/// Those of these persons who belong to the org, and were not erased.
pub async fn people(
    pool: &PgPool,
    org: OrgId,
    persons: &[UserId],
) -> Result<HashMap<UserId, Person>, StoreError> {
    let persons: Vec<Uuid> = persons.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select id as "id!", name as "name!", email as "email!" from auth.people($1, $2)"#,
        org.as_uuid(),
        &persons
    )
    .fetch_all(pool)
    .await?;
    let person = |name, email| Person { name, email };
    Ok(rows
        .into_iter()
        .map(|row| (UserId::from_uuid(row.id), person(row.name, row.email)))
        .collect())
}

/// Members of the org with this in their name; `by_email`: or in their address.
pub async fn find_people(
    pool: &PgPool,
    org: OrgId,
    part: &str,
    by_email: bool,
) -> Result<Vec<UserId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"select id as "id!" from auth.find_people($1, $2, $3)"#,
        org.as_uuid(),
        part,
        by_email
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

/// To whom these invitations of the org are.
pub async fn invited(
    pool: &PgPool,
    org: OrgId,
    invitations: &[InvitationId],
) -> Result<HashMap<InvitationId, String>, StoreError> {
    let ids: Vec<Uuid> = invitations.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select id as "id!", email as "email!" from auth.invited($1, $2)"#,
        org.as_uuid(),
        &ids
    )
    .fetch_all(pool)
    .await?;
    let of = |id| InvitationId::from_uuid(id);
    Ok(rows
        .into_iter()
        .map(|row| (of(row.id), row.email))
        .collect())
}

/// Invitations of the last days to a person's address, of whatever org, open or not; of each org the
/// newest ones.
pub async fn received(pool: &PgPool, person: UserId) -> Result<Vec<Received>, StoreError> {
    let rows = sqlx::query!(
        r#"select id as "id!", org_id as "org_id!", org_name as "org_name!", email as "email!"
           from auth.received($1)"#,
        person.as_uuid()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Received {
            id: InvitationId::from_uuid(row.id),
            org: OrgId::from_uuid(row.org_id),
            org_name: row.org_name,
            email: row.email,
        })
        .collect())
}

/// The orgs that a person belongs to, and their roles there.
pub async fn orgs_of(pool: &PgPool, person: UserId) -> Result<HashMap<OrgId, Role>, StoreError> {
    let rows = sqlx::query!(
        r#"select org_id as "org_id!", role as "role!" from auth.orgs_of($1)"#,
        person.as_uuid()
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let role = row.role.parse().map_err(|_| StoreError::Corrupt {
                table: "gate.members",
                column: "role",
                key: row.org_id,
            });
            Ok((OrgId::from_uuid(row.org_id), role?))
        })
        .collect()
}

/// From where these sessions of the org were opened, as long as that is kept.
pub async fn session_places(
    pool: &PgPool,
    org: OrgId,
    sessions: &[SessionId],
) -> Result<HashMap<SessionId, SessionPlace>, StoreError> {
    let ids: Vec<Uuid> = sessions.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select id as "id!", ip as "ip!", user_agent from auth.session_places($1, $2)"#,
        org.as_uuid(),
        &ids
    )
    .fetch_all(pool)
    .await?;
    let place = |ip, user_agent| SessionPlace { ip, user_agent };
    Ok(rows
        .into_iter()
        .map(|row| (SessionId::from_uuid(row.id), place(row.ip, row.user_agent)))
        .collect())
}

/// When these persons last used a session of the org, at most 60 s late; who never did is left out.
pub async fn last_seen(
    pool: &PgPool,
    org: OrgId,
    persons: &[UserId],
) -> Result<HashMap<UserId, Timestamp>, StoreError> {
    let persons: Vec<Uuid> = persons.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select user_id as "user_id!", last_seen_at as "at!" from gate.last_seen($1, $2)"#,
        org.as_uuid(),
        &persons
    )
    .fetch_all(pool)
    .await?;
    let at = |at: DateTime<Utc>| Timestamp::from_datetime(at);
    Ok(rows
        .into_iter()
        .map(|row| (UserId::from_uuid(row.user_id), at(row.at)))
        .collect())
}
