//! `log.streams`, the fold of whole partitions: how an appender that knows nothing of a stream
//! finds its end without asking every partition there ever was.

use sqlx::{PgPool, Postgres, Transaction};

/// Events of one partition; as in `log.ensure_partition`.
const PARTITION: i64 = 10_000_000;
/// Events of one transaction, so that none lasts long.
const STEP: i64 = 10_000;

/// Folds a piece of the oldest full partition that is not folded; false if there is none, or if
/// another process is at it.
pub async fn step(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let Some(progress) = claim_in_tx(&mut tx).await? else {
        return Ok(false);
    };
    let next = progress + STEP;
    sqlx::query!(
        "insert into log.streams as s (org_id, stream, version, hash)
         select distinct on (org_id, stream) org_id, stream, version, hash
         from log.events where position > $1 and position <= $2
         order by org_id, stream, version desc
         on conflict (org_id, stream) do update set version = excluded.version, hash = excluded.hash
         where s.version < excluded.version",
        progress,
        next
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update log.folded set progress = $1,
             position = case when $1 % $2::bigint = 0 then $1 else position end",
        next,
        PARTITION
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// How far the fold is, if there is a full partition to go on with and nobody else is at it.
async fn claim_in_tx(tx: &mut Transaction<'_, Postgres>) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "select f.progress from log.folded f, log.head h
         where h.position >= f.position + $1 for update of f skip locked",
        PARTITION
    )
    .fetch_optional(&mut **tx)
    .await
}
