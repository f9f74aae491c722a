//! Columns as values of ours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::credential::CredentialKind;
use domain::ids::{GlobalPosition, OrgId, UserId};
use domain::plan::{LimitKey, Plan};
use domain::scope::Scopes;
use domain::time::Timestamp;
use ipnet::IpNet;
use uuid::Uuid;

use super::StoreError;
use crate::core::entry::{CredentialRow, OrgRow, Status};
use crate::core::registry::OrgTerms;

/// Stored numbers of kinds; stable.
const API_KEY: i16 = 1;
const SESSION: i16 = 2;

/// `gate.credentials` without the hash.
pub struct CredentialColumns {
    pub id: Uuid,
    pub org_id: Uuid,
    pub kind: i16,
    pub status: i16,
    pub scopes: i16,
    pub strict: bool,
    pub owner_id: Option<Uuid>,
    pub owner_banned: bool,
    pub rate_limit_per_minute: i64,
    pub ip_allowlist: Option<Vec<String>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub overlap_ends_at: Option<DateTime<Utc>>,
    pub denied_position: i64,
}

/// `gate.orgs` without the id.
pub struct OrgColumns {
    pub plan: String,
    pub requests_per_day: Option<i64>,
    pub requests_per_minute_per_key: Option<i64>,
    pub suspended: bool,
    pub denied_position: i64,
}

impl CredentialColumns {
    pub fn into_row(self) -> Result<CredentialRow, StoreError> {
        let id = self.id;
        let corrupt = |column| StoreError::Corrupt {
            table: "gate.credentials",
            column,
            key: id,
        };
        let owner = self.owner_id.map(UserId::from_uuid);
        if self.kind == SESSION && owner.is_none() {
            return Err(corrupt("owner_id"));
        }
        let ends = [self.expires_at, self.overlap_ends_at];
        Ok(CredentialRow {
            id,
            org: OrgId::from_uuid(self.org_id),
            kind: match self.kind {
                API_KEY => CredentialKind::ApiKey,
                SESSION => CredentialKind::Session,
                _ => return Err(corrupt("kind")),
            },
            status: match self.status {
                1 => Status::Active,
                2 => Status::Rotating,
                3 => Status::Ended,
                _ => return Err(corrupt("status")),
            },
            scopes: u8::try_from(self.scopes)
                .map(Scopes::from_bits)
                .map_err(|_| corrupt("scopes"))?,
            strict: self.strict,
            owner,
            owner_banned: self.owner_banned,
            rate: saturating(self.rate_limit_per_minute),
            addresses: self
                .ip_allowlist
                .map(|texts| texts.iter().map(|text| text.parse::<IpNet>()).collect())
                .transpose()
                .map_err(|_| corrupt("ip_allowlist"))?,
            ends_at: ends
                .into_iter()
                .flatten()
                .min()
                .map(Timestamp::from_datetime),
            denied_at: position(self.denied_position),
        })
    }
}

impl OrgColumns {
    pub fn into_row(self, org: Uuid) -> Result<OrgRow, StoreError> {
        let plan: Plan = self.plan.parse().map_err(|_| StoreError::Corrupt {
            table: "gate.orgs",
            column: "plan",
            key: org,
        })?;
        let max = |own: Option<i64>, key: LimitKey| match own {
            Some(own) => Some(u64::try_from(own).unwrap_or(0)),
            None => key.of_plan(plan),
        };
        let per_minute = max(
            self.requests_per_minute_per_key,
            LimitKey::MaxRequestsPerMinutePerKey,
        );
        Ok(OrgRow {
            terms: OrgTerms {
                per_day: max(self.requests_per_day, LimitKey::MaxApiRequestsPerDay),
                per_minute: per_minute
                    .map_or(u32::MAX, |most| u32::try_from(most).unwrap_or(u32::MAX)),
            },
            suspended: self.suspended,
            denied_at: position(self.denied_position),
        })
    }
}

/// A position column; they are checked not to be negative.
pub fn position(value: i64) -> GlobalPosition {
    GlobalPosition::try_from_i64(value).unwrap_or(GlobalPosition::ZERO)
}

/// A column of milliseconds; they are checked to be positive.
pub fn term(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn saturating(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}
