//! The tree's growing edge, with what must be kept of it.

use thiserror::Error;

use super::{CompactRange, NodeHash, TILE_LEVELS, TILE_WIDTH};

/// The tiles of one edge are not as wide as its size says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the tiles at the tree's edge hold {found} hashes at level {level} where {wanted} are due")]
pub struct MisshapenFrontier {
    /// The level.
    pub level: u8,
    /// How many hashes there must be.
    pub wanted: u64,
    /// How many there are.
    pub found: u64,
}

/// The root of a complete subtree, to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// 8, 16, …
    pub level: u8,
    /// How many subtrees of its height stand before it.
    pub index: u64,
    /// Its root.
    pub hash: NodeHash,
}

/// The incomplete tile of every level, the leaves first: at most 256 hashes each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    edges: Vec<Vec<NodeHash>>,
}

impl Frontier {
    /// The levels that a tree of this size has tiles of.
    pub fn levels(size: u64) -> impl Iterator<Item = u8> {
        (0..u8::try_from(u64::BITS).unwrap_or(u8::MAX))
            .step_by(usize::from(TILE_LEVELS))
            .take_while(move |level| *level == 0 || size >> level > 0)
    }

    /// How many hashes the incomplete tile of a level has.
    pub const fn width(size: u64, level: u8) -> u64 {
        (size >> level) % TILE_WIDTH
    }

    /// From what was kept: the incomplete tile of every level in [`levels`](Self::levels).
    ///
    /// # Errors
    /// If one is not as wide as it must be.
    pub fn try_new(size: u64, edges: Vec<Vec<NodeHash>>) -> Result<Self, MisshapenFrontier> {
        let levels = Self::levels(size).count();
        for step in 0..levels.max(edges.len()) {
            let level = u8::try_from(step).unwrap_or(u8::MAX) * TILE_LEVELS;
            let found = edges.get(step).map_or(0, Vec::len) as u64;
            let wanted = if step < levels {
                Self::width(size, level)
            } else {
                0
            };
            if found != wanted {
                return Err(MisshapenFrontier {
                    level,
                    wanted,
                    found,
                });
            }
        }
        Ok(Self { size, edges })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and names the subtrees that are complete with it, the smallest first.
    pub fn push(&mut self, leaf: NodeHash, mut keep: impl FnMut(Grown)) {
        self.size += 1;
        self.add(0, leaf, &mut keep);
    }

    /// Adds all leaves of a tile at once, of which only the root is known; false, and nothing is added,
    /// unless the tree ends where a tile begins.
    pub fn push_tile(&mut self, root: NodeHash, mut keep: impl FnMut(Grown)) -> bool {
        if !self.size.is_multiple_of(TILE_WIDTH) {
            return false;
        }
        self.size += TILE_WIDTH;
        self.complete(1, root, &mut keep);
        true
    }

    /// The root of the tree over all leaves.
    pub fn root(&self) -> NodeHash {
        let mut range = CompactRange::default();
        for (step, edge) in self.edges.iter().enumerate().rev() {
            let level = u8::try_from(step).unwrap_or(u8::MAX) * TILE_LEVELS;
            for hash in edge {
                range.push_subtree(level, *hash);
            }
        }
        range.root()
    }

    fn add(&mut self, step: usize, hash: NodeHash, keep: &mut impl FnMut(Grown)) {
        if self.edges.len() <= step {
            self.edges.resize(step + 1, Vec::new());
        }
        let edge = &mut self.edges[step];
        edge.push(hash);
        if edge.len() as u64 == TILE_WIDTH {
            let mut tile = CompactRange::default();
            for hash in edge.drain(..) {
                tile.push(hash);
            }
            self.complete(step + 1, tile.root(), keep);
        }
    }

    fn complete(&mut self, step: usize, hash: NodeHash, keep: &mut impl FnMut(Grown)) {
        let level = u8::try_from(step).unwrap_or(u8::MAX) * TILE_LEVELS;
        keep(Grown {
            level,
            index: (self.size >> level) - 1,
            hash,
        });
        self.add(step, hash, keep);
    }
}
