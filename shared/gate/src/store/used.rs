use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::ids::OrgId;
use domain::limits::SCOPE_UNUSED_DAYS;
use domain::scope::{Scope, Scopes};
use domain::time::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use super::StoreError;

/// How a credential was used, at most 60 s late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// When last; none: never.
    pub last_used_at: Option<Timestamp>,
    /// Admitted requests of the last 7 UTC days, today last.
    pub by_day: [u64; 7],
    /// Admitted requests of the last hour, to 5 minutes.
    pub last_hour: u64,
    /// Scopes that were needed on the last [`SCOPE_UNUSED_DAYS`] UTC days.
    pub needed: Scopes,
}

impl Default for Used {
    fn default() -> Self {
        Self {
            last_used_at: None,
            by_day: [0; 7],
            last_hour: 0,
            needed: Scopes::NONE,
        }
    }
}

/// How each of these credentials of an org was used; one that never was is left out.
pub async fn used(
    pool: &PgPool,
    org: OrgId,
    credentials: &[Uuid],
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, Used>, StoreError> {
    let today = now.date_naive();
    let first_day = today - TimeDelta::days(6);
    let rows = sqlx::query!(
        r#"select u.credential_id, max(u.last_used_at) as "last_used_at!",
               array_agg(u.day) filter (where u.day >= $3) as days,
               array_agg(u.requests) filter (where u.day >= $3) as requests,
               coalesce(sum(gate.sum_recent(u.recent, u.recent_slot, $5))
                   filter (where u.day >= $6), 0)::bigint as "last_hour!",
               (select array_agg(distinct r.scope) from gate.usage_by_route r
                where r.credential_id = u.credential_id and r.day >= $4) as "needed: Vec<Option<String>>"
           from gate.usage u where u.credential_id = any($1) and u.org_id = $2
           group by u.credential_id"#,
        credentials,
        org.as_uuid(),
        first_day,
        today - TimeDelta::days(SCOPE_UNUSED_DAYS),
        now,
        today - TimeDelta::days(1)
    )
    .fetch_all(pool)
    .await?;
    let of_row = |days: Option<Vec<NaiveDate>>, requests: Option<Vec<i64>>| {
        let mut by_day = [0; 7];
        for (day, requests) in days
            .into_iter()
            .flatten()
            .zip(requests.into_iter().flatten())
        {
            let index = usize::try_from((day - first_day).num_days()).ok();
            // A clock behind Postgres's may not know the newest day yet.
            if let Some(cell) = index.and_then(|index| by_day.get_mut(index)) {
                *cell = unsigned(requests);
            }
        }
        by_day
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let used = Used {
                last_used_at: Some(Timestamp::from_datetime(row.last_used_at)),
                by_day: of_row(row.days, row.requests),
                last_hour: unsigned(row.last_hour),
                needed: scopes(row.needed.unwrap_or_default()),
            };
            (row.credential_id, used)
        })
        .collect())
}

/// A name that this version does not know was a scope of another one.
fn scopes(names: Vec<Option<String>>) -> Scopes {
    let known = names.into_iter().flatten();
    known
        .filter_map(|name| name.parse::<Scope>().ok())
        .collect()
}

/// Admitted requests with an org's keys on a UTC day, which count against its day; usually at most 60 s late.
pub async fn used_by_org(pool: &PgPool, org: OrgId, day: NaiveDate) -> Result<u64, StoreError> {
    let requests = sqlx::query_scalar!(
        r#"select gate.requests_with_keys($1, $2) as "requests!""#,
        org.as_uuid(),
        day
    )
    .fetch_one(pool)
    .await?;
    Ok(unsigned(requests))
}

/// A UTC day of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedDay {
    /// The day.
    pub day: NaiveDate,
    /// Admitted requests.
    pub requests: u64,
    /// Requests that a limit refused.
    pub refused: u64,
}

/// A route that a credential called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedRoute {
    /// The method.
    pub method: String,
    /// The path, ids as names.
    pub route: String,
    /// The scope that it needed, if it needed one.
    pub scope: Option<Scope>,
    /// Admitted requests.
    pub requests: u64,
    /// The newest of them.
    pub last_used_at: Timestamp,
}

/// The days from `from` to `to` on which a credential was used, oldest first.
pub async fn used_days(
    pool: &PgPool,
    credential: Uuid,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<UsedDay>, StoreError> {
    let rows = sqlx::query!(
        "select day, requests, refused from gate.usage
         where credential_id = $1 and day between $2 and $3 order by day",
        credential,
        from,
        to
    )
    .fetch_all(pool)
    .await?;
    let of_row = |(day, requests, refused)| UsedDay {
        day,
        requests: unsigned(requests),
        refused: unsigned(refused),
    };
    let columns = rows
        .into_iter()
        .map(|row| (row.day, row.requests, row.refused));
    Ok(columns.map(of_row).collect())
}

/// What a credential called from `from` to `to`, the most called first.
pub async fn used_routes(
    pool: &PgPool,
    credential: Uuid,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<UsedRoute>, StoreError> {
    let rows = sqlx::query!(
        r#"select method, route, max(scope) as scope, sum(requests)::bigint as "requests!",
               max(last_used_at) as "last_used_at!"
           from gate.usage_by_route where credential_id = $1 and day between $2 and $3
           group by method, route order by 4 desc, route, method"#,
        credential,
        from,
        to
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| UsedRoute {
            method: row.method,
            route: row.route,
            scope: row.scope.and_then(|name| name.parse().ok()),
            requests: unsigned(row.requests),
            last_used_at: Timestamp::from_datetime(row.last_used_at),
        })
        .collect())
}

/// When a credential last needed each scope, whenever that was.
pub async fn used_scopes(
    pool: &PgPool,
    credential: Uuid,
) -> Result<HashMap<Scope, Timestamp>, StoreError> {
    let rows = sqlx::query!(
        r#"select scope as "scope!", max(last_used_at) as "last_used_at!"
           from gate.usage_by_route where credential_id = $1 and scope is not null group by scope"#,
        credential
    )
    .fetch_all(pool)
    .await?;
    let of_row = |(name, at): (String, _)| Some((name.parse().ok()?, Timestamp::from_datetime(at)));
    let columns = rows.into_iter().map(|row| (row.scope, row.last_used_at));
    Ok(columns.filter_map(of_row).collect())
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
