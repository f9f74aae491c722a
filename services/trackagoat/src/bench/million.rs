//! Very many active keys, written as rows: an append for each would take a while and leave the
//! same rows.

use sqlx::{Connection, PgConnection};

use super::error::BenchError;

/// Keys of one org.
const KEYS_EACH: i64 = 50;

const ORGS: &str = "insert into gate.orgs (org_id, plan, requests_per_day,
        requests_per_minute_per_key, suspended, position)
    select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'ultra', 100000000,
        10000000, false, 0
    from generate_series(1, ($1 + $2 - 1) / $2) as n";
const KEYS: &str = "insert into gate.credentials (hash, id, org_id, kind, status, scopes, strict,
        owner_banned, rate_limit_per_minute, position)
    select sha256(int8send(n)), ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid,
        ('00000000-0000-7000-8000-' || lpad(to_hex((n - 1) / $2 + 1), 12, '0'))::uuid, 1, 1, 1,
        false, false, 10000000, 0
    from generate_series(1, $1) as n";

/// Adds active keys that nobody has, of as many orgs as a fiftieth of them.
pub async fn add_keys(url: &str, count: u64) -> Result<(), BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    for statement in [ORGS, KEYS] {
        sqlx::query(statement)
            .bind(count)
            .bind(KEYS_EACH)
            .execute(&mut connection)
            .await?;
    }
    sqlx::query("vacuum analyze gate.credentials")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}
