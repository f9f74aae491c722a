//! API keys as people see them.

use domain::event::{Actor, RevocationReason};
use domain::ids::{GlobalPosition, KeyId, OrgId};
use domain::org::{Denial, Key, KeyStatus};
use domain::scope::Scopes;
use domain::text::Name;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;
use crate::text::containing;

/// A key with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's id.
    pub id: KeyId,
    /// The key, as the write side folds it.
    pub key: Key,
}

/// Which keys; what is `None` does not restrict.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// Of these statuses at the instant of asking.
    pub statuses: Vec<KeyStatus>,
    /// Made by this person or key.
    pub created_by: Option<Uuid>,
    /// Owned by this person.
    pub owner_id: Option<Uuid>,
    /// Whose name or prefix contains this, case aside.
    pub search: Option<String>,
    /// That end before this instant.
    pub expires_before: Option<Timestamp>,
}

impl Default for KeyFilter {
    /// All but revoked keys.
    fn default() -> Self {
        Self {
            statuses: vec![KeyStatus::Active, KeyStatus::Rotating, KeyStatus::Expired],
            created_by: None,
            owner_id: None,
            search: None,
            expires_before: None,
        }
    }
}

pub(crate) struct KeyRow {
    pub key_id: Uuid,
    pub org_id: Uuid,
    pub name: String,
    pub prefix: String,
    pub scopes: i16,
    pub strict: bool,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub created_by: String,
    pub owner_id: Option<Uuid>,
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
    pub ip_allowlist: Option<Vec<String>>,
    pub rate_limit_per_minute: i64,
    pub replaced_by: Option<Uuid>,
    pub overlap_ends_at: Option<chrono::DateTime<chrono::Utc>>,
    pub replaces: Option<Uuid>,
    pub revoked_at: Option<chrono::DateTime<chrono::Utc>>,
    pub revoked_position: Option<i64>,
    pub revoked_by: Option<String>,
    pub revoked_reason: Option<String>,
    pub narrowed_at: Option<chrono::DateTime<chrono::Utc>>,
    pub narrowed_position: Option<i64>,
    pub narrowed_by: Option<String>,
}

impl OrgReader {
    /// A page of keys; `now` decides on their status.
    pub async fn api_keys(
        &mut self,
        filter: &KeyFilter,
        now: Timestamp,
        page: Page,
    ) -> Result<Listed<ApiKey>, ReadError> {
        let makers = filter
            .created_by
            .map(|id| vec![format!("user:{id}"), format!("key:{id}")]);
        let statuses: Vec<String> = filter
            .statuses
            .iter()
            .map(|it| it.name().to_owned())
            .collect();
        let rows = sqlx::query_as!(
            KeyRow,
            "SELECT key_id, org_id, name, prefix, scopes, strict, created_at, created_by, owner_id,
                    expires_at, ip_allowlist, rate_limit_per_minute, replaced_by, overlap_ends_at,
                    replaces, revoked_at, revoked_position, revoked_by, revoked_reason,
                    narrowed_at, narrowed_position, narrowed_by
             FROM api_keys
             WHERE org_id = $1
               AND (created_at, key_id) < (coalesce($2, 'infinity'::timestamptz),
                                           coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
               AND CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
                        WHEN least(expires_at, overlap_ends_at) <= $4 THEN 'expired'
                        WHEN replaced_by IS NOT NULL THEN 'rotating'
                        ELSE 'active' END = ANY ($5::text[])
               AND ($6::text[] IS NULL OR created_by = ANY ($6))
               AND ($7::uuid IS NULL OR owner_id = $7)
               AND ($8::timestamptz IS NULL OR least(expires_at, overlap_ends_at) < $8)
               AND search LIKE $9
             ORDER BY created_at DESC, key_id DESC
             LIMIT $10",
            self.org.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            now.datetime(),
            &statuses,
            makers.as_deref(),
            filter.owner_id,
            filter.expires_before.map(Timestamp::datetime),
            containing(filter.search.as_deref()),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let keys: Result<Vec<_>, _> = rows.into_iter().map(KeyRow::into_key).collect();
        Ok(page.listed(keys?, |key| Cursor {
            created_at: key.key.created_at,
            id: key.id.as_uuid(),
        }))
    }

    /// Those of these keys that are the org's, of any status and in no order.
    pub async fn api_keys_by_id(&mut self, ids: &[KeyId]) -> Result<Vec<ApiKey>, ReadError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows = rows(&mut self.tx, &[self.org.as_uuid()], &ids).await?;
        let keys: Result<Vec<_>, _> = rows.into_iter().map(KeyRow::into_key).collect();
        Ok(keys?)
    }

    /// A key of any status.
    pub async fn api_key(&mut self, id: KeyId) -> Result<Option<ApiKey>, ReadError> {
        let rows = rows(&mut self.tx, &[self.org.as_uuid()], &[id.as_uuid()]).await?;
        Ok(rows.into_iter().next().map(KeyRow::into_key).transpose()?)
    }
}

/// The rows of keys, of these orgs alone.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    orgs: &[Uuid],
    ids: &[Uuid],
) -> Result<Vec<KeyRow>, sqlx::Error> {
    sqlx::query_as!(
        KeyRow,
        "SELECT key_id, org_id, name, prefix, scopes, strict, created_at, created_by, owner_id,
                expires_at, ip_allowlist, rate_limit_per_minute, replaced_by, overlap_ends_at,
                replaces, revoked_at, revoked_position, revoked_by, revoked_reason,
                narrowed_at, narrowed_position, narrowed_by
         FROM api_keys WHERE key_id = ANY ($2) AND org_id = ANY ($1)",
        orgs,
        ids,
    )
    .fetch_all(connection)
    .await
}

