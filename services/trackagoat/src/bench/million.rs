//! Very many active keys, written as rows: an append for each would take a while and leave the
//! same rows.

use domain::credential::{CredentialKind, CredentialSecret};
use runtime::entropy::Entropy;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::error::BenchError;

/// What each key may ask for in a minute, as the statements below have it.
pub const RATE_LIMIT: u32 = 10_000_000;
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

const CREDENTIALS: &str = "insert into gate.credentials (hash, id, org_id, kind, status, scopes,
        strict, owner_banned, rate_limit_per_minute, position)
    select hash, id, '00000000-0000-7000-8000-000000000001', 1, 1, 1, false, false, 10000000, 0
    from unnest($1::bytea[], $2::uuid[]) as made (hash, id)";

/// Adds active keys of the first org, and gives them back.
pub async fn add_credentials(
    url: &str,
    count: usize,
    entropy: &Entropy,
) -> Result<Vec<String>, BenchError> {
    let (mut texts, mut hashes, mut ids) = (Vec::new(), Vec::new(), Vec::<Uuid>::new());
    for _ in 0..count {
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes());
        hashes.push(secret.hash().as_bytes().to_vec());
        ids.push(entropy.uuid_v4());
        texts.push(secret.reveal().to_owned());
    }
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(CREDENTIALS)
        .bind(hashes)
        .bind(ids)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(texts)
}

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
