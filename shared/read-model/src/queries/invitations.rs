//! Invitations, without their addresses: those stand outside the read model.

use chrono::TimeDelta;
use domain::event::Actor;
use domain::ids::{InvitationId, InviteeId};
use domain::limits::INVITATION_DAYS;
use domain::org::{self, InvitationStatus};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// No open invitation is older, whatever clocks say.
const OPEN_WITHIN: TimeDelta = TimeDelta::days(INVITATION_DAYS + 1);

/// An invitation with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The invitation's id.
    pub id: InvitationId,
    /// The invitation, as the write side folds it.
    pub invitation: org::Invitation,
}

pub(crate) struct InvitationRow {
    pub invitation_id: Uuid,
    pub org_id: Uuid,
    pub invitee_id: Uuid,
    pub role: String,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub invited_by: String,
    pub expires_at: chrono::DateTime<chrono::Utc>,
    pub closed: Option<String>,
}

impl OrgReader {
    /// A page of invitations of these statuses at `now`.
    pub async fn invitations(
        &mut self,
        statuses: &[InvitationStatus],
        now: Timestamp,
        page: Page,
    ) -> Result<Listed<Invitation>, ReadError> {
        let statuses: Vec<String> = statuses.iter().map(|it| it.name().to_owned()).collect();
        let rows = sqlx::query_as!(
            InvitationRow,
            "SELECT invitation_id, org_id, invitee_id, role, created_at, invited_by, expires_at,
                    closed
             FROM invitations
             WHERE org_id = $1
               AND (created_at, invitation_id) < (coalesce($2, 'infinity'::timestamptz),
                                                  coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
               AND coalesce(closed, CASE WHEN expires_at <= $4 THEN 'expired' ELSE 'pending' END)
                   = ANY ($5::text[])
             ORDER BY created_at DESC, invitation_id DESC
             LIMIT $6",
            self.org.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            now.datetime(),
            &statuses,
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        Ok(page.listed(read(rows)?, |found| Cursor {
            created_at: found.invitation.created_at,
            id: found.id.as_uuid(),
        }))
    }

    /// When the next of the invitations that are open at `now` expires.
    pub async fn next_invitation_end(
        &mut self,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ReadError> {
        let end = sqlx::query_scalar!(
            "SELECT min(expires_at) FROM invitations
             WHERE org_id = $1 AND closed IS NULL AND expires_at > $2 AND created_at > $3",
            self.org.as_uuid(),
            now.datetime(),
            now.minus(OPEN_WITHIN).datetime(),
        )
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(end.map(timestamp))
    }

    /// Those of these invitations that are the org's, of any status and in no order.
    pub async fn invitations_by_id(
        &mut self,
        ids: &[InvitationId],
    ) -> Result<Vec<Invitation>, ReadError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows = rows(&mut self.tx, &ids).await?;
        let own = rows
            .into_iter()
            .filter(|row| row.org_id == self.org.as_uuid());
        Ok(read(own.collect())?)
    }
}

/// The rows of invitations.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<InvitationRow>, sqlx::Error> {
    sqlx::query_as!(
        InvitationRow,
        "SELECT invitation_id, org_id, invitee_id, role, created_at, invited_by, expires_at, closed
         FROM invitations WHERE invitation_id = ANY ($1)",
        ids,
    )
    .fetch_all(connection)
    .await
}

fn read(rows: Vec<InvitationRow>) -> Result<Vec<Invitation>, CorruptRow> {
    let read = rows.into_iter().map(|row| {
        let (id, invitation) = row.into_invitation()?;
        Ok(Invitation { id, invitation })
    });
    read.collect()
}

impl InvitationRow {
    pub fn into_invitation(self) -> Result<(InvitationId, org::Invitation), CorruptRow> {
        let row = Row {
            table: "invitations",
            key: self.invitation_id,
        };
        let invitation = org::Invitation {
            invitee_id: InviteeId::from_uuid(self.invitee_id),
            role: row.named("role", &self.role)?,
            created_at: timestamp(self.created_at),
            invited_by: row.read("invited_by", &self.invited_by, str::parse::<Actor>)?,
            expires_at: timestamp(self.expires_at),
            closed: row.named_optional("closed", self.closed.as_deref())?,
        };
        Ok((InvitationId::from_uuid(self.invitation_id), invitation))
    }
}