impl KeyRow {
    pub fn org(&self) -> OrgId {
        OrgId::from_uuid(self.org_id)
    }

    pub fn into_key(self) -> Result<ApiKey, CorruptRow> {
        let row = Row {
            table: "api_keys",
            key: self.key_id,
        };
        let allowlist = self.ip_allowlist.map(|list| {
            let networks: Result<Vec<_>, _> = list.iter().map(|text| text.parse()).collect();
            networks.map_err(|_| row.corrupt("ip_allowlist"))
        });
        let revoked = match (self.revoked_at, self.revoked_position, self.revoked_by) {
            (Some(at), Some(position), Some(by)) => Some(Denial {
                at: timestamp(at),
                position: position_of(row, "revoked_position", position)?,
                by: row.read("revoked_by", &by, str::parse::<Actor>)?,
                reason: row.named_optional::<RevocationReason>(
                    "revoked_reason",
                    self.revoked_reason.as_deref(),
                )?,
            }),
            _ => None,
        };
        let narrowed = match (self.narrowed_at, self.narrowed_position, self.narrowed_by) {
            (Some(at), Some(position), Some(by)) => Some(Denial {
                at: timestamp(at),
                position: position_of(row, "narrowed_position", position)?,
                by: row.read("narrowed_by", &by, str::parse::<Actor>)?,
                reason: None,
            }),
            _ => None,
        };
        let scopes = u8::try_from(self.scopes).map_err(|_| row.corrupt("scopes"))?;
        let rate = u64::try_from(self.rate_limit_per_minute);
        let key = Key {
            name: row.read("name", &self.name, Name::parse)?,
            prefix: self.prefix,
            scopes: Scopes::from_bits(scopes),
            strict: self.strict,
            created_at: timestamp(self.created_at),
            created_by: row.read("created_by", &self.created_by, str::parse::<Actor>)?,
            owner_id: self.owner_id.map(domain::ids::UserId::from_uuid),
            expires_at: self.expires_at.map(timestamp),
            ip_allowlist: allowlist.transpose()?,
            rate_limit_per_minute: rate.map_err(|_| row.corrupt("rate_limit_per_minute"))?,
            replaced_by: self
                .replaced_by
                .map(KeyId::from_uuid)
                .zip(self.overlap_ends_at.map(timestamp)),
            replaces: self.replaces.map(KeyId::from_uuid),
            revoked,
            narrowed,
        };
        Ok(ApiKey {
            id: KeyId::from_uuid(self.key_id),
            key,
        })
    }
}

fn position_of(
    row: Row<Uuid>,
    column: &'static str,
    position: i64,
) -> Result<GlobalPosition, CorruptRow> {
    GlobalPosition::try_from_i64(position).ok_or_else(|| row.corrupt(column))
}
