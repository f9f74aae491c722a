//! Things by subject behind many locks, with tombstones that need no thing.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, PoisonError};

use super::super::mutant::Mutant;
use super::super::stamp::{Stamp, Tomb, TombCell};
use super::super::sync::{Mutex, MutexGuard};

/// Locks over the things of one kind. With loom one: which of several a key falls into differs from run to run.
pub const SHARDS: usize = if cfg!(feature = "loom") { 1 } else { 64 };

/// What has a tombstone of its own.
pub(super) trait Mortal {
    fn cell(&self) -> &TombCell;
}

/// Things by subject, and tombstones of subjects that may have none.
#[derive(Debug)]
pub(super) struct Shards<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard<K, V> {
    things: HashMap<K, Arc<V>>,
    tombs: HashMap<K, Tomb>,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    things: HashMap::new(),
                    tombs: HashMap::new(),
                })
            }),
            hasher: RandomState::new(),
        }
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    fn tomb_of(&self, key: &K) -> Tomb {
        self.tombs.get(key).copied().unwrap_or(Tomb::NONE)
    }
}

impl<K: Copy + Eq + Hash, V: Mortal> Shards<K, V> {
    /// Under one lock with [`entomb`](Self::entomb): either this sees the tombstone, or that sees
    /// the thing.
    pub(super) fn attach(&self, key: &K, make: impl FnOnce(Tomb) -> V) -> Arc<V> {
        let mut shard = self.shard(key);
        if let Some(thing) = shard.things.get(key) {
            return Arc::clone(thing);
        }
        let tomb = shard.tomb_of(key);
        let thing = Arc::new(make(tomb));
        shard.things.insert(*key, Arc::clone(&thing));
        thing
    }

    pub(super) fn entomb(&self, key: K, tomb: Tomb) {
        let mut shard = self.shard(&key);
        if !Mutant::WatermarkNoGuard.is_active() {
            let kept = shard.tombs.entry(key).or_insert(Tomb::NONE);
            *kept = tomb.max(*kept);
        }
        if let Some(thing) = shard.things.get(&key) {
            thing.cell().raise(tomb);
        }
    }

    pub(super) fn exclusively(&self, key: &K, act: impl FnOnce()) {
        let _shard = self.shard(key);
        act();
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<V>> {
        (0..SHARDS).flat_map(|shard| self.all_in(shard))
    }

    pub(super) fn all_in(&self, shard: usize) -> Vec<Arc<V>> {
        let shard = self.shards[shard].lock();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        shard.things.values().cloned().collect()
    }

    /// Drops things that are idle and that nothing else points to: only [`attach`](Self::attach)
    /// gives out pointers, and it waits for this lock.
    pub(super) fn sweep(&self, idle: impl Fn(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard
                .things
                .retain(|_, thing| !idle(thing) || Arc::strong_count(thing) > 1);
        }
    }

    /// Drops the other tombstones, and the room that they took if they were many.
    pub(super) fn keep(&self, kept: impl Fn(Stamp) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.tombs.retain(|_, tomb| kept(tomb.stamp()));
            let needed = 2 * shard.tombs.len();
            shard.tombs.shrink_to(needed);
        }
    }

    pub(super) fn tomb_of(&self, key: &K) -> Tomb {
        self.shard(key).tomb_of(key)
    }

    pub(super) fn tombs(&self) -> usize {
        let count = |shard: &Mutex<Shard<K, V>>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.tombs.len()
        };
        self.shards.iter().map(count).sum()
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let index = self.hasher.hash_one(key) as usize % self.shards.len();
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
