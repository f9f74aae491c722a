//! Members and their sessions, without names and addresses: those stand outside the read model.

use domain::event::Role;
use domain::ids::{SessionId, UserId};
use domain::org;
use domain::time::Timestamp;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// A member with their id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub user_id: UserId,
    /// The member, as the write side folds them.
    pub member: org::Member,
    /// Keys that they own and that are active or rotating.
    pub active_keys: u64,
    /// When the first of these ends by itself; `None`: none does.
    pub keys_end_at: Option<Timestamp>,
}

/// Which members; what is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// Of this role.
    pub role: Option<Role>,
    /// Of these persons.
    pub persons: Option<Vec<UserId>>,
}

/// A session that nobody ended, with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// The session, as the write side folds it.
    pub session: org::Session,
    /// The role of its person.
    pub role: Role,
}

struct SessionRow {
    session_id: Uuid,
    user_id: Uuid,
    created_at: chrono::DateTime<chrono::Utc>,
    expires_at: chrono::DateTime<chrono::Utc>,
    role: String,
}

impl OrgReader {
    /// A page of members, those who joined first coming first; `now` decides which keys are active.
    pub async fn members(
        &mut self,
        filter: &MemberFilter,
        now: Timestamp,
        page: Page,
    ) -> Result<Listed<Member>, ReadError> {
        let persons = filter.persons.as_ref().map(|persons| {
            let ids = persons.iter().map(|person| person.as_uuid());
            ids.collect::<Vec<_>>()
        });
        let rows = sqlx::query!(
            r#"SELECT m.user_id, m.role, m.joined_at,
                      k.active AS "active_keys!", k.end_at AS keys_end_at
               FROM members m
               CROSS JOIN LATERAL (
                   SELECT count(*) AS active, min(least(expires_at, overlap_ends_at)) AS end_at
                   FROM api_keys
                   WHERE org_id = $1 AND owner_id = m.user_id AND revoked_at IS NULL
                     AND coalesce(least(expires_at, overlap_ends_at) > $4, true)
               ) k
               WHERE m.org_id = $1
                 AND (m.joined_at, m.user_id) > (coalesce($2, '-infinity'::timestamptz),
                                                 coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid))
                 AND ($5::text IS NULL OR m.role = $5)
                 AND ($6::uuid[] IS NULL OR m.user_id = ANY ($6))
               ORDER BY m.joined_at, m.user_id
               LIMIT $7"#,
            self.org.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            now.datetime(),
            filter.role.map(Role::name),
            persons.as_deref(),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let members: Result<Vec<_>, CorruptRow> = rows
            .into_iter()
            .map(|row| {
                Ok(Member {
                    user_id: UserId::from_uuid(row.user_id),
                    member: org::Member {
                        role: role_of(row.user_id, &row.role)?,
                        joined_at: timestamp(row.joined_at),
                    },
                    active_keys: row.active_keys.unsigned_abs(),
                    keys_end_at: row.keys_end_at.map(timestamp),
                })
            })
            .collect();
        Ok(page.listed(members?, |found| Cursor {
            created_at: found.member.joined_at,
            id: found.user_id.as_uuid(),
        }))
    }

    /// A page of the sessions of a member that live at `now`.
    pub async fn sessions(
        &mut self,
        person: UserId,
        now: Timestamp,
        page: Page,
    ) -> Result<Listed<Session>, ReadError> {
        let rows = sqlx::query_as!(
            SessionRow,
            "SELECT s.session_id, s.user_id, s.created_at, s.expires_at, m.role
             FROM sessions s JOIN members m ON m.org_id = s.org_id AND m.user_id = s.user_id
             WHERE s.org_id = $1 AND s.user_id = $2 AND s.expires_at > $3
               AND (s.created_at, s.session_id) < (coalesce($4, 'infinity'::timestamptz),
                                                   coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
             ORDER BY s.created_at DESC, s.session_id DESC
             LIMIT $6",
            self.org.as_uuid(),
            person.as_uuid(),
            now.datetime(),
            page.after_created_at(),
            page.after_id(),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let sessions: Result<Vec<_>, _> = rows.into_iter().map(SessionRow::into_session).collect();
        Ok(page.listed(sessions?, |found| Cursor {
            created_at: found.session.created_at,
            id: found.id.as_uuid(),
        }))
    }

    /// A session that nobody ended.
    pub async fn session(&mut self, id: SessionId) -> Result<Option<Session>, ReadError> {
        let row = sqlx::query_as!(
            SessionRow,
            "SELECT s.session_id, s.user_id, s.created_at, s.expires_at, m.role
             FROM sessions s JOIN members m ON m.org_id = s.org_id AND m.user_id = s.user_id
             WHERE s.org_id = $1 AND s.session_id = $2",
            self.org.as_uuid(),
            id.as_uuid(),
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        Ok(row.map(SessionRow::into_session).transpose()?)
    }
}

impl SessionRow {
    fn into_session(self) -> Result<Session, CorruptRow> {
        Ok(Session {
            id: SessionId::from_uuid(self.session_id),
            session: org::Session {
                user_id: UserId::from_uuid(self.user_id),
                created_at: timestamp(self.created_at),
                expires_at: timestamp(self.expires_at),
                ended: None,
            },
            role: role_of(self.user_id, &self.role)?,
        })
    }
}

fn role_of(person: Uuid, name: &str) -> Result<Role, CorruptRow> {
    let row = Row {
        table: "members",
        key: person,
    };
    row.named("role", name)
}
