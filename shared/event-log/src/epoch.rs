//! A log that was restored to an earlier moment begins a new life: positions that were given since
//! are given again, to other events.

use domain::ids::LogEpoch;
use sqlx::PgConnection;

/// Gives the log a new epoch: whoever follows it drops what they knew once this is committed, and
/// what was to be appended to the former life is decided again. For the owner's connection.
///
/// # Errors
/// If the database does not answer, or refuses.
pub async fn begin_epoch_in_tx(connection: &mut PgConnection) -> Result<LogEpoch, sqlx::Error> {
    let epoch = sqlx::query_scalar!(
        "update log.head set epoch = gen_random_uuid(), fence = fence + 1 returning epoch"
    )
    .fetch_one(connection)
    .await?;
    Ok(LogEpoch::from_uuid(epoch))
}
