//! To whom invitations are.

use domain::credential::CredentialHash;
use domain::ids::{InvitationId, InviteeId, OrgId};
use domain::time::Timestamp;
use sqlx::PgPool;

use super::PeopleError;

/// An invitation, and to whom it is.
pub struct Invitation {
    pub id: InvitationId,
    pub org: OrgId,
    /// As it is stored.
    pub email: String,
}

/// Keeps the address of an invitation that is about to be made; gives the id by which the org's
/// events name that address, which is `invitee` if it is new to the org.
pub async fn add_invitation(
    pool: &PgPool,
    invitation: &Invitation,
    invitee: InviteeId,
    token: &CredentialHash,
    now: Timestamp,
) -> Result<InviteeId, PeopleError> {
    let id = sqlx::query_scalar!(
        "with invitee as (
             insert into auth.invitees (id, org_id, email) values ($1, $2, $3)
             on conflict (org_id, email) do update set email = excluded.email
             returning id
         )
         insert into auth.invitations (id, invitee_id, token_hash, created_at)
         select $4, invitee.id, $5, $6 from invitee
         returning invitee_id",
        invitee.as_uuid(),
        invitation.org.as_uuid(),
        &invitation.email,
        invitation.id.as_uuid(),
        &token.as_bytes()[..],
        now.datetime()
    )
    .fetch_one(pool)
    .await?;
    Ok(InviteeId::from_uuid(id))
}

/// Takes back an invitation that no event names, and its address unless another one is to it.
pub async fn remove_invitation(pool: &PgPool, id: InvitationId) -> Result<(), PeopleError> {
    let mut transaction = pool.begin().await?;
    // Whoever invites such an address again has done so before this, or finds it gone.
    let invitee = sqlx::query_scalar!(
        "select e.id from auth.invitees e
         where e.id in (select i.invitee_id from auth.invitations i where i.id = $1)
         for update",
        id.as_uuid()
    )
    .fetch_optional(&mut *transaction)
    .await?;
    sqlx::query!("delete from auth.invitations where id = $1", id.as_uuid())
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "delete from auth.invitees e where e.id = $1
             and not exists (select from auth.invitations i where i.invitee_id = e.id)",
        invitee
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// The invitation of this id or of this token, whatever became of it.
pub async fn invitation_of(
    pool: &PgPool,
    id: Option<InvitationId>,
    token: Option<&CredentialHash>,
) -> Result<Option<Invitation>, PeopleError> {
    let row = sqlx::query!(
        "select i.id, e.org_id, e.email
         from auth.invitations i join auth.invitees e on e.id = i.invitee_id
         where i.id = $1 or i.token_hash = $2",
        id.map(InvitationId::as_uuid),
        token.map(|token| &token.as_bytes()[..])
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Invitation {
        id: InvitationId::from_uuid(row.id),
        org: OrgId::from_uuid(row.org_id),
        email: row.email,
    }))
}
