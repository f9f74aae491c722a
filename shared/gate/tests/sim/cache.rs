//! A cache that forgets at will.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::credential::CredentialHash;
use gate::core::entry::EntryRef;
use gate::core::trusted::{Cache, RefusedAs};

use crate::rng::Rng;

#[derive(Debug)]
pub struct SimCache(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    entries: BTreeMap<CredentialHash, EntryRef>,
    refused: BTreeMap<CredentialHash, RefusedAs>,
    most: usize,
    rng: Rng,
}

impl SimCache {
    pub fn new(most: usize, rng: Rng) -> Self {
        Self(Mutex::new(Inner {
            entries: BTreeMap::new(),
            refused: BTreeMap::new(),
            most,
            rng,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache for SimCache {
    fn get(&self, hash: &CredentialHash) -> Option<EntryRef> {
        self.lock().entries.get(hash).cloned()
    }

    fn insert(&self, hash: &CredentialHash, entry: EntryRef) {
        let mut inner = self.lock();
        inner.entries.insert(*hash, entry);
        if inner.entries.len() > inner.most {
            let victims: Vec<_> = inner.entries.keys().copied().collect();
            let victim = *inner.rng.pick(&victims);
            inner.entries.remove(&victim);
        }
    }

    fn remove(&self, hash: &CredentialHash) {
        self.lock().entries.remove(hash);
    }

    fn refused(&self, hash: &CredentialHash) -> Option<RefusedAs> {
        self.lock().refused.get(hash).copied()
    }

    fn refuse(&self, hash: &CredentialHash, refused: RefusedAs) {
        self.lock().refused.insert(*hash, refused);
    }

    fn forget(&self, is_overruled: &dyn Fn(&EntryRef) -> bool) {
        self.lock().entries.retain(|_, entry| !is_overruled(entry));
    }

    fn clear(&self) {
        let mut inner = self.lock();
        inner.entries.clear();
        inner.refused.clear();
    }
}
