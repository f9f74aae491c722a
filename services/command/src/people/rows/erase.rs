//! Deleting what is known of a person.

use domain::ids::{InvitationId, InviteeId, OrgId, UserId};
use sqlx::PgPool;

use super::super::PeopleError;

/// Invitations to a person's address, open or not, the newest first: no more of them can be open.
const NEWEST: i64 = 1_000;

/// The newest invitations to the person's address.
pub async fn invitations_to(
    pool: &PgPool,
    person: UserId,
) -> Result<Vec<(OrgId, InvitationId)>, PeopleError> {
    let rows = sqlx::query!(
        "select e.org_id, i.id from auth.users u
         join auth.invitees e on e.email = u.email
         join auth.invitations i on i.invitee_id = e.id
         where u.id = $1 order by i.created_at desc limit $2",
        person.as_uuid(),
        NEWEST
    )
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter();
    let rows = rows.map(|row| {
        (
            OrgId::from_uuid(row.org_id),
            InvitationId::from_uuid(row.id),
        )
    });
    Ok(rows.collect())
}

/// What orgs know the person's address by.
pub async fn invitees_of(pool: &PgPool, person: UserId) -> Result<Vec<InviteeId>, PeopleError> {
    let invitees = sqlx::query_scalar!(
        "select e.id from auth.users u join auth.invitees e on e.email = u.email where u.id = $1",
        person.as_uuid()
    )
    .fetch_all(pool)
    .await?;
    Ok(invitees.into_iter().map(InviteeId::from_uuid).collect())
}

/// Deletes invited addresses, and with them all invitations to them.
pub async fn erase_invitees(pool: &PgPool, invitees: &[InviteeId]) -> Result<(), PeopleError> {
    let invitees: Vec<_> = invitees.iter().map(|invitee| invitee.as_uuid()).collect();
    sqlx::query!("delete from auth.invitees where id = any($1)", &invitees)
        .execute(pool)
        .await?;
    Ok(())
}

/// Deletes a person and all rows that tell of them; false if they belong to an org, unless that does
/// not matter.
pub async fn erase(pool: &PgPool, person: UserId, even_members: bool) -> Result<bool, PeopleError> {
    let mut tx = pool.begin().await?;
    // Whoever adds a session or answers an invitation of theirs has done so before this, or finds
    // nobody after it.
    sqlx::query_scalar!(
        "select id from auth.users where id = $1 for update",
        person.as_uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let belongs = sqlx::query_scalar!(
        r#"select exists (select from gate.members where user_id = $1) as "belongs!""#,
        person.as_uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    if belongs && !even_members {
        return Ok(false);
    }
    sqlx::query!(
        "delete from auth.invitees where email = (select email from auth.users where id = $1)",
        person.as_uuid()
    )
    .execute(&mut *tx)
    .await?;
    // Sessions go with the person.
    sqlx::query!("delete from auth.users where id = $1", person.as_uuid())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Frees what deleted rows took. Only their owner may: whoever may not leaves it to autovacuum.
pub async fn vacuum(pool: &PgPool) {
    // A statement that cannot be prepared, and so not checked either.
    let vacuum = "vacuum auth.users, auth.invitees, auth.invitations, auth.sessions,
        auth.subject_keys, log.idempotency";
    if let Err(error) = sqlx::raw_sql(vacuum).execute(pool).await {
        let error = runtime::telemetry::chain(&error);
        tracing::warn!(%error, "what was erased was not vacuumed");
    }
}
