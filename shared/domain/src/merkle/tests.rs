#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest::sample::Index;
use sha2::{Digest, Sha256};

use super::proof::{
    PROOF_HASHES, Part, consistency, inclusion, proves_consistency, proves_inclusion,
};
use super::{CompactRange, Frontier, Grown, NodeHash, Subtree, TileId, Tiles};

/// The data of the tree that implementations of RFC 6962 are tested with, and the roots of its beginnings.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap())
        .collect()
}

/// Leaves of the standard's tree have data of any length, ours 32 bytes.
fn leaf_of(data: &[u8]) -> NodeHash {
    NodeHash(Sha256::digest([&[0], data].concat()).into())
}

fn leaf(n: u64) -> NodeHash {
    leaf_of(&n.to_be_bytes())
}

fn leaves(count: u64) -> Vec<NodeHash> {
    (0..count).map(leaf).collect()
}

/// The definition of section 2.1.
fn root_of(leaves: &[NodeHash]) -> NodeHash {
    match leaves {
        [] => NodeHash::of_nothing(),
        [one] => *one,
        _ => {
            let half = leaves.len().next_power_of_two() / 2;
            NodeHash::over(&root_of(&leaves[..half]), &root_of(&leaves[half..]))
        }
    }
}

fn hashes(parts: &[Part], leaves: &[NodeHash]) -> Vec<NodeHash> {
    let root = |subtree: Subtree| {
        let first = usize::try_from(subtree.index << subtree.level).unwrap();
        let end = first + usize::try_from(subtree.width()).unwrap();
        Some(root_of(leaves.get(first..end)?))
    };
    let found: Option<Vec<_>> = parts.iter().map(|part| part.hash(root)).collect();
    found.unwrap()
}

fn flipped(hash: NodeHash, bit: Index) -> NodeHash {
    let mut bytes = *hash.as_bytes();
    let bit = bit.index(256);
    bytes[bit / 8] ^= 1 << (bit % 8);
    NodeHash(bytes)
}

/// Every way to spoil a proof that leaves its statement alone.
fn spoiled(proof: &[NodeHash], place: Index, bit: Index) -> Vec<Vec<NodeHash>> {
    let longer = [proof, &[leaf(0)]].concat();
    if proof.is_empty() {
        return vec![longer];
    }
    let at = place.index(proof.len());
    let mut changed = proof.to_vec();
    changed[at] = flipped(changed[at], bit);
    let mut shorter = proof.to_vec();
    shorter.remove(at);
    vec![longer, changed, shorter]
}

#[test]
fn roots_are_those_of_the_standards_tree() {
    let leaves: Vec<_> = LEAVES.iter().map(|data| leaf_of(&bytes(data))).collect();
    let mut range = CompactRange::default();
    let mut frontier = Frontier::default();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(root_of(&leaves[..size]).to_string(), *root, "{size}");
        assert_eq!(range.root().to_string(), *root, "{size}");
        assert_eq!(frontier.root().to_string(), *root, "{size}");
        if let Some(leaf) = leaves.get(size) {
            range.push(*leaf);
            frontier.push(*leaf, |_| panic!("no tile is complete"));
        }
    }
}

/// The example of section 2.1.3 by the numbers of its leaves: paths for d0, d3, d4 and d6 of seven, and from three,
/// four and six to seven.
#[test]
fn proofs_are_those_of_the_standards_example() {
    let parts = |parts: Option<Vec<Part>>| -> Vec<_> {
        let parts = parts.unwrap().into_iter();
        parts.map(|part| (part.begin, part.end)).collect()
    };
    assert_eq!(parts(inclusion(0, 7)), [(1, 2), (2, 4), (4, 7)]);
    assert_eq!(parts(inclusion(3, 7)), [(2, 3), (0, 2), (4, 7)]);
    assert_eq!(parts(inclusion(4, 7)), [(5, 6), (6, 7), (0, 4)]);
    assert_eq!(parts(inclusion(6, 7)), [(4, 6), (0, 4)]);
    assert_eq!(parts(consistency(3, 7)), [(2, 3), (3, 4), (0, 2), (4, 7)]);
    assert_eq!(parts(consistency(4, 7)), [(4, 7)]);
    assert_eq!(parts(consistency(6, 7)), [(4, 6), (6, 7), (0, 4)]);
}

#[test]
fn what_needs_no_proof_has_an_empty_one() {
    assert_eq!(inclusion(0, 1), Some(Vec::new()));
    assert_eq!(consistency(0, 9), Some(Vec::new()));
    assert_eq!(consistency(9, 9), Some(Vec::new()));
    assert_eq!(inclusion(9, 9), None);
    assert_eq!(consistency(10, 9), None);
    let longest = inclusion(u64::MAX / 2, u64::MAX).unwrap();
    assert!(longest.len() <= PROOF_HASHES);
}

