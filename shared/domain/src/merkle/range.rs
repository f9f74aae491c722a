//! A row of complete subtrees, and the root over it.

use super::{NodeHash, Subtree};

/// The leaves from the first on, as the roots of the fewest complete subtrees: all that is needed to
/// go on and to know the root, at most 64 hashes however many leaves there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    /// Level and root, the largest first; levels fall strictly.
    roots: Vec<(u8, NodeHash)>,
}

impl CompactRange {
    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: NodeHash) {
        self.push_subtree(0, leaf);
    }

    /// Adds a complete subtree of so many levels. It must begin at a multiple of its width, as any does
    /// that is added in the order of [`Subtree::of_range`].
    pub fn push_subtree(&mut self, level: u8, root: NodeHash) {
        let (mut at, mut right) = (level, root);
        while let Some((_, left)) = self.roots.pop_if(|(above, _)| *above == at) {
            right = NodeHash::over(&left, &right);
            at += 1;
        }
        self.roots.push((at, right));
        self.size += Subtree { level, index: 0 }.width();
    }

    /// From the roots of the complete subtrees that a tree of this size consists of, the largest first;
    /// none if it does not consist of so many.
    pub fn try_from_peaks(size: u64, peaks: &[NodeHash]) -> Option<Self> {
        let subtrees = Subtree::of_range(0, size);
        let levels = subtrees.iter().map(|subtree| subtree.level);
        (subtrees.len() == peaks.len()).then(|| Self {
            size,
            roots: levels.zip(peaks.iter().copied()).collect(),
        })
    }

    /// The roots of the complete subtrees that it consists of, the largest first.
    pub fn peaks(&self) -> impl Iterator<Item = NodeHash> + '_ {
        self.roots.iter().map(|(_, root)| *root)
    }

    /// The root of the tree over all leaves.
    pub fn root(&self) -> NodeHash {
        fold(self.roots.iter().map(|(_, root)| *root))
    }
}

/// The root over subtrees that stand side by side, from left to right: the rightmost are joined first.
pub fn fold(roots: impl DoubleEndedIterator<Item = NodeHash>) -> NodeHash {
    roots
        .rev()
        .reduce(|right, left| NodeHash::over(&left, &right))
        .unwrap_or_else(NodeHash::of_nothing)
}

#[cfg(test)]
mod tests {
    use super::{CompactRange, NodeHash};

    #[test]
    fn a_range_comes_back_from_its_peaks() {
        let mut range = CompactRange::default();
        for size in 0..300 {
            let peaks: Vec<_> = range.peaks().collect();
            let back = CompactRange::try_from_peaks(size, &peaks);
            assert_eq!(back, Some(range.clone()));
            assert_eq!(CompactRange::try_from_peaks(size ^ 1, &peaks), None);
            let leaf = NodeHash::from_bytes([u8::try_from(size % 251).unwrap_or(0); 32]);
            range.push(leaf);
        }
    }
}
