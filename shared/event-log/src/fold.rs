//! `log.streams`, the fold of whole partitions: how an appender that knows nothing of a stream
//! finds its end without asking every partition there ever was.

use sqlx::{PgPool, Postgres, Transaction};

/// Events of one transaction, so that none lasts long.
const STEP: i64 = 10_000;

/// Folds a piece of the oldest full partition that is not folded; false if there is none, or if
/// another process is at it.
pub async fn step(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let Some(Claimed { progress, end }) = claim_in_tx(&mut tx).await? else {
        return Ok(false);
    };
    let next = end.min(progress + STEP);
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
             position = case when $1 = $2::bigint then $1 else position end",
        next,
        end
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// What is to be folded of a full partition.
struct Claimed {
    progress: i64,
    /// Its last position.
    end: i64,
}

/// How far the fold is, if there is a full partition to go on with and nobody else is at it.
async fn claim_in_tx(tx: &mut Transaction<'_, Postgres>) -> Result<Option<Claimed>, sqlx::Error> {
    sqlx::query_as!(
        Claimed,
        r#"select f.progress, f.position + s.partition_size as "end!"
           from log.folded f, log.head h, log.settings s
           where h.position >= f.position + s.partition_size for update of f skip locked"#
    )
    .fetch_optional(&mut **tx)
    .await
}