proptest! {
    #[test]
    fn a_leaf_is_proven_and_nothing_else_is(
        size in 1_u64..200, index in any::<Index>(), place in any::<Index>(), bit in any::<Index>()
    ) {
        let leaves = leaves(size);
        let (index, root) = (index.index(leaves.len()), root_of(&leaves));
        let at = index as u64;
        let proof = hashes(&inclusion(at, size).unwrap(), &leaves);
        prop_assert!(proves_inclusion(leaves[index], at, size, &proof, root));
        for wrong in spoiled(&proof, place, bit) {
            prop_assert!(!proves_inclusion(leaves[index], at, size, &wrong, root));
        }
        prop_assert!(!proves_inclusion(flipped(leaves[index], bit), at, size, &proof, root));
        prop_assert!(!proves_inclusion(leaves[index], at, size, &proof, flipped(root, bit)));
        prop_assert!(!proves_inclusion(leaves[index], size, size, &proof, root));
        let other = place.index(leaves.len()) as u64;
        prop_assert!(other == at || !proves_inclusion(leaves[index], other, size, &proof, root));
    }

    #[test]
    fn a_beginning_is_proven_and_nothing_else_is(
        to in 1_u64..200, from in any::<Index>(), place in any::<Index>(), bit in any::<Index>()
    ) {
        let leaves = leaves(to);
        let from = from.index(leaves.len() + 1);
        let (old, new) = (root_of(&leaves[..from]), root_of(&leaves));
        let from = from as u64;
        let proof = hashes(&consistency(from, to).unwrap(), &leaves);
        prop_assert!(proves_consistency(from, to, &proof, old, new));
        for wrong in spoiled(&proof, place, bit) {
            prop_assert!(!proves_consistency(from, to, &wrong, old, new));
        }
        prop_assert!(!proves_consistency(from, to, &proof, flipped(old, bit), new));
        // Anything may follow nothing.
        prop_assert!(from == 0 || !proves_consistency(from, to, &proof, old, flipped(new, bit)));
        prop_assert!(!proves_consistency(to + 1, to, &proof, old, new));
    }

    #[test]
    fn every_range_is_made_of_its_subtrees(begin in 0_u64..5_000, width in 0_u64..5_000) {
        let subtrees = Subtree::of_range(begin, begin + width);
        let mut at = begin;
        for subtree in &subtrees {
            prop_assert_eq!(subtree.index << subtree.level, at);
            at += subtree.width();
        }
        prop_assert_eq!(at, begin + width);
        prop_assert!(subtrees.len() <= 126);
    }
}

/// Three levels of tiles, so that the second and third are made of what was kept.
#[test]
fn the_edge_keeps_what_every_proof_is_made_of() {
    let size = 66_000;
    let mut kept: Vec<Grown> = Vec::new();
    let (mut frontier, mut range) = (Frontier::default(), CompactRange::default());
    let all = leaves(size);
    for leaf in &all {
        frontier.push(*leaf, |grown| kept.push(grown));
        range.push(*leaf);
    }
    assert_eq!(frontier.root(), range.root());
    assert_eq!(kept.len() as u64, size / 256 + 1);
    let tile = |tile: TileId| -> Vec<NodeHash> {
        if tile.level == 0 {
            let first = usize::try_from(tile.first()).unwrap();
            return all[first..all.len().min(first + 256)].to_vec();
        }
        let mut found: Vec<_> = kept
            .iter()
            .filter(|kept| kept.level == tile.level)
            .collect();
        found.retain(|kept| kept.index / 256 == tile.index);
        found.iter().map(|kept| kept.hash).collect()
    };
    let edges = Frontier::levels(size).map(|level| {
        let index = size >> level >> 8;
        tile(TileId { level, index })
    });
    assert_eq!(Frontier::try_new(size, edges.collect()), Ok(frontier));

    let root_of_all = range.root();
    for index in [0, 255, 256, 40_000, 65_535, 65_536, size - 1] {
        let parts = inclusion(index, size).unwrap();
        let needed = TileId::of_all(parts.iter().flat_map(|part| part.subtrees()));
        assert!(needed.len() <= 6, "{needed:?}");
        let mut tiles = Tiles::default();
        for id in needed {
            tiles.insert(id, tile(id));
        }
        let proof: Option<Vec<_>> = parts
            .iter()
            .map(|part| part.hash(|subtree| tiles.root(subtree)))
            .collect();
        let leaf = all[usize::try_from(index).unwrap()];
        assert!(proves_inclusion(
            leaf,
            index,
            size,
            &proof.unwrap(),
            root_of_all
        ));
    }
}

#[test]
fn an_edge_that_lacks_a_hash_is_refused() {
    let edges = vec![leaves(43), leaves(1)];
    assert!(Frontier::try_new(299, edges.clone()).is_ok());
    for size in [298, 300, 43, 299 + 256] {
        assert!(Frontier::try_new(size, edges.clone()).is_err(), "{size}");
    }
}

#[test]
fn a_tile_of_which_only_the_root_is_known_stands_for_its_leaves() {
    let all = leaves(700);
    let (mut whole, mut cut) = (Frontier::default(), Frontier::default());
    assert!(cut.push_tile(root_of(&all[..256]), drop));
    for (n, leaf) in all.iter().enumerate() {
        whole.push(*leaf, drop);
        if n >= 256 {
            cut.push(*leaf, drop);
        }
    }
    assert_eq!(whole, cut);
    assert!(!cut.push_tile(leaf(1), drop));
}
