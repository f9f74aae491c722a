use std::collections::HashMap;
use std::time::Duration;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use domain::time::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::StoreError;
use super::rows::{position, term};
use crate::bus::MacKey;
use crate::core::barrier::LeaseRow;
use crate::core::silence::Silent;

/// What a coordinator sees of the primary.
pub struct Registered {
    /// The life of the log.
    pub epoch: LogEpoch,
    /// The newest auth event.
    pub auth_position: GlobalPosition,
    /// Every denial up to here holds everywhere.
    pub settled: GlobalPosition,
    /// Every denial up to here is in a ledger.
    pub copied: GlobalPosition,
    /// The longest lease term that may register.
    pub longest_term: Duration,
    /// The key of the gate's messages on NATS.
    pub bus_key: MacKey,
    /// Every replica's row.
    pub rows: Vec<LeaseRow>,
    /// The keys of their acknowledgements.
    pub ack_keys: HashMap<IncarnationId, MacKey>,
}

/// B4: every row, in a snapshot of its own.
pub async fn registered(connection: &mut PgConnection) -> Result<Registered, StoreError> {
    let rows = sqlx::query!(
        r#"select h.epoch as log_epoch, h.auth_position, g.settled, g.copied, g.lease_max_ms, g.bus_key,
               pg_is_in_recovery() as "in_recovery!", l.ack_key as "ack_key?", l.incarnation as "incarnation?", l.lease_ms as "lease_ms?",
               l.renew_seq as "renew_seq?",
               l.applied_position as "applied_position?", l.epoch as "epoch?"
           from log.head h cross join gate.head g left join gate.leases l on true
           order by l.incarnation"#
    )
    .fetch_all(connection)
    .await?;
    let Some(first) = rows.first() else {
        return Err(StoreError::Database(sqlx::Error::RowNotFound));
    };
    if first.in_recovery {
        return Err(StoreError::Standby);
    }
    let keys = rows.iter().filter_map(|row| {
        let key = MacKey::new(row.ack_key.as_deref()?);
        Some((IncarnationId::from_uuid(row.incarnation?), key))
    });
    let leases = rows.iter().filter_map(|row| {
        Some(LeaseRow {
            incarnation: IncarnationId::from_uuid(row.incarnation?),
            term: term(row.lease_ms?),
            renew_seq: row.renew_seq?,
            applied: position(row.applied_position?),
            epoch: LogEpoch::from_uuid(row.epoch?),
        })
    });
    Ok(Registered {
        epoch: LogEpoch::from_uuid(first.log_epoch),
        auth_position: position(first.auth_position),
        settled: position(first.settled),
        copied: position(first.copied),
        longest_term: term(first.lease_max_ms),
        bus_key: MacKey::new(&first.bus_key),
        rows: leases.collect(),
        ack_keys: keys.collect(),
    })
}

/// B6: every denial of the log `epoch` up to this position is in force everywhere, the one at it
/// since `at`, unless an earlier barrier said so before. False if the log is another one by now, in
/// which the position says nothing.
pub async fn settle(
    connection: &mut PgConnection,
    epoch: LogEpoch,
    up_to: GlobalPosition,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let same_log = sqlx::query_scalar!(
        r#"select gate.settle($1, $2, $3) as "same_log!""#,
        epoch.as_uuid(),
        up_to.as_i64(),
        at.datetime()
    )
    .fetch_one(connection)
    .await?;
    Ok(same_log)
}

/// Every denial of the log `epoch` up to this position is in a ledger.
pub async fn note_copies(
    connection: &mut PgConnection,
    epoch: LogEpoch,
    up_to: GlobalPosition,
) -> Result<(), StoreError> {
    sqlx::query_scalar!(
        "select gate.note_copies($1, $2)",
        epoch.as_uuid(),
        up_to.as_i64()
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// When denials were in force everywhere, at the latest: a barrier speaks of everything before its
/// own denial. Those of which none has said so are left out.
///
/// # Errors
/// If Postgres does not answer.
pub async fn settled_at(
    pool: &PgPool,
    denials: &[GlobalPosition],
) -> Result<HashMap<GlobalPosition, Timestamp>, StoreError> {
    let positions: Vec<i64> = denials.iter().map(|denial| denial.as_i64()).collect();
    let rows = sqlx::query!(
        r#"select denial.position as "position!", settled.effective_at
           from unnest($1::bigint[]) as denial (position)
           cross join lateral (
               select s.effective_at from gate.settlements s where s.position >= denial.position
               order by s.position limit 1
           ) settled"#,
        &positions
    )
    .fetch_all(pool)
    .await?;
    let settled = rows.into_iter().filter_map(|row| {
        let position = GlobalPosition::try_from_i64(row.position)?;
        Some((position, Timestamp::from_datetime(row.effective_at)))
    });
    Ok(settled.collect())
}

/// GC: deletes a row unless its replica renewed once more. Says whether it was deleted.
pub async fn collect(connection: &mut PgConnection, silent: &Silent) -> Result<bool, StoreError> {
    let deleted = sqlx::query!(
        "delete from gate.leases where incarnation = $1 and renew_seq = $2",
        silent.incarnation.as_uuid(),
        silent.renew_seq
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected() == 1)
}
