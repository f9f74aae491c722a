//! Tokens that make the first org.

use chrono::TimeDelta;
use domain::credential::CredentialHash;
use domain::limits::SETUP_TOKEN_MINUTES;
use domain::time::Timestamp;
use sqlx::PgPool;

use super::PeopleError;

/// How long one request has a token for itself; longer than it can take.
const CLAIM_SECONDS: i64 = 60;

/// Whether anybody belongs to any org: then there is nothing to set up.
pub async fn anybody_belongs(pool: &PgPool) -> Result<bool, PeopleError> {
    let exists = sqlx::query_scalar!(r#"select exists (select from gate.members) as "exists!""#)
        .fetch_one(pool)
        .await?;
    Ok(exists)
}

/// Keeps a token in place of all others; false while a request has one of them for itself.
pub async fn add_setup_token(
    pool: &PgPool,
    token: &CredentialHash,
    now: Timestamp,
) -> Result<bool, PeopleError> {
    let expires_at = now.plus(TimeDelta::minutes(SETUP_TOKEN_MINUTES));
    let mut transaction = pool.begin().await?;
    // No token is claimed meanwhile, and no other is added.
    sqlx::query!("lock table auth.setup_tokens in share row exclusive mode")
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "delete from auth.setup_tokens where claimed_until <= $1",
        now.datetime()
    )
    .execute(&mut *transaction)
    .await?;
    let added = sqlx::query!(
        "insert into auth.setup_tokens (token_hash, expires_at)
         select $1, $2 where not exists (select from auth.setup_tokens)",
        &token.as_bytes()[..],
        expires_at.datetime()
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(added.rows_affected() == 1)
}

/// What becomes of a request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The request has it for itself.
    Taken,
    /// Another request has it.
    InUse,
    /// Somebody belongs to an org.
    Over,
    /// It was never given out, was used, or its time is over.
    Worthless,
}

/// Takes a token for one request.
pub async fn claim_setup(
    pool: &PgPool,
    token: &CredentialHash,
    now: Timestamp,
) -> Result<Claim, PeopleError> {
    let until = now.plus(TimeDelta::seconds(CLAIM_SECONDS));
    let claimed = sqlx::query!(
        "update auth.setup_tokens set claimed_until = $3
         where token_hash = $1 and expires_at > $2 and claimed_until <= $2
             and not exists (select from gate.members)",
        &token.as_bytes()[..],
        now.datetime(),
        until.datetime()
    )
    .execute(pool)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Claim::Taken);
    }
    if anybody_belongs(pool).await? {
        return Ok(Claim::Over);
    }
    let is_known = sqlx::query_scalar!(
        r#"select exists (
               select from auth.setup_tokens where token_hash = $1 and expires_at > $2
           ) as "is_known!""#,
        &token.as_bytes()[..],
        now.datetime()
    )
    .fetch_one(pool)
    .await?;
    Ok(if is_known {
        Claim::InUse
    } else {
        Claim::Worthless
    })
}

/// Gives a token back that was of no use.
pub async fn release_setup(pool: &PgPool, token: &CredentialHash) -> Result<(), PeopleError> {
    sqlx::query!(
        "update auth.setup_tokens set claimed_until = '-infinity' where token_hash = $1",
        &token.as_bytes()[..]
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// No token is worth anything any more.
pub async fn end_setup(pool: &PgPool) -> Result<(), PeopleError> {
    sqlx::query!("delete from auth.setup_tokens")
        .execute(pool)
        .await?;
    Ok(())
}
