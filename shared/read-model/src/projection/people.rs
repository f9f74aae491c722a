//! Members, invitations and sessions.

use chrono::TimeDelta;
use domain::ids::{InvitationId, OrgId, SessionId, UserId};
use domain::limits::SESSION_REMEMBERED_DAYS;
use domain::org::{Closed, Invitation, Member, Session};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::store::each;
use super::touched::{Touched, ids};
use crate::queries::columns::{Row, timestamp};
use crate::queries::invitations;

impl Decisions {
    pub(super) async fn load_people(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        self.load_members(connection, touched).await?;
        self.load_invitations(connection, touched).await?;
        self.load_sessions(connection, touched).await
    }

    async fn load_invitations(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.invitations.is_empty() {
            return Ok(());
        }
        let found = invitations::rows(connection, &ids(&touched.invitations)).await?;
        for row in found {
            let org = OrgId::from_uuid(row.org_id);
            let (id, invitation) = row.into_invitation()?;
            let state = self.states.entry(org).or_default();
            state.invitations.insert(id, invitation);
        }
        Ok(())
    }

    async fn load_sessions(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.sessions.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query!(
            "SELECT session_id, org_id, user_id, created_at, expires_at
             FROM sessions WHERE session_id = ANY ($1)",
            &ids(&touched.sessions),
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let session = Session {
                user_id: UserId::from_uuid(row.user_id),
                created_at: timestamp(row.created_at),
                expires_at: timestamp(row.expires_at),
                ended: None,
            };
            let state = self.states.entry(OrgId::from_uuid(row.org_id)).or_default();
            let id = SessionId::from_uuid(row.session_id);
            state.sessions.insert(id, session);
        }
        Ok(())
    }

    pub(super) async fn store_people(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        self.store_members(connection).await?;
        self.store_invitations(connection).await?;
        self.store_sessions(connection).await
    }

    async fn load_members(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.members.is_empty() {
            return Ok(());
        }
        let (orgs, users): (Vec<Uuid>, Vec<Uuid>) = touched.members.iter().copied().unzip();
        let rows = sqlx::query!(
            "SELECT m.org_id, m.user_id, m.role, m.joined_at
             FROM unnest($1::uuid[], $2::uuid[]) AS u (org_id, user_id)
             JOIN members m ON m.org_id = u.org_id AND m.user_id = u.user_id",
            &orgs,
            &users,
        )
        .fetch_all(&mut *connection)
        .await?;
        for row in rows {
            let named = Row {
                table: "members",
                key: row.user_id,
            };
            let member = Member {
                role: named.named("role", &row.role)?,
                joined_at: timestamp(row.joined_at),
            };
            let state = self.states.entry(OrgId::from_uuid(row.org_id)).or_default();
            state.members.insert(UserId::from_uuid(row.user_id), member);
        }
        Ok(())
    }

    async fn store_members(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        if self.members.is_empty() {
            return Ok(());
        }
        let (mut orgs, mut users, mut roles, mut joined) = (vec![], vec![], vec![], vec![]);
        let (mut gone_orgs, mut gone_users) = (vec![], vec![]);
        for (org, user) in &self.members {
            let state = self.states.get(&OrgId::from_uuid(*org));
            let member = state.and_then(|state| state.members.get(&UserId::from_uuid(*user)));
            let Some(member) = member else {
                gone_orgs.push(*org);
                gone_users.push(*user);
                continue;
            };
            orgs.push(*org);
            users.push(*user);
            roles.push(member.role.name().to_owned());
            joined.push(member.joined_at.datetime());
        }
        sqlx::query!(
            "WITH gone AS (
                 DELETE FROM members WHERE (org_id, user_id) IN
                     (SELECT * FROM unnest($5::uuid[], $6::uuid[]))
             )
             INSERT INTO members (org_id, user_id, role, joined_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
             ON CONFLICT (org_id, user_id) DO UPDATE SET
                    role = excluded.role, joined_at = excluded.joined_at",
            &orgs,
            &users,
            &roles,
            &joined,
            &gone_orgs,
            &gone_users,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn store_invitations(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, Invitation)> = Vec::new();
        for (id, org) in &self.invitations {
            let state = self.states.get(org);
            let found = state.and_then(|it| it.invitations.get(&InvitationId::from_uuid(*id)));
            rows.extend(found.map(|invitation| (*id, org.as_uuid(), *invitation)));
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO invitations (invitation_id, org_id, invitee_id, role, created_at,
                    invited_by, expires_at, closed)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[],
                    $5::timestamptz[], $6::text[], $7::timestamptz[], $8::text[])
             ON CONFLICT (invitation_id) DO UPDATE SET closed = excluded.closed",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, _)| *org),
            &each(&rows, |(.., it)| it.invitee_id.as_uuid()),
            &each(&rows, |(.., it)| it.role.name()) as &[&str],
            &each(&rows, |(.., it)| it.created_at.datetime()),
            &each(&rows, |(.., it)| it.invited_by.to_string()),
            &each(&rows, |(.., it)| it.expires_at.datetime()),
            &each(&rows, |(.., it)| it.closed.map(Closed::name)) as &[Option<&str>],
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// What somebody ended goes, and so does what is long over by the date.
    async fn store_sessions(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let Some(at) = self.sessions_at else {
            return Ok(());
        };
        let mut rows: Vec<(Uuid, Uuid, Session)> = Vec::new();
        let (mut gone, mut orgs) = (vec![], vec![]);
        for (id, org) in &self.sessions {
            let state = self.states.get(org);
            let found = state.and_then(|it| it.sessions.get(&SessionId::from_uuid(*id)));
            match found.filter(|session| session.ended.is_none()) {
                Some(session) => rows.push((*id, org.as_uuid(), *session)),
                None => gone.push(*id),
            }
            orgs.push(org.as_uuid());
        }
        let over = at.minus(TimeDelta::days(SESSION_REMEMBERED_DAYS));
        sqlx::query!(
            "WITH gone AS (
                 DELETE FROM sessions
                 WHERE session_id = ANY ($6) OR org_id = ANY ($7) AND expires_at <= $8
             )
             INSERT INTO sessions (session_id, org_id, user_id, created_at, expires_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[],
                    $5::timestamptz[])
             ON CONFLICT (session_id) DO NOTHING",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, _)| *org),
            &each(&rows, |(.., it)| it.user_id.as_uuid()),
            &each(&rows, |(.., it)| it.created_at.datetime()),
            &each(&rows, |(.., it)| it.expires_at.datetime()),
            &gone,
            &orgs,
            over.datetime(),
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
