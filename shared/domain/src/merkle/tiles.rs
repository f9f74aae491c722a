//! What is kept of the tree: the roots of complete subtrees, every eight levels.

use std::collections::{BTreeSet, HashMap};

use super::range::CompactRange;
use super::{NodeHash, Subtree};

/// Levels from one kept row of hashes to the next; stable, since rows of the database are counted by it.
pub const TILE_LEVELS: u8 = 8;
/// Hashes of one tile; also how many leaves have one kept hash at the lowest kept level.
pub const TILE_WIDTH: u64 = 1 << TILE_LEVELS;

/// Up to 256 neighbours of one kept level: what is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for leaves, then 8, 16, …
    pub level: u8,
    /// How many tiles of its level stand before it.
    pub index: u64,
}

impl TileId {
    /// The tile from which a subtree's root can be made.
    pub const fn of(subtree: Subtree) -> Self {
        let level = subtree.level / TILE_LEVELS * TILE_LEVELS;
        let first = subtree.index << (subtree.level - level);
        Self {
            level,
            index: first / TILE_WIDTH,
        }
    }

    /// The tiles from which the roots of these can be made, each once.
    pub fn of_all(subtrees: impl IntoIterator<Item = Subtree>) -> BTreeSet<Self> {
        subtrees.into_iter().map(Self::of).collect()
    }

    /// The number, at its level, of its first hash.
    pub const fn first(self) -> u64 {
        self.index * TILE_WIDTH
    }
}

/// Tiles that were read.
#[derive(Debug, Clone, Default)]
pub struct Tiles(HashMap<TileId, Vec<NodeHash>>);

impl Tiles {
    /// Adds what there is of a tile, from its first hash on.
    pub fn insert(&mut self, tile: TileId, hashes: Vec<NodeHash>) {
        self.0.insert(tile, hashes);
    }

    /// The root of a complete subtree; none if the hashes it is made of were not read.
    pub fn root(&self, subtree: Subtree) -> Option<NodeHash> {
        let tile = TileId::of(subtree);
        let above = subtree.level - tile.level;
        let first = (subtree.index << above) - tile.first();
        let first = usize::try_from(first).ok()?;
        let hashes = self.0.get(&tile)?.get(first..first + (1 << above))?;
        let mut range = CompactRange::default();
        for hash in hashes {
            range.push(*hash);
        }
        Some(range.root())
    }
}
