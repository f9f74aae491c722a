use std::collections::HashMap;
use std::time::Duration;

use domain::credential::CredentialHash;
use domain::ids::{GlobalPosition, LogEpoch};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::StoreError;
use super::rows::{CredentialColumns, OrgColumns, position, term};
use crate::bus::MacKey;
use crate::core::entry::{CredentialRow, OrgRow};

/// Blocks of one page, about 5,000 credentials: enough that the statement's cost does not show, few
/// enough that the page's memory does not either.
const PAGE_BLOCKS: i64 = 100;

/// Credentials and their orgs' rows.
pub type Page = Vec<(CredentialHash, CredentialRow, OrgRow)>;

/// R0 LOAD: one REPEATABLE READ snapshot of the primary, read page by page.
#[derive(Debug)]
pub struct Snapshot {
    /// The life of the log.
    pub epoch: LogEpoch,
    /// Every auth event up to here is in the rows.
    pub auth_position: GlobalPosition,
    /// The newest event of all.
    pub position: GlobalPosition,
    /// Every denial up to here holds everywhere.
    pub settled: GlobalPosition,
    /// The longest lease term that may register.
    pub longest_term: Duration,
    /// The key of the gate's messages on NATS.
    pub bus_key: MacKey,
    connection: PgConnection,
    orgs: HashMap<Uuid, OrgRow>,
    next_block: i64,
    blocks: i64,
}

impl Snapshot {
    /// Takes the snapshot and reads the orgs, on a connection of its own: who gives it up closes
    /// it, and no pool waits for what was asked of it.
    pub async fn begin(pool: &PgPool) -> Result<Self, StoreError> {
        let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
        sqlx::raw_sql("begin isolation level repeatable read read only")
            .execute(&mut connection)
            .await?;
        let state = sqlx::query!(
            r#"select auth_position as "auth_position!", position as "position!",
                   epoch as "epoch!", settled as "settled!", lease_max_ms as "lease_max_ms!",
                   bus_key as "bus_key!", in_recovery as "in_recovery!"
               from gate.state()"#
        )
        .fetch_one(&mut connection)
        .await?;
        if state.in_recovery {
            return Err(StoreError::Standby);
        }
        let rows = sqlx::query!(
            r#"select org_id as "org_id!", plan as "plan!", requests_per_day,
                   requests_per_minute_per_key, suspended as "suspended!"
               from gate.load_orgs()"#
        )
        .fetch_all(&mut connection)
        .await?;
        let mut orgs = HashMap::with_capacity(rows.len());
        for row in rows {
            let columns = OrgColumns {
                plan: row.plan,
                requests_per_day: row.requests_per_day,
                requests_per_minute_per_key: row.requests_per_minute_per_key,
                suspended: row.suspended,
                // Of a suspended org nothing is loaded.
                denied_position: 0,
            };
            orgs.insert(row.org_id, columns.into_row(row.org_id)?);
        }
        let blocks = sqlx::query_scalar!(r#"select gate.credential_blocks() as "blocks!""#)
            .fetch_one(&mut connection)
            .await?;
        Ok(Self {
            epoch: LogEpoch::from_uuid(state.epoch),
            auth_position: position(state.auth_position),
            position: position(state.position),
            settled: position(state.settled),
            longest_term: term(state.lease_max_ms),
            bus_key: MacKey::new(&state.bus_key),
            connection,
            orgs,
            next_block: 0,
            blocks,
        })
    }

    /// The next credentials that may act now, perhaps none of them; nothing after the last.
    pub async fn page(&mut self) -> Result<Option<Page>, StoreError> {
        if self.next_block >= self.blocks {
            return Ok(None);
        }
        let rows = sqlx::query!(
            r#"select hash as "hash!", id as "id!", org_id as "org_id!", kind as "kind!",
                   status as "status!", scopes as "scopes!", strict as "strict!", owner_id,
                   owner_banned as "owner_banned!",
                   rate_limit_per_minute as "rate_limit_per_minute!",
                   ip_allowlist, expires_at, overlap_ends_at, denied_position as "denied_position!"
               from gate.load_credentials($1, $2)"#,
            self.next_block,
            PAGE_BLOCKS
        )
        .fetch_all(&mut self.connection)
        .await?;
        self.next_block += PAGE_BLOCKS;
        let mut page = Vec::with_capacity(rows.len());
        for row in rows {
            let corrupt = |column| StoreError::Corrupt {
                table: "gate.credentials",
                column,
                key: row.id,
            };
            let hash = row
                .hash
                .as_slice()
                .try_into()
                .map_err(|_| corrupt("hash"))?;
            let org = *self.orgs.get(&row.org_id).ok_or(corrupt("org_id"))?;
            if org.suspended {
                continue;
            }
            let columns = CredentialColumns {
                id: row.id,
                org_id: row.org_id,
                kind: row.kind,
                status: row.status,
                scopes: row.scopes,
                strict: row.strict,
                owner_id: row.owner_id,
                owner_banned: row.owner_banned,
                rate_limit_per_minute: row.rate_limit_per_minute,
                ip_allowlist: row.ip_allowlist,
                expires_at: row.expires_at,
                overlap_ends_at: row.overlap_ends_at,
                denied_position: row.denied_position,
            };
            page.push((CredentialHash::from_bytes(hash), columns.into_row()?, org));
        }
        Ok(Some(page))
    }

    /// Lets the snapshot go.
    pub async fn end(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}
