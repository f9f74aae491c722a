//! The Merkle tree over all events of the log (RFC 6962, section 2): leaf `n` is the event at
//! position `n + 1`, its data the 32 bytes of the event's `hash`.
//!
//! A tree is never held as a whole. [`Frontier`] grows it leaf by leaf and hands out the roots of
//! complete subtrees that are worth keeping; [`proof`] says which subtrees a proof is made of, and
//! [`Tiles`] finds their roots in what was kept.

mod frontier;
pub mod proof;
mod range;
#[cfg(test)]
mod tests;
mod tiles;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use self::frontier::{Frontier, Grown, MisshapenFrontier};
pub use self::range::CompactRange;
pub use self::tiles::{TILE_LEVELS, TILE_WIDTH, TileId, Tiles};
use crate::event::ChainHash;
use crate::ids::GlobalPosition;

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// A text that is not the 64 hexadecimal digits of a hash.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a hash of 64 hexadecimal digits")]
pub struct InvalidHash;

/// SHA-256 of a leaf or of a subtree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeHash([u8; 32]);

impl NodeHash {
    /// Wraps the 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From a column's bytes; `None` if they are not 32.
    pub fn try_from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of the event with this hash.
    pub fn of_leaf(event: &ChainHash) -> Self {
        let mut hash = Sha256::new();
        hash.update([LEAF]);
        hash.update(event.as_bytes());
        Self(hash.finalize().into())
    }

    /// Of the node over two others.
    #[must_use]
    pub fn over(left: &Self, right: &Self) -> Self {
        let mut hash = Sha256::new();
        hash.update([NODE]);
        hash.update(left.0);
        hash.update(right.0);
        Self(hash.finalize().into())
    }

    /// The root of the tree without leaves.
    pub fn of_nothing() -> Self {
        Self(Sha256::digest(b"").into())
    }
}

impl fmt::Display for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let hash: ChainHash = text.parse().map_err(|_| InvalidHash)?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// Place of a leaf in the tree, from 0.
pub const fn leaf_index(position: GlobalPosition) -> u64 {
    position.get().saturating_sub(1)
}

/// A complete subtree: the leaves from `index << level` on, `1 << level` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// Its height; 0 is a leaf.
    pub level: u8,
    /// How many subtrees of its height stand before it.
    pub index: u64,
}

impl Subtree {
    /// The complete subtrees that the leaves from `begin` up to `end` consist of, from left to right.
    /// At most 126; `end` must not stand before `begin`.
    pub fn of_range(begin: u64, end: u64) -> Vec<Self> {
        let mut subtrees = Vec::new();
        let mut at = begin;
        while at < end {
            // The largest that begins here and ends in time.
            let aligned = at.trailing_zeros().min(63);
            let fitting = (end - at).ilog2();
            let level = aligned.min(fitting);
            subtrees.push(Self {
                level: u8::try_from(level).unwrap_or(u8::MAX),
                index: at >> level,
            });
            at += 1 << level;
        }
        subtrees
    }

    /// How many leaves it has.
    pub const fn width(self) -> u64 {
        1 << self.level
    }
}
