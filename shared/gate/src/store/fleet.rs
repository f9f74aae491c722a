use domain::ids::{IncarnationId, LogEpoch};
use sqlx::PgPool;

use super::StoreError;
use crate::bus::MacKey;
use crate::core::gossip::Reading;

/// Who admits the same keys, and how they know each other.
pub struct FleetRows {
    /// What the primary knows of them.
    pub reading: Reading,
    /// The key of the gate's messages on NATS.
    pub bus_key: MacKey,
}

/// Reads it in one statement.
pub async fn fleet(pool: &PgPool) -> Result<FleetRows, StoreError> {
    let rows = sqlx::query!(
        r#"select epoch as "epoch!", bus_key as "bus_key!", incarnation,
               ended_lately as "ended_lately!"
           from gate.fleet()"#
    )
    .fetch_all(pool)
    .await?;
    let Some(first) = rows.first() else {
        return Err(StoreError::Database(sqlx::Error::RowNotFound));
    };
    let incarnations = rows.iter().filter_map(|row| row.incarnation);
    Ok(FleetRows {
        reading: Reading {
            epoch: LogEpoch::from_uuid(first.epoch),
            rows: incarnations.map(IncarnationId::from_uuid).collect(),
            ended_lately: first.ended_lately,
        },
        bus_key: MacKey::new(&first.bus_key),
    })
}
