//! Hashes that the primary told about, in tables of fixed size. A SHA-256 is spread evenly as it
//! is.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::credential::CredentialHash;
use runtime::clock::Monotonic;

use super::super::entry::Refused;

/// Hashes that are remembered as real: 1 MB.
pub const PROVEN_SLOTS: usize = 131_072;
/// Hashes that are remembered as refused: 256 KiB.
const TOLD_SLOTS: usize = 8_192;
/// Places where one hash may stand.
const WAYS: usize = 4;

/// Hashes of credentials that the primary has: 64 bits of each. A guess with the same bits, one of
/// 2^62, is only looked up.
#[derive(Debug)]
pub struct Proven(Box<[AtomicU64]>);

/// Hashes that were refused, why, and until when that may be told again: 128 bits of each, so that
/// no guess, however many there are, takes a real key with it.
#[derive(Debug)]
pub struct Told(Box<[Slot]>);

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u128,
    until: Monotonic,
    why: Refused,
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

impl Default for Told {
    fn default() -> Self {
        let free = Slot {
            hash: 0,
            until: Monotonic::default(),
            why: Refused::Ended,
        };
        Self(vec![free; TOLD_SLOTS].into())
    }
}

impl Told {
    pub fn find(&self, hash: &CredentialHash, now: Monotonic) -> Option<Refused> {
        let wanted = half(hash);
        let first = self.first(hash);
        let mut set = self.0[first..first + WAYS].iter();
        let known = set.find(|slot| slot.hash == wanted && now < slot.until)?;
        Some(known.why)
    }

    /// In place of the oldest, if there is no room.
    pub fn insert(&mut self, hash: &CredentialHash, why: Refused, until: Monotonic) {
        let wanted = half(hash);
        let first = self.first(hash);
        let set = &mut self.0[first..first + WAYS];
        let known = set.iter().position(|slot| slot.hash == wanted);
        let oldest = (0..WAYS).min_by_key(|slot| set[*slot].until);
        let slot = known.or(oldest).unwrap_or(0);
        set[slot] = Slot {
            hash: wanted,
            until,
            why,
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
