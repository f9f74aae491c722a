//! The Merkle tree over the log, as far as it is kept: `log.merkle` holds the roots of complete
//! subtrees every eight levels, and the leaves are the hashes of `log.events`. A proof reads six tiles of
//! at most 256 hashes, however long the log is; for leaves that are archived it unpacks their frames.

mod checkpoints;
mod seals;

use domain::event::ChainHash;
use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::proof::{self, Part};
use domain::merkle::{Frontier, Grown, NodeHash, TILE_WIDTH, TileId, Tiles, leaf_index};
use sqlx::PgConnection;

use crate::archive::{self, Purpose};
use crate::error::{CorruptRow, ReadError};
use crate::log::EventLog;

pub use self::checkpoints::{LogCheckpoints, SignedCheckpoint};
pub(crate) use self::checkpoints::{largest, newest};
pub(crate) use self::seals::ends;
pub use self::seals::{SealError, SealedEnds};

/// That an event stands in the log as of a tree size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The event's own place in the tree, from 0.
    pub leaf_index: u64,
    /// The hash of its leaf.
    pub leaf: NodeHash,
    /// The root of the tree.
    pub root: NodeHash,
    /// The proof.
    pub hashes: Vec<NodeHash>,
}

/// A kept subtree that is not what the log gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongSubtree {
    /// What it must be.
    pub due: Grown,
    /// Whether there is none, rather than another.
    pub is_missing: bool,
}

impl EventLog {
    /// Proves that the event at a position is in the tree of this size, which must have been signed; none
    /// if the tree does not reach it, or its neighbours are no longer at hand.
    ///
    /// # Errors
    /// [`ReadError::Archived`] if some of them are archived, and there is no archive here.
    pub async fn inclusion_proof(
        &self,
        position: GlobalPosition,
        size: TreeSize,
    ) -> Result<Option<InclusionProof>, ReadError> {
        let leaf_index = leaf_index(position);
        let Some(parts) = proof::inclusion(leaf_index, size.get()) else {
            return Ok(None);
        };
        let event = self.read_at(&[position]).await?;
        let root = self.tree_edge(size).await?.map(|edge| edge.root());
        let hashes = self.proof_hashes(&parts).await?;
        let (Some(event), Some(root), Some(hashes)) = (event.first(), root, hashes) else {
            return Ok(None);
        };
        Ok(Some(InclusionProof {
            leaf_index,
            leaf: NodeHash::of_leaf(&event.hash),
            root,
            hashes,
        }))
    }

    /// Proves that the tree of one size is the beginning of another, both signed; none if it is the
    /// larger one, or what the proof is made of is no longer at hand.
    pub async fn consistency_proof(
        &self,
        from: TreeSize,
        to: TreeSize,
    ) -> Result<Option<Vec<NodeHash>>, ReadError> {
        let Some(parts) = proof::consistency(from.get(), to.get()) else {
            return Ok(None);
        };
        self.proof_hashes(&parts).await
    }

    /// The edge of the tree of a size, from what is kept of it and the leaves wherever they stand; none
    /// if part of that is not at hand.
    pub async fn tree_edge(&self, size: TreeSize) -> Result<Option<Frontier>, ReadError> {
        let mut tiles = Vec::new();
        for id in at_edge(size) {
            tiles.push(match id {
                Some(id) => self.tile(id).await?,
                None => Vec::new(),
            });
        }
        Ok(assembled(size, tiles))
    }

    async fn proof_hashes(&self, parts: &[Part]) -> Result<Option<Vec<NodeHash>>, ReadError> {
        let needed = TileId::of_all(parts.iter().flat_map(|part| part.subtrees()));
        let mut tiles = Tiles::default();
        for id in needed {
            tiles.insert(id, self.tile(id).await?);
        }
        let hash = |part: &Part| part.hash(|subtree| tiles.root(subtree));
        Ok(parts.iter().map(hash).collect())
    }

    /// What there is of a tile; leaves that are archived come from the archive.
    async fn tile(&self, id: TileId) -> Result<Vec<NodeHash>, ReadError> {
        let is_whole = |tile: &[NodeHash]| id.level > 0 || tile.len() as u64 >= TILE_WIDTH;
        let asked = self.ask(async |c| {
            let tile = tile(&mut *c, id).await?;
            let archived = if is_whole(&tile) {
                GlobalPosition::ZERO
            } else {
                archive::upto(c).await?
            };
            Ok((tile, archived))
        });
        let (mut tile, archived) = asked.await?;
        let found = tile.len() as u64;
        let next = GlobalPosition::new(id.first() + found);
        if is_whole(&tile) || next >= archived {
            return Ok(tile);
        }
        let lacking = u16::try_from(TILE_WIDTH - found).unwrap_or(u16::MAX);
        let leaves = self.read_through(next, lacking, Purpose::Request).await?;
        tile.extend(leaves.iter().map(|event| NodeHash::of_leaf(&event.hash)));
        Ok(tile)
    }
}

/// The edge of the tree of a size, with leaves that are online; none if part of it is not at hand.
pub(crate) async fn frontier(
    connection: &mut PgConnection,
    size: TreeSize,
) -> Result<Option<Frontier>, ReadError> {
    let mut tiles = Vec::new();
    for id in at_edge(size) {
        tiles.push(match id {
            Some(id) => tile(&mut *connection, id).await?,
            None => Vec::new(),
        });
    }
    Ok(assembled(size, tiles))
}

