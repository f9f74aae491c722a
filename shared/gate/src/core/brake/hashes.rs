//! Hashes that the primary told about, in tables of fixed size. A SHA-256 is spread evenly as it
//! is.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::credential::CredentialHash;
use runtime::clock::Monotonic;

/// Hashes that are remembered as real: 1 MB.
pub const PROVEN_SLOTS: usize = 131_072;
/// Hashes that are remembered with a time: 256 KiB.
const TIMED_SLOTS: usize = 8_192;
/// Places where one hash may stand.
const WAYS: usize = 4;

/// Hashes of credentials that the primary has: 64 bits of each. A guess with the same bits, one of
/// 2^62, is only looked up.
#[derive(Debug)]
pub struct Proven(Box<[AtomicU64]>);

/// Hashes with a time, 128 bits of each, so that no guess, however many there are, takes a real key
/// with it.
#[derive(Debug)]
pub struct Timed(Box<[Slot]>);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u128,
    until: Monotonic,
}

const _: () = assert!(size_of::<Slot>() == 32);

impl Proven {
    pub fn new(slots: usize) -> Self {
        let slots = slots.next_multiple_of(WAYS);
        Self((0..slots).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn contains(&self, hash: &CredentialHash) -> bool {
        let print = print(hash);
        let mut set = self.set(hash).iter();
        set.any(|slot| slot.load(Ordering::Relaxed) == print)
    }

    /// In place of another one, if there is no room.
    pub fn insert(&self, hash: &CredentialHash) {
        if self.contains(hash) {
            return;
        }
        let print = print(hash);
        let set = self.set(hash);
        let free = set.iter().find(|slot| slot.load(Ordering::Relaxed) == 0);
        // Two threads may choose one slot: then one of them is remembered with its next request.
        let slot = free.unwrap_or(&set[index(print, WAYS)]);
        slot.store(print, Ordering::Relaxed);
    }

    pub fn remove(&self, hash: &CredentialHash) {
        let print = print(hash);
        for slot in self.set(hash) {
            let _ = slot.compare_exchange(print, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn set(&self, hash: &CredentialHash) -> &[AtomicU64] {
        let first = index(last(hash), self.0.len() / WAYS) * WAYS;
        &self.0[first..first + WAYS]
    }
}

impl Default for Timed {
    fn default() -> Self {
        Self(vec![Slot::default(); TIMED_SLOTS].into())
    }
}

impl Timed {
    pub fn until(&self, hash: &CredentialHash) -> Option<Monotonic> {
        let wanted = half(hash);
        let first = self.first(hash);
        let mut set = self.0[first..first + WAYS].iter();
        let known = set.find(|slot| slot.hash == wanted)?;
        Some(known.until)
    }

    pub fn contains(&self, hash: &CredentialHash, now: Monotonic) -> bool {
        self.until(hash).is_some_and(|until| now < until)
    }

    /// In place of the oldest, if there is no room.
    pub fn insert(&mut self, hash: &CredentialHash, until: Monotonic) {
        let wanted = half(hash);
        let first = self.first(hash);
        let set = &mut self.0[first..first + WAYS];
        let known = set.iter().position(|slot| slot.hash == wanted);
        let oldest = (0..WAYS).min_by_key(|slot| set[*slot].until);
        let slot = known.or(oldest).unwrap_or(0);
        set[slot] = Slot {
            hash: wanted,
            until,
        };
    }

    fn first(&self, hash: &CredentialHash) -> usize {
        index(last(hash), self.0.len() / WAYS) * WAYS
    }
}

fn print(hash: &CredentialHash) -> u64 {
    u64::from_le_bytes(bytes_from(hash, 0))
}

fn half(hash: &CredentialHash) -> u128 {
    u128::from_le_bytes(bytes_from(hash, 0))
}

fn last(hash: &CredentialHash) -> u64 {
    u64::from_le_bytes(bytes_from(hash, 24))
}

fn bytes_from<const N: usize>(hash: &CredentialHash, first: usize) -> [u8; N] {
    std::array::from_fn(|index| hash.as_bytes()[first + index])
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
const fn index(bits: u64, of: usize) -> usize {
    bits as usize % of
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A hash of that beginning and that end; what its place is depends on the end alone.
    fn hash(beginning: u128, end: u64) -> CredentialHash {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&beginning.to_le_bytes());
        bytes[24..].copy_from_slice(&end.to_le_bytes());
        CredentialHash::from_bytes(bytes)
    }

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Insert(u128, u64),
        Remove(u128, u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (any::<bool>(), 1..8_u128, 0..12_u64);
        let step = step.prop_map(|(inserts, beginning, end)| {
            if inserts {
                Step::Insert(beginning, end)
            } else {
                Step::Remove(beginning, end)
            }
        });
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        /// Three sets of four, against a list of each: only what is put into a full one takes
        /// another's place, and that of one alone.
        #[test]
        fn four_of_a_set_are_real_and_the_newest_always(steps in steps()) {
            let proven = Proven::new(3 * WAYS - 1);
            let mut sets: BTreeMap<u64, Vec<CredentialHash>> = BTreeMap::new();
            for step in steps {
                let (Step::Insert(beginning, end) | Step::Remove(beginning, end)) = step;
                let hash = hash(beginning, end);
                // The end is no part of what is remembered.
                let set = sets.entry(end % 3).or_default();
                set.retain(|other| print(other) != print(&hash));
                if matches!(step, Step::Insert(..)) {
                    proven.insert(&hash);
                    if set.len() == WAYS {
                        set.retain(|other| proven.contains(other));
                        prop_assert_eq!(set.len(), WAYS - 1);
                    }
                    set.push(hash);
                } else {
                    proven.remove(&hash);
                }
                for end in 0..3 {
                    let known = sets.get(&end).map_or(&[][..], |set| set);
                    for beginning in 1..8 {
                        let one = self::hash(beginning, end);
                        let is_known = known.iter().any(|other| print(other) == print(&one));
                        prop_assert_eq!(proven.contains(&one), is_known);
                    }
                }
            }
        }
    }

    #[test]
    fn half_of_a_hash_is_told_apart_where_it_was_refused_and_a_quarter_where_it_is_real() {
        let (mut told, proven) = (Timed::default(), Proven::new(WAYS));
        told.insert(&hash(3, 0), at(9));
        proven.insert(&hash(3, 0));
        for bit in 0..128 {
            let other = hash(3 ^ 1 << bit, 0);
            assert!(!told.contains(&other, at(0)), "{bit}");
            assert_eq!(proven.contains(&other), bit >= 64, "{bit}");
        }
    }

    #[test]
    fn a_refusal_is_told_again_until_then_and_what_is_put_again_takes_no_second_place() {
        let mut told = Timed::default();
        told.insert(&hash(1, 0), at(9));
        assert!(told.contains(&hash(1, 0), at(8)) && !told.contains(&hash(1, 0), at(9)));
        for beginning in 2..=4 {
            told.insert(&hash(beginning, 0), at(20));
        }
        for until in 10..30 {
            told.insert(&hash(1, 0), at(until));
            assert!(told.contains(&hash(1, 0), at(until - 1)));
            assert!(!told.contains(&hash(1, 0), at(until)));
        }
        assert!((2..=4).all(|beginning| told.contains(&hash(beginning, 0), at(19))));
    }

    #[test]
    fn without_room_the_refusal_that_ends_first_is_forgotten() {
        let mut told = Timed::default();
        for (beginning, until) in (1..).zip([50, 30, 70, 60, 40, 80]) {
            told.insert(&hash(beginning, 0), at(until));
        }
        let known: Vec<_> = (1..=6)
            .filter(|beginning| told.contains(&hash(*beginning, 0), at(0)))
            .collect();
        assert_eq!(known, [1, 3, 4, 6]);
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "tens of thousands of things: hours under the interpreter"
    )]
    fn all_places_are_used() {
        let (mut told, proven) = (Timed::default(), Proven::new(TIMED_SLOTS));
        let ends = || 0..(TIMED_SLOTS / WAYS) as u64;
        let all =
            || ends().flat_map(|end| (1..=4).map(move |one| hash(4 * u128::from(end) + one, end)));
        for hash in all() {
            told.insert(&hash, at(9));
            proven.insert(&hash);
        }
        assert!(all().all(|hash| told.contains(&hash, at(0)) && proven.contains(&hash)));
    }
}
