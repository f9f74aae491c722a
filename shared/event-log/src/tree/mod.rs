//! The Merkle tree over the log, as far as it is kept: `log.merkle` holds the roots of complete
//! subtrees every eight levels, and the leaves are the hashes of `log.events`. A proof reads six tiles of
//! at most 256 hashes, however long the log is.

mod checkpoints;
mod seals;

use domain::event::ChainHash;
use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::proof::{self, Part};
use domain::merkle::{Frontier, NodeHash, TILE_WIDTH, TileId, Tiles, leaf_index};
use sqlx::PgConnection;

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

impl EventLog {
    /// Proves that the event at a position is in the tree of this size, which must have been signed; none
    /// if the tree does not reach it, or its neighbours are no longer at hand.
    pub async fn inclusion_proof(
        &self,
        position: GlobalPosition,
        size: TreeSize,
    ) -> Result<Option<InclusionProof>, ReadError> {
        let leaf_index = leaf_index(position);
        let Some(parts) = proof::inclusion(leaf_index, size.get()) else {
            return Ok(None);
        };
        self.ask(async |c| {
            let event = event_hash(&mut *c, position).await?;
            let root = root_at(&mut *c, size).await?;
            let hashes = hashes(c, &parts).await?;
            let (Some(event), Some(root), Some(hashes)) = (event, root, hashes) else {
                return Ok(None);
            };
            Ok(Some(InclusionProof {
                leaf_index,
                leaf: NodeHash::of_leaf(&event),
                root,
                hashes,
            }))
        })
        .await
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
        self.ask(async |c| hashes(c, &parts).await).await
    }
}

async fn hashes(
    connection: &mut PgConnection,
    parts: &[Part],
) -> Result<Option<Vec<NodeHash>>, ReadError> {
    let needed = TileId::of_all(parts.iter().flat_map(|part| part.subtrees()));
    let mut tiles = Tiles::default();
    for id in needed {
        tiles.insert(id, tile(&mut *connection, id).await?);
    }
    let hash = |part: &Part| part.hash(|subtree| tiles.root(subtree));
    Ok(parts.iter().map(hash).collect())
}

/// The root of the tree of a size; none if what it is made of is no longer at hand.
async fn root_at(
    connection: &mut PgConnection,
    size: TreeSize,
) -> Result<Option<NodeHash>, ReadError> {
    Ok(frontier(connection, size).await?.map(|edge| edge.root()))
}

/// The edge of the tree of a size; none if part of it is not at hand.
pub(crate) async fn frontier(
    connection: &mut PgConnection,
    size: TreeSize,
) -> Result<Option<Frontier>, ReadError> {
    let size = size.get();
    let mut edges = Vec::new();
    for level in Frontier::levels(size) {
        let width = Frontier::width(size, level);
        let index = (size >> level) / TILE_WIDTH;
        let mut edge = match width {
            0 => Vec::new(),
            _ => tile(&mut *connection, TileId { level, index }).await?,
        };
        edge.truncate(usize::try_from(width).unwrap_or(usize::MAX));
        edges.push(edge);
    }
    Ok(Frontier::try_new(size, edges).ok())
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

async fn event_hash(
    connection: &mut PgConnection,
    position: GlobalPosition,
) -> Result<Option<ChainHash>, ReadError> {
    let hash = sqlx::query_scalar!(
        "select hash from log.events where position = $1",
        position.as_i64()
    )
    .fetch_optional(connection)
    .await?;
    let hash = hash.map(|hash| chain(position.as_i64(), &hash));
    Ok(hash.transpose()?)
}

fn chain(position: i64, bytes: &[u8]) -> Result<ChainHash, CorruptRow> {
    ChainHash::try_from_slice(bytes)
        .ok_or_else(|| CorruptRow::new("log.events", "hash", position, "is not 32 bytes"))
}

fn node(table: &'static str, key: i64, bytes: &[u8]) -> Result<NodeHash, CorruptRow> {
    NodeHash::try_from_slice(bytes)
        .ok_or_else(|| CorruptRow::new(table, "hash", key, "is not 32 bytes"))
}
