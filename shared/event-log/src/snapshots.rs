//! `log.snapshots`: the newest folded state of an org. They only save time: one that is missing or
//! does not read is as good as none.

use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use sqlx::PgConnection;

use crate::error::ReadError;

/// Largest state, unpacked, in bytes.
const STATE_BYTES: usize = 1024 * 1024 * 1024;
const ZSTD_LEVEL: i32 = 1;

/// A folded state, in a form that its writer knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Version of the org's decisions that is folded in.
    pub version: StreamVersion,
    /// Position of the last event that is folded in.
    pub position: GlobalPosition,
    /// The state.
    pub state: Vec<u8>,
}

/// The newest snapshot of this format.
pub async fn load(
    connection: &mut PgConnection,
    org: OrgId,
    format: i16,
) -> Result<Option<Snapshot>, ReadError> {
    let Some(row) = sqlx::query!(
        "select version, position, state from log.snapshots where org_id = $1 and format = $2",
        org.as_uuid(),
        format
    )
    .fetch_optional(connection)
    .await?
    else {
        return Ok(None);
    };
    let unpacked = tokio::task::spawn_blocking(move || unpack(&row.state)).await;
    let (Ok(Some(state)), Some(version), Some(position)) = (
        unpacked,
        StreamVersion::try_from_i64(row.version),
        GlobalPosition::try_from_i64(row.position),
    ) else {
        tracing::warn!(org.id = %org, snapshot.format = format, "snapshot does not read, ignored");
        return Ok(None);
    };
    Ok(Some(Snapshot {
        version,
        position,
        state,
    }))
}

/// Keeps a snapshot unless a newer one is there.
pub async fn store(
    connection: &mut PgConnection,
    org: OrgId,
    format: i16,
    snapshot: Snapshot,
) -> Result<(), ReadError> {
    let (version, position) = (snapshot.version.as_i64(), snapshot.position.as_i64());
    let packed =
        tokio::task::spawn_blocking(move || zstd::bulk::compress(&snapshot.state, ZSTD_LEVEL));
    let Ok(Ok(state)) = packed.await else {
        tracing::warn!(org.id = %org, "snapshot could not be packed, not kept");
        return Ok(());
    };
    sqlx::query!(
        "insert into log.snapshots as s (org_id, format, version, position, state)
         values ($1, $2, $3, $4, $5)
         on conflict (org_id, format) do update set
             version = excluded.version, position = excluded.position, state = excluded.state
         where s.version < excluded.version",
        org.as_uuid(),
        format,
        version,
        position,
        state
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    // Zero bytes are a frame of nothing to zstd, and no snapshot to us.
    let size = zstd::bulk::Decompressor::upper_bound(packed).filter(|size| *size > 0)?;
    if size > STATE_BYTES {
        return None;
    }
    zstd::bulk::decompress(packed, size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_zstd_is_no_state() {
        assert_eq!(unpack(b""), None);
        assert_eq!(unpack(b"not zstd at all"), None);
    }

    #[test]
    fn a_cut_state_is_no_state() {
        let packed = zstd::bulk::compress(&[7; 10_000], ZSTD_LEVEL).expect("compresses");
        assert_eq!(unpack(&packed), Some(vec![7; 10_000]));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
    }
}
