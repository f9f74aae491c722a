//! The orgs in memory: one state each, as far as the log was read, and who may decide next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::OrgId;
use domain::org::OrgState;
use domain::text::{Metadata, Readme};
use tokio::sync::RwLock;

use crate::metrics;

/// One org in memory.
pub(super) struct Org {
    pub(super) id: OrgId,
    /// Whoever decides holds it to the end of the append: neighbours in this process would only
    /// meet each other's conflicts.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Written only to fold what the log already holds, so readers never wait for a commit.
    pub(super) state: Arc<RwLock<Folded>>,
    weight: AtomicU64,
}

/// A state and whether its history was read at all.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) state: OrgState,
    pub(super) is_loaded: bool,
    /// Events of the newest snapshot that this process read or asked for.
    pub(super) snapshot_at: u64,
}

impl Org {
    fn new(id: OrgId) -> Self {
        Self {
            id,
            turn: tokio::sync::Mutex::new(()),
            state: Arc::default(),
            weight: AtomicU64::new(BASE_BYTES),
        }
    }
}

/// Orgs by id, bounded by the bytes their states are estimated to take. One that is in use stays.
pub(super) struct Orgs {
    capacity: u64,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<OrgId, Entry>,
    /// Counts uses, to know which org was not asked for the longest.
    uses: u64,
}

/// Orgs that are in memory no more once this is dropped.
pub(super) type Evicted = Vec<Arc<Org>>;

struct Entry {
    org: Arc<Org>,
    last_use: u64,
}

impl Orgs {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }

    /// The org, empty if it was not in memory; and those that had to make room for it.
    pub(super) fn get(&self, id: OrgId) -> (Arc<Org>, Evicted) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let last_use = entries.uses;
        if let Some(entry) = entries.by_id.get_mut(&id) {
            entry.last_use = last_use;
            return (Arc::clone(&entry.org), Evicted::new());
        }
        let org = Arc::new(Org::new(id));
        let entry = Entry {
            org: Arc::clone(&org),
            last_use,
        };
        entries.by_id.insert(id, entry);
        let evicted = self.shrink(&mut entries);
        (org, evicted)
    }

    /// Takes an org's new weight; gives those that had to make room.
    pub(super) fn weigh(&self, org: &Org, weight: u64) -> Evicted {
        org.weight.store(weight, Ordering::Relaxed);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        self.shrink(&mut entries)
    }

    /// Drops the orgs not asked for the longest until a tenth of the room is free again.
    fn shrink(&self, entries: &mut Entries) -> Evicted {
        let mut evicted = Evicted::new();
        let weight = |entry: &Entry| entry.org.weight.load(Ordering::Relaxed);
        let mut total: u64 = entries.by_id.values().map(weight).sum();
        if total <= self.capacity {
            metrics::gauge_orgs(entries.by_id.len(), total);
            return evicted;
        }
        let mut idle: Vec<_> = entries
            .by_id
            .iter()
            .filter(|(_, entry)| Arc::strong_count(&entry.org) == 1)
            .map(|(id, entry)| (entry.last_use, *id, weight(entry)))
            .collect();
        idle.sort_unstable();
        for (_, id, weight) in idle {
            if total <= self.capacity / 10 * 9 {
                break;
            }
            evicted.extend(entries.by_id.remove(&id).map(|entry| entry.org));
            total -= weight;
        }
        metrics::gauge_orgs(entries.by_id.len(), total);
        evicted
    }
}

/// An empty org with its locks.
const BASE_BYTES: u64 = 2_048;
/// A key, with its place in the map.
const KEY_BYTES: usize = 512;
/// A project, a creator or a video with its place in the maps, its texts aside.
const THING_BYTES: usize = 768;

/// About how many bytes a state takes.
pub(super) fn weight_of(state: &OrgState) -> u64 {
    let texts = |readme: &Option<Readme>, metadata: &Metadata| {
        readme.as_ref().map_or(0, |readme| readme.as_str().len()) + metadata.as_json().len()
    };
    let projects = state.projects.values();
    let creators = state.creators.values();
    let videos = state.videos.values();
    let bytes = state.keys.len() * KEY_BYTES
        + projects
            .map(|p| THING_BYTES + texts(&p.readme, &p.metadata))
            .sum::<usize>()
        + creators
            .map(|c| THING_BYTES + texts(&c.readme, &c.metadata))
            .sum::<usize>()
        + videos
            .map(|v| THING_BYTES + v.url.len() + texts(&v.readme, &v.metadata))
            .sum::<usize>();
    BASE_BYTES + bytes as u64
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> OrgId {
        OrgId::from_uuid(Uuid::from_u128(number))
    }

    fn held(orgs: &Orgs) -> Vec<u128> {
        let entries = orgs.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = entries
            .by_id
            .keys()
            .map(|id| id.as_uuid().as_u128())
            .collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn the_same_org_is_the_same_state() {
        let orgs = Orgs::new(u64::MAX);
        assert!(Arc::ptr_eq(&orgs.get(id(1)).0, &orgs.get(id(1)).0));
    }

    #[test]
    fn the_org_not_asked_for_the_longest_goes_first_and_one_in_use_stays() {
        let orgs = Orgs::new(4 * BASE_BYTES);
        let (in_use, _) = orgs.get(id(1));
        for number in 2..=4 {
            orgs.get(id(number));
        }
        orgs.get(id(2));
        orgs.get(id(5));
        assert_eq!(held(&orgs), [1, 2, 5]);
        drop(in_use);
    }

    #[test]
    fn an_org_that_has_grown_pushes_others_out() {
        let orgs = Orgs::new(4 * BASE_BYTES);
        orgs.get(id(1));
        let (grown, _) = orgs.get(id(2));
        let evicted = orgs.weigh(&grown, 10 * BASE_BYTES);
        assert_eq!((held(&orgs), evicted.len()), (vec![2], 1));
    }
}
