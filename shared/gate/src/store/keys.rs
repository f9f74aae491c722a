//! What keys may do by now, for who holds connections that were let in with them.

use std::collections::HashMap;
use std::net::IpAddr;

use domain::credential::CredentialKind;
use domain::ids::{KeyId, OrgId};
use domain::scope::Scope;
use domain::time::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use super::StoreError;
use super::rows::{CredentialColumns, OrgColumns};
use crate::core::entry::{CredentialRow, OrgRow, Refused};

/// Most keys that are asked about in one statement.
pub const KEYS_AT_ONCE: usize = 1_000;

/// What a key may do, as the primary showed it.
#[derive(Debug, Clone)]
pub struct KeyTerms {
    row: CredentialRow,
    org: OrgRow,
}

impl KeyTerms {
    /// Whether it may still call for the org, from there, for what needs the scope.
    pub fn allow(&self, org: OrgId, peer: IpAddr, scope: Scope, now: Timestamp) -> bool {
        self.row.kind == CredentialKind::ApiKey
            && self.row.org == org
            && self.row.scopes.contains(scope)
            && self.row.judge(&self.org, peer, now).is_ok()
    }

    /// Whether it has ended: such a key does not come back.
    pub fn is_over(&self, now: Timestamp) -> bool {
        // The end is judged first, whatever the address.
        let judged = self.row.judge(&self.org, IpAddr::from([127, 0, 0, 1]), now);
        matches!(judged, Err(refusal) if refusal.why == Refused::Ended)
    }
}

/// What these keys may do now, as the primary says. One that is missing in the answer is none.
///
/// # Errors
/// If the primary does not answer, or what answers is none; then nothing is known of any of them.
///
/// # Panics
/// For more than [`KEYS_AT_ONCE`].
pub async fn keys(pool: &PgPool, ids: &[KeyId]) -> Result<HashMap<KeyId, KeyTerms>, StoreError> {
    assert!(ids.len() <= KEYS_AT_ONCE, "the function answers for fewer");
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"select id as "id!", org_id as "org_id!", kind as "kind!", status as "status!",
               scopes as "scopes!", strict as "strict!", owner_id, owner_banned as "owner_banned!",
               rate_limit_per_minute as "rate_limit_per_minute!", ip_allowlist, expires_at,
               overlap_ends_at, denied_position as "denied_position!", org_plan as "org_plan!",
               org_requests_per_day, org_requests_per_minute_per_key,
               org_suspended as "org_suspended!", org_denied_position as "org_denied_position!",
               in_recovery as "in_recovery!"
           from gate.keys($1)"#,
        &ids
    )
    .fetch_all(pool)
    .await?;
    let mut keys = HashMap::with_capacity(rows.len());
    for row in rows {
        if row.in_recovery {
            return Err(StoreError::Standby);
        }
        let credential = CredentialColumns {
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
        let org = OrgColumns {
            plan: row.org_plan,
            requests_per_day: row.org_requests_per_day,
            requests_per_minute_per_key: row.org_requests_per_minute_per_key,
            suspended: row.org_suspended,
            denied_position: row.org_denied_position,
        };
        let terms = KeyTerms {
            row: credential.into_row()?,
            org: org.into_row(row.org_id)?,
        };
        keys.insert(KeyId::from_uuid(row.id), terms);
    }
    Ok(keys)
}
