use domain::ids::{IncarnationId, LogEpoch};
use sqlx::PgPool;
use uuid::Uuid;

use super::StoreError;
use crate::bus::MacKey;

/// Who admits the same keys.
pub struct FleetRows {
    /// The life of the log.
    pub epoch: LogEpoch,
    /// The key of the gate's messages on NATS.
    pub bus_key: MacKey,
    /// The rows of gate.leases.
    pub rows: Vec<IncarnationId>,
}

/// Reads it in one statement.
pub async fn fleet(pool: &PgPool) -> Result<FleetRows, StoreError> {
    // Run at run time until `deploy/sqlx` has seen the function.
    let rows: Vec<(Uuid, Vec<u8>, Option<Uuid>)> =
        sqlx::query_as("select epoch, bus_key, incarnation from gate.fleet()")
            .fetch_all(pool)
            .await?;
    let Some((epoch, bus_key, _)) = rows.first() else {
        return Err(StoreError::Database(sqlx::Error::RowNotFound));
    };
    let incarnations = rows.iter().filter_map(|(_, _, incarnation)| *incarnation);
    Ok(FleetRows {
        epoch: LogEpoch::from_uuid(*epoch),
        bus_key: MacKey::new(bus_key),
        rows: incarnations.map(IncarnationId::from_uuid).collect(),
    })
}
