//! Where an instant lies in the log, and how far back the log is kept online.

use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use sqlx::PgConnection;

use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;

impl EventLog {
    /// The position of the last event that was recorded at an instant or before it; 0 if there is
    /// none, and the one before the first that is kept where that is later. Some 25 look-ups: times
    /// never go back with positions.
    pub async fn position_at(&self, at: Timestamp) -> Result<GlobalPosition, ReadError> {
        self.ask(async |c| position_at(c, at).await).await
    }

    /// The first position that is kept online, or will be the first: the lower bound of the lowest
    /// partition that is attached.
    pub async fn earliest(&self) -> Result<GlobalPosition, ReadError> {
        self.ask(async |c| earliest(c).await).await
    }
}

async fn position_at(
    connection: &mut PgConnection,
    at: Timestamp,
) -> Result<GlobalPosition, ReadError> {
    let before = earliest(connection).await?.get().saturating_sub(1);
    let before = GlobalPosition::new(before);
    let found = sqlx::query_scalar!(
        r#"with recursive search (low, high) as (
               select least($1::bigint, position), position from log.head
               union all
               select case when e.is_after then s.low else s.middle end,
                      case when e.is_after then s.middle - 1 else s.high end
               from (select low, high, (low + high + 1) / 2 as middle from search where low < high) s
               cross join lateral (
                   select (select recorded_at from log.events where position = s.middle) > $2
                       as is_after
               ) e
               where e.is_after is not null
           )
           select low as "low!" from search where low >= high"#,
        before.as_i64(),
        at.datetime(),
    )
    .fetch_optional(connection)
    .await?;
    let found = found.and_then(GlobalPosition::try_from_i64);
    let missing = || CorruptRow::new("log.events", "position", at, "is missing").into();
    found.ok_or_else(missing)
}

async fn earliest(connection: &mut PgConnection) -> Result<GlobalPosition, ReadError> {
    // What bounds a partition stands in the catalogue, as text alone.
    let first = sqlx::query_scalar!(
        r#"select min(substring(pg_get_expr(p.relpartbound, p.oid) from 'FROM \(''?(\d+)')::bigint)
           from pg_inherits i join pg_class p on p.oid = i.inhrelid
           where i.inhparent = 'log.events'::regclass"#
    )
    .fetch_one(connection)
    .await?;
    let first = first.and_then(GlobalPosition::try_from_i64);
    Ok(first.unwrap_or(GlobalPosition::new(1)))
}
