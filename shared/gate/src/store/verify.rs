use std::time::Duration;

use domain::credential::CredentialHash;
use domain::ids::LogEpoch;
use sqlx::PgConnection;

use super::StoreError;
use super::rows::{CredentialColumns, OrgColumns, position, term};
use crate::bus::MacKey;
use crate::core::lookup::Verified;

/// What the primary showed, and how long a denial may need.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it showed.
    pub verified: Verified,
    /// The longest lease term that may register.
    pub longest_term: Duration,
}

/// VERIFY (revocation.md 5.2): one statement, shared with no other request.
pub async fn verify(
    connection: &mut PgConnection,
    hash: &CredentialHash,
) -> Result<Answer, StoreError> {
    let row = sqlx::query!(
        r#"select id, org_id, kind, status, scopes, strict, owner_id, owner_banned,
               rate_limit_per_minute, ip_allowlist, expires_at, overlap_ends_at, denied_position,
               org_plan, org_requests_per_day, org_requests_per_minute_per_key, org_suspended,
               org_denied_position, auth_position as "auth_position!", epoch as "epoch!",
               settled as "settled!", lease_max_ms as "lease_max_ms!", in_recovery as "in_recovery!"
           from gate.verify($1)"#,
        hash.as_bytes()
    )
    .fetch_one(connection)
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
                denied_position: row.denied_position.ok_or(credential("denied_position"))?,
            };
            let org = OrgColumns {
                plan: row.org_plan.ok_or(missing("gate.orgs", "plan"))?,
                requests_per_day: row.org_requests_per_day,
                requests_per_minute_per_key: row.org_requests_per_minute_per_key,
                suspended: row.org_suspended.ok_or(missing("gate.orgs", "suspended"))?,
                denied_position: row
                    .org_denied_position
                    .ok_or(missing("gate.orgs", "denied_position"))?,
            };
            Some((columns.into_row()?, org.into_row(org_id)?))
        }
    };
    Ok(Answer {
        verified: Verified {
            rows,
            auth_position: position(row.auth_position),
            epoch: LogEpoch::from_uuid(row.epoch),
            settled: position(row.settled),
        },
        longest_term: term(row.lease_max_ms),
    })
}

/// The key of the gate's messages on NATS.
pub async fn bus_key(connection: &mut PgConnection) -> Result<MacKey, StoreError> {
    let key = sqlx::query_scalar!(r#"select bus_key as "bus_key!" from gate.state()"#)
        .fetch_one(connection)
        .await?;
    Ok(MacKey::new(&key))
}
