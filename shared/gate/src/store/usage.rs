use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::OrgId;
use domain::scope::Scope;
use sqlx::PgPool;
use uuid::Uuid;

use super::StoreError;
use crate::core::usage::Taken;

/// Counts of one credential, to be added to what is stored.
#[derive(Debug)]
pub struct UsageOf {
    /// The key or session.
    pub credential: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// What was counted.
    pub taken: Taken,
}

/// Adds counts; times of last use only move forward.
pub async fn record(pool: &PgPool, used: &[UsageOf]) -> Result<(), StoreError> {
    let days = ByDay::of(used);
    let calls = ByRoute::of(used);
    sqlx::query!(
        "select gate.record_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &days.credentials,
        &days.days,
        &days.orgs,
        &days.requests,
        &days.refused,
        &days.last,
        &calls.credentials,
        &calls.days,
        &calls.methods as &[&str],
        &calls.routes as &[&str],
        &calls.scopes as &[Option<&str>],
        &calls.requests,
        &calls.last
    )
    .execute(pool)
    .await?;
    Ok(())
}

#[derive(Default)]
struct ByDay {
    credentials: Vec<Uuid>,
    days: Vec<NaiveDate>,
    orgs: Vec<Uuid>,
    requests: Vec<i64>,
    refused: Vec<i64>,
    last: Vec<DateTime<Utc>>,
}

impl ByDay {
    fn of(used: &[UsageOf]) -> Self {
        let mut columns = Self::default();
        for (of, folded) in used
            .iter()
            .flat_map(|of| of.taken.days.iter().map(move |folded| (of, folded)))
        {
            columns.credentials.push(of.credential);
            columns.days.push(folded.day);
            columns.orgs.push(of.org.as_uuid());
            columns.requests.push(signed(folded.requests));
            columns.refused.push(signed(folded.refused));
            columns.last.push(folded.last_used_at.datetime());
        }
        columns
    }
}

#[derive(Default)]
struct ByRoute {
    credentials: Vec<Uuid>,
    days: Vec<NaiveDate>,
    methods: Vec<&'static str>,
    routes: Vec<&'static str>,
    scopes: Vec<Option<&'static str>>,
    requests: Vec<i64>,
    last: Vec<DateTime<Utc>>,
}

impl ByRoute {
    fn of(used: &[UsageOf]) -> Self {
        let mut columns = Self::default();
        for (of, calls) in used
            .iter()
            .flat_map(|of| of.taken.calls.iter().map(move |calls| (of, calls)))
        {
            columns.credentials.push(of.credential);
            columns.days.push(calls.day);
            columns.methods.push(calls.purpose.method);
            columns.routes.push(calls.purpose.route);
            columns.scopes.push(calls.purpose.scope.map(Scope::name));
            columns.requests.push(signed(calls.requests));
            columns.last.push(calls.last_used_at.datetime());
        }
        columns
    }
}

/// Drops counts of days before `before`, at most `at_most` of days, of routes and of orgs' quotas;
/// says how many it dropped. The newest of each credential and scope stay.
pub async fn prune(pool: &PgPool, before: NaiveDate, at_most: i32) -> Result<u64, StoreError> {
    let dropped = sqlx::query_scalar!(
        r#"select gate.prune_usage($1, $2) + gate.prune_quota($1, $2) as "dropped!""#,
        before,
        at_most
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(dropped).unwrap_or(0))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
