//! Proofs: which hashes they are made of, and whether they hold (RFC 9162, sections 2.1.3 and 2.1.4,
//! whose proofs are those of RFC 6962).

use super::range::fold;
use super::{NodeHash, Subtree};

/// Most hashes of one proof, for a tree of any size.
pub const PROOF_HASHES: usize = 65;

/// One hash of a proof: the root over the leaves from `begin` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Part {
    /// The complete subtrees that it is made of, from left to right.
    pub fn subtrees(self) -> Vec<Subtree> {
        Subtree::of_range(self.begin, self.end)
    }

    /// Its hash, given the roots of its subtrees; none if one of them is not known.
    pub fn hash(self, root: impl Fn(Subtree) -> Option<NodeHash>) -> Option<NodeHash> {
        let roots: Option<Vec<_>> = self.subtrees().into_iter().map(root).collect();
        Some(fold(roots?.into_iter()))
    }
}

/// What proves that a tree of `size` leaves has a given leaf at `index`; none if it has no such
/// place.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Part>> {
    if index >= size {
        return None;
    }
    let (mut begin, mut end) = (0, size);
    let mut parts = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            parts.push(Part { begin: middle, end });
            end = middle;
        } else {
            parts.push(Part { begin, end: middle });
            begin = middle;
        }
    }
    parts.reverse();
    Some(parts)
}

/// What proves that a tree of `from` leaves is the beginning of one of `to`; none if it is the larger
/// one. A tree begins with itself and with the empty one: that needs no proof.
pub fn consistency(from: u64, to: u64) -> Option<Vec<Part>> {
    if from > to {
        return None;
    }
    if from == 0 || from == to {
        return Some(Vec::new());
    }
    let (mut begin, mut end) = (0, to);
    let mut parts = Vec::new();
    // Down to the part that is the same in both trees; if it begins them, the old root is its hash.
    while from != end {
        let middle = begin + split(end - begin);
        if from <= middle {
            parts.push(Part { begin: middle, end });
            end = middle;
        } else {
            parts.push(Part { begin, end: middle });
            begin = middle;
        }
    }
    if begin > 0 {
        parts.push(Part { begin, end });
    }
    parts.reverse();
    Some(parts)
}

/// The largest power of two below `size`, which is more than 1.
const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Whether `hashes` prove that the tree of `size` leaves under `root` has `leaf` at `index`.
pub fn proves_inclusion(
    leaf: NodeHash,
    index: u64,
    size: u64,
    hashes: &[NodeHash],
    root: NodeHash,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut known) = (index, size - 1, leaf);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            known = NodeHash::over(hash, &known);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            known = NodeHash::over(&known, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && known == root
}

/// Whether `hashes` prove that the tree of `from` leaves under `old` is the beginning of the one of `to`
/// under `new`.
pub fn proves_consistency(
    from: u64,
    to: u64,
    hashes: &[NodeHash],
    old: NodeHash,
    new: NodeHash,
) -> bool {
    if from > to {
        return false;
    }
    if from == 0 {
        return hashes.is_empty() && old == NodeHash::of_nothing();
    }
    if from == to {
        return hashes.is_empty() && old == new;
    }
    let (mut place, mut last) = (from - 1, to - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    // A whole subtree begins both trees: its hash is the old root, and is not sent.
    let begins = if from.is_power_of_two() {
        Some(old)
    } else {
        None
    };
    let mut path = begins.into_iter().chain(hashes.iter().copied());
    let Some(first) = path.next() else {
        return false;
    };
    let (mut known_old, mut known_new) = (first, first);
    for hash in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            known_old = NodeHash::over(&hash, &known_old);
            known_new = NodeHash::over(&hash, &known_new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            known_new = NodeHash::over(&known_new, &hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && known_old == old && known_new == new
}
