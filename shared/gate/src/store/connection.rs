use runtime::lifecycle::Tasks;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use super::StoreError;

/// A connection of `pool`. Making one, and trying whether an idle one still lives, goes on to its
/// end in a task of its own, whoever has given it up meanwhile: where that takes longer than they
/// wait there would never be one, and a Postgres that stands still would, once it goes on, first
/// have to welcome everybody who has left.
///
/// # Errors
/// If there is none to be had.
pub async fn connection(
    pool: &PgPool,
    tasks: &Tasks,
) -> Result<PoolConnection<Postgres>, StoreError> {
    let is_full = pool.size() >= pool.options().get_max_connections();
    if is_full && pool.num_idle() == 0 {
        // Nothing but a place in a queue, which anybody may leave.
        return Ok(pool.acquire().await?);
    }
    let pool = pool.clone();
    let acquire = async move { pool.acquire().await };
    let acquired = tasks.shield("gate connection", acquire).await;
    Ok(acquired.map_err(|_| sqlx::Error::PoolClosed)??)
}
