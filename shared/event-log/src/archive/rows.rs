//! `log.archived`: which stretches stand in files.

use domain::ids::GlobalPosition;
use domain::merkle::{CompactRange, NodeHash};
use sqlx::PgConnection;

use super::manifest::{Stretch, Sum};
use crate::error::{CorruptRow, ReadError};

/// A stretch that stands in a file, and how far all such go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    pub stretch: Stretch,
    pub manifest_sum: Sum,
    /// The last position that stands whole in files alone.
    pub upto: GlobalPosition,
}

/// The end of everything that is archived.
#[derive(Debug, Clone)]
pub struct Newest {
    pub stretch: Stretch,
    pub tree: CompactRange,
    pub auth: GlobalPosition,
}

/// What the log keeps of where its archives end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveEdge {
    /// The last position that stands whole in files alone.
    pub upto: GlobalPosition,
    /// The root of the tree over all events up to there.
    pub root: NodeHash,
    /// The newest event up to there that changes who may call, or 0.
    pub auth: GlobalPosition,
}

/// Where archives end; none if nothing is archived.
pub async fn edge(connection: &mut PgConnection) -> Result<Option<ArchiveEdge>, ReadError> {
    let newest = newest(connection).await?;
    Ok(newest.map(|newest| ArchiveEdge {
        upto: newest.stretch.last,
        root: newest.tree.root(),
        auth: newest.auth,
    }))
}

fn position(column: &'static str, value: i64) -> Result<GlobalPosition, CorruptRow> {
    GlobalPosition::try_from_i64(value)
        .ok_or_else(|| CorruptRow::new("log.archived", column, value, "is negative"))
}

/// The stretch that holds a position, if that is archived.
pub async fn holding(
    connection: &mut PgConnection,
    wanted: GlobalPosition,
) -> Result<Option<Archived>, ReadError> {
    let row = sqlx::query!(
        r#"select a.first, a.upto, a.manifest_sha256,
               (select max(upto) from log.archived) as "newest!"
           from log.archived a where a.upto >= $1 order by a.upto limit 1"#,
        wanted.as_i64()
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let archived = archived(row.first, row.upto, &row.manifest_sha256, row.newest)?;
    if archived.stretch.first > wanted {
        return Err(CorruptRow::new("log.archived", "first", wanted, "is in no stretch").into());
    }
    Ok(Some(archived))
}

/// All stretches, the oldest first.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Archived>, ReadError> {
    let rows = sqlx::query!(
        r#"select first, upto, manifest_sha256, max(upto) over () as "newest!"
           from log.archived order by upto"#
    )
    .fetch_all(connection)
    .await?;
    let all = rows
        .into_iter()
        .map(|row| archived(row.first, row.upto, &row.manifest_sha256, row.newest));
    Ok(all.collect::<Result<_, CorruptRow>>()?)
}

/// The last position that stands whole in files alone, or 0.
pub async fn upto(connection: &mut PgConnection) -> Result<GlobalPosition, ReadError> {
    let upto = sqlx::query_scalar!(r#"select coalesce(max(upto), 0) as "upto!" from log.archived"#)
        .fetch_one(connection)
        .await?;
    Ok(position("upto", upto)?)
}

/// The lower bound of the lowest partition that is attached.
pub async fn attached_from(connection: &mut PgConnection) -> Result<GlobalPosition, ReadError> {
    // What bounds a partition stands in the catalogue, as text alone.
    let first = sqlx::query_scalar!(
        r#"select min(substring(pg_get_expr(p.relpartbound, p.oid) from 'FROM \(''?(\d+)')::bigint)
           from pg_inherits i join pg_class p on p.oid = i.inhrelid
           where i.inhparent = 'log.events'::regclass"#
    )
    .fetch_one(connection)
    .await?;
    Ok(position("first", first.unwrap_or(1))?)
}

/// What was archived last.
pub async fn newest(connection: &mut PgConnection) -> Result<Option<Newest>, ReadError> {
    let row = sqlx::query!(
        "select first, upto, auth_position, peaks from log.archived order by upto desc limit 1"
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let stretch = stretch(row.first, row.upto)?;
    let peaks: Option<Vec<_>> = row
        .peaks
        .iter()
        .map(|peak| NodeHash::try_from_slice(peak))
        .collect();
    let tree = peaks.and_then(|peaks| CompactRange::try_from_peaks(stretch.last.get(), &peaks));
    let tree = tree.ok_or_else(|| {
        CorruptRow::new(
            "log.archived",
            "peaks",
            stretch.last,
            "are not those of a tree",
        )
    })?;
    Ok(Some(Newest {
        stretch,
        tree,
        auth: position("auth_position", row.auth_position)?,
    }))
}

fn stretch(first: i64, upto: i64) -> Result<Stretch, CorruptRow> {
    Ok(Stretch {
        first: position("first", first)?,
        last: position("upto", upto)?,
    })
}

fn archived(
    first: i64,
    upto: i64,
    manifest_sha256: &[u8],
    newest: i64,
) -> Result<Archived, CorruptRow> {
    let stretch = stretch(first, upto)?;
    let sum = manifest_sha256.try_into().map_err(|_| {
        let key = stretch.last;
        CorruptRow::new("log.archived", "manifest_sha256", key, "is not 32 bytes")
    })?;
    Ok(Archived {
        stretch,
        manifest_sum: Sum(sum),
        upto: position("upto", newest)?,
    })
}
