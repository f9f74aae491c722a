use domain::credential::CredentialHash;
use domain::ids::{GlobalPosition, LogEpoch};
use sqlx::PgPool;

use super::StoreError;
use super::rows::{CredentialColumns, OrgColumns, position};
use crate::core::entry::{CredentialRow, OrgRow};

/// What one statement on the primary showed.
#[derive(Debug)]
pub struct Verified {
    /// The credential and its org; none if the hash is unknown.
    pub rows: Option<(CredentialRow, OrgRow)>,
    /// Every auth event up to here is in the rows.
    pub auth_position: GlobalPosition,
    /// The life of the log.
    pub epoch: LogEpoch,
}

/// VERIFY (revocation.md 5.2): one statement, shared with no other request.
pub async fn verify(pool: &PgPool, hash: &CredentialHash) -> Result<Verified, StoreError> {
    let row = sqlx::query!(
        r#"select id, org_id, kind, status, scopes, strict, owner_id, owner_banned,
               rate_limit_per_minute, ip_allowlist, expires_at, overlap_ends_at, org_plan,
               org_requests_per_day, org_requests_per_minute_per_key, org_suspended,
               auth_position as "auth_position!", epoch as "epoch!", in_recovery as "in_recovery!"
           from gate.verify($1)"#,
        hash.as_bytes()
    )
    .fetch_one(pool)
    .await?;
    if row.in_recovery {
        return Err(StoreError::Standby);
    }
    let rows = match row.id {
        None => None,
        Some(id) => {
            let missing = |table, column| StoreError::Corrupt {
                table,
                column,
                key: id,
            };
            let credential = |column| missing("gate.credentials", column);
            let org_id = row.org_id.ok_or(credential("org_id"))?;
            let columns = CredentialColumns {
                id,
                org_id,
                kind: row.kind.ok_or(credential("kind"))?,
                status: row.status.ok_or(credential("status"))?,
                scopes: row.scopes.ok_or(credential("scopes"))?,
                strict: row.strict.ok_or(credential("strict"))?,
                owner_id: row.owner_id,
                owner_banned: row.owner_banned.ok_or(credential("owner_banned"))?,
                rate_limit_per_minute: row.rate_limit_per_minute.ok_or(credential("rate"))?,
                ip_allowlist: row.ip_allowlist,
                expires_at: row.expires_at,
                overlap_ends_at: row.overlap_ends_at,
            };
            let org = OrgColumns {
                plan: row.org_plan.ok_or(missing("gate.orgs", "plan"))?,
                requests_per_day: row.org_requests_per_day,
                requests_per_minute_per_key: row.org_requests_per_minute_per_key,
                suspended: row.org_suspended.ok_or(missing("gate.orgs", "suspended"))?,
            };
            Some((columns.into_row()?, org.into_row(org_id)?))
        }
    };
    Ok(Verified {
        rows,
        auth_position: position(row.auth_position),
        epoch: LogEpoch::from_uuid(row.epoch),
    })
}