/// The tiles at the edge of the tree of a size, level by level; none where it is full.
fn at_edge(size: TreeSize) -> impl Iterator<Item = Option<TileId>> {
    let size = size.get();
    Frontier::levels(size).map(move |level| {
        let index = (size >> level) / TILE_WIDTH;
        (Frontier::width(size, level) > 0).then_some(TileId { level, index })
    })
}

fn assembled(size: TreeSize, mut tiles: Vec<Vec<NodeHash>>) -> Option<Frontier> {
    let size = size.get();
    for (level, tile) in Frontier::levels(size).zip(&mut tiles) {
        let width = Frontier::width(size, level);
        tile.truncate(usize::try_from(width).unwrap_or(usize::MAX));
    }
    Frontier::try_new(size, tiles).ok()
}

/// Keeps subtrees that are complete, unless they are kept already; how many were not.
pub(crate) async fn keep(
    connection: &mut PgConnection,
    grown: &[Grown],
) -> Result<u64, sqlx::Error> {
    let columns = Columns::of(grown);
    let kept = sqlx::query!(
        "insert into log.merkle (level, index, hash)
         select * from unnest($1::smallint[], $2::bigint[], $3::bytea[]) on conflict do nothing",
        &columns.levels,
        &columns.indexes,
        &columns.hashes
    )
    .execute(connection)
    .await?;
    Ok(kept.rows_affected())
}

/// Those of the subtrees that are kept otherwise, or not at all.
pub(crate) async fn wrong_subtrees(
    connection: &mut PgConnection,
    due: &[Grown],
) -> Result<Vec<WrongSubtree>, sqlx::Error> {
    let columns = Columns::of(due);
    let wrong = sqlx::query!(
        r#"select due.place as "place!", kept.hash is null as "is_missing!"
           from unnest($1::smallint[], $2::bigint[], $3::bytea[])
               with ordinality as due (level, index, hash, place)
           left join log.merkle kept using (level, index)
           where kept.hash is distinct from due.hash order by due.place"#,
        &columns.levels,
        &columns.indexes,
        &columns.hashes
    )
    .fetch_all(connection)
    .await?;
    let found = wrong.into_iter().filter_map(|row| {
        let place = usize::try_from(row.place - 1).ok()?;
        Some(WrongSubtree {
            due: *due.get(place)?,
            is_missing: row.is_missing,
        })
    });
    Ok(found.collect())
}

/// Subtrees, column by column.
struct Columns {
    levels: Vec<i16>,
    indexes: Vec<i64>,
    hashes: Vec<Vec<u8>>,
}

impl Columns {
    fn of(grown: &[Grown]) -> Self {
        let index = |one: &Grown| i64::try_from(one.index).unwrap_or(i64::MAX);
        Self {
            levels: grown.iter().map(|one| i16::from(one.level)).collect(),
            indexes: grown.iter().map(index).collect(),
            hashes: grown
                .iter()
                .map(|one| one.hash.as_bytes().to_vec())
                .collect(),
        }
    }
}

/// What there is of a tile, from its first hash on without gaps.
pub(crate) async fn tile(
    connection: &mut PgConnection,
    tile: TileId,
) -> Result<Vec<NodeHash>, ReadError> {
    if tile.level == 0 {
        let after = GlobalPosition::new(tile.first());
        let leaves = leaves_after(connection, after, TILE_WIDTH).await;
        return leaves;
    }
    let first = i64::try_from(tile.first()).unwrap_or(i64::MAX);
    let width = i64::try_from(TILE_WIDTH).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        "select index, hash from log.merkle
         where level = $1 and index >= $2 and index < $2 + $3::bigint order by index",
        i16::from(tile.level),
        first,
        width
    )
    .fetch_all(connection)
    .await?;
    let mut hashes = Vec::with_capacity(rows.len());
    for (due, row) in (first..).zip(rows) {
        if row.index != due {
            break;
        }
        hashes.push(node("log.merkle", row.index, &row.hash)?);
    }
    Ok(hashes)
}

/// The leaves of up to `limit` events after a position, without gaps.
pub(crate) async fn leaves_after(
    connection: &mut PgConnection,
    after: GlobalPosition,
    limit: u64,
) -> Result<Vec<NodeHash>, ReadError> {
    let rows = sqlx::query!(
        "select position, hash from log.events
         where position > $1 and position <= $1 + $2::bigint order by position",
        after.as_i64(),
        i64::try_from(limit).unwrap_or(i64::MAX)
    )
    .fetch_all(connection)
    .await?;
    let mut due = after.as_i64();
    let mut leaves = Vec::with_capacity(rows.len());
    for row in rows {
        due += 1;
        if row.position != due {
            break;
        }
        leaves.push(NodeHash::of_leaf(&chain(row.position, &row.hash)?));
    }
    Ok(leaves)
}

fn chain(position: i64, bytes: &[u8]) -> Result<ChainHash, CorruptRow> {
    ChainHash::try_from_slice(bytes)
        .ok_or_else(|| CorruptRow::new("log.events", "hash", position, "is not 32 bytes"))
}

fn node(table: &'static str, key: i64, bytes: &[u8]) -> Result<NodeHash, CorruptRow> {
    NodeHash::try_from_slice(bytes)
        .ok_or_else(|| CorruptRow::new(table, "hash", key, "is not 32 bytes"))
}
