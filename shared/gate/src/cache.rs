//! The two caches (revocation.md 7). Requests call `get` and nothing else; the apply task alone
//! inserts. No entry has a time to live: whether it may be used is decided at every read.

use std::hash::{BuildHasher, Hasher};

use domain::credential::CredentialHash;
use moka::policy::EvictionPolicy;

use crate::core::entry::EntryRef;
use crate::core::trusted::{Cache, RefusedAs};

/// What moka itself takes for an entry, in bytes.
const OWN_BYTES: u32 = 310;

type Allowed = moka::sync::Cache<CacheKey, EntryRef, Digest>;
type Refused = moka::sync::Cache<CacheKey, RefusedAs, Digest>;

/// Credentials by hash.
pub struct Credentials {
    allowed: Allowed,
    refused: Refused,
}

impl Credentials {
    /// Bounded by the bytes that entries take, and by the number of refused hashes.
    pub fn new(bytes: u64, refused_entries: u64) -> Self {
        Self {
            allowed: allowed(bytes),
            refused: refused(refused_entries),
        }
    }

    /// Entries that there are, but for what was inserted a moment ago.
    pub fn count(&self) -> u64 {
        self.allowed.entry_count()
    }

    /// Counts what was inserted a moment ago.
    pub fn count_all(&self) {
        self.allowed.run_pending_tasks();
    }
}

impl Cache for Credentials {
    fn get(&self, hash: &CredentialHash) -> Option<EntryRef> {
        self.allowed.get(&CacheKey::from(hash))
    }

    fn insert(&self, hash: &CredentialHash, entry: EntryRef) {
        self.allowed.insert(CacheKey::from(hash), entry);
    }

    fn remove(&self, hash: &CredentialHash) {
        self.allowed.invalidate(&CacheKey::from(hash));
    }

    fn refused(&self, hash: &CredentialHash) -> Option<RefusedAs> {
        self.refused.get(&CacheKey::from(hash))
    }

    fn refuse(&self, hash: &CredentialHash, refused: RefusedAs) {
        self.refused.insert(CacheKey::from(hash), refused);
    }

    fn forget(&self, is_overruled: &dyn Fn(&EntryRef) -> bool) {
        // Every key that is there now: read in the library's source, and tested below.
        for (key, entry) in &self.allowed {
            if is_overruled(&entry) {
                self.allowed.invalidate(&*key);
            }
        }
    }

    fn clear(&self) {
        self.allowed.invalidate_all();
        self.refused.invalidate_all();
    }
}

/// The first 192 bits of a credential's hash. They tell credentials apart as well as all 256 do: a
/// guess meets one of a million keys with a chance of 2^-172. And they fit moka's allocation,
/// where the whole hash would cost 16 bytes more for every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CacheKey([u8; 24]);

impl From<&CredentialHash> for CacheKey {
    fn from(hash: &CredentialHash) -> Self {
        let [bytes @ .., _, _, _, _, _, _, _, _] = *hash.as_bytes();
        Self(bytes)
    }
}

/// Bounded by what its entries weigh, in bytes.
fn allowed(bytes: u64) -> Allowed {
    moka::sync::Cache::builder()
        .name("allowed")
        .weigher(|_, entry: &EntryRef| OWN_BYTES.saturating_add(entry.weight()))
        .max_capacity(bytes)
        // All active credentials fit by default; popularity would cost a sketch of all of them.
        .eviction_policy(EvictionPolicy::lru())
        .build_with_hasher(Digest)
}

/// Bounded by the number of its entries: anybody may ask for a hash.
fn refused(entries: u64) -> Refused {
    moka::sync::Cache::builder()
        .name("refused")
        .max_capacity(entries)
        .build_with_hasher(Digest)
}

/// A SHA-256 is a hash already, and nobody can steer where a guess falls.
#[derive(Debug, Clone, Copy, Default)]
struct Digest;

/// Keeps the last eight bytes that were written.
#[derive(Debug, Default)]
struct DigestHasher(u64);

impl BuildHasher for Digest {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher(0)
    }
}

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length of the array, always the same.
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;
    use crate::core::registry::Registry;
    use crate::core::samples::{entry, row, stamp};

    #[test]
    fn hashes_are_told_apart_by_their_digest() {
        let of = |byte: u8| {
            let mut bytes = [0; 32];
            bytes[23] = byte;
            Digest.hash_one(CacheKey::from(&CredentialHash::from_bytes(bytes)))
        };
        assert_ne!(of(1), of(2));
        assert_eq!(of(1), of(1));
    }

    /// While others insert, so that the library's tables grow.
    #[test]
    fn everything_that_is_overruled_is_forgotten_whatever_others_do() {
        const KEYS: u32 = 20_000;
        let registry = Registry::default();
        let hash = |number: u32| {
            let digest: [u8; 32] = sha2::Sha256::digest(number.to_le_bytes()).into();
            CredentialHash::from_bytes(digest)
        };
        let old = || entry(row(1), stamp(10), &registry);
        let cache = Credentials::new(u64::MAX, 10);
        for number in 0..KEYS {
            cache.insert(&hash(number), old());
        }
        std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                for number in KEYS..3 * KEYS {
                    cache.insert(&hash(number), entry(row(1), stamp(20), &registry));
                }
            });
            cache.forget(&|entry| entry.stamp() == stamp(10));
            assert!((0..KEYS).all(|number| cache.get(&hash(number)).is_none()));
            others.join().expect("it ends");
        });
        assert!((KEYS..3 * KEYS).all(|number| cache.get(&hash(number)).is_some()));
    }
}
