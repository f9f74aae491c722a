//! Answers kept with the position they were computed at (design.md, "Response cache").
//!
//! A kept answer is given only while no newer event is known that can change it, so a hit needs no
//! query and is never older than what this replica knows. Nobody is given what another request
//! is computing: whoever waited looks here again (`get_with` would join an older load).

mod flight;
mod freshness;
mod target;
#[cfg(test)]
mod tests;
mod topic;

use std::hash::Hash;
use std::sync::Arc;

use api::envelope::Rendered;
use api::route::Route;
use domain::ids::{GlobalPosition, OrgId};
use domain::time::Timestamp;
use equivalent::Equivalent;

pub use self::flight::{Boarding, Flight, Flights};
pub use self::freshness::{Freshness, Mark};
pub use self::target::target_of;
pub use self::topic::{Topic, Topics};
use crate::http::Packed;
use crate::metrics::RouteMetrics;

/// What an entry takes beside its body and its key: itself, its headers and the cache's own.
const ENTRY_BYTES: usize = 640;

/// The answers of this replica, bounded by bytes.
#[derive(Debug)]
pub struct ResponseCache {
    entries: moka::sync::Cache<Key, Arc<Entry>>,
    freshness: Freshness,
    flights: Flights,
}

/// An answer and what it rests on.
#[derive(Debug)]
pub struct Entry {
    /// The answer.
    pub answer: Rendered,
    /// Its compressed forms.
    pub packed: Packed,
    /// The position of the projection that it was computed at.
    pub position: GlobalPosition,
    /// When it can next change by time alone.
    pub valid_until: Option<Timestamp>,
    /// What it answers; a caller needs its scope to be given it.
    pub route: &'static Route,
    /// What it rests on.
    pub topics: Topics,
    /// The newest positions of its org.
    pub mark: Arc<Mark>,
    /// Where a hit is counted.
    pub metrics: RouteMetrics,
}

/// Whose answer to what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    target: Box<str>,
}

/// A key that owns nothing, hashed as [`Key`] is.
#[derive(Hash)]
struct KeyRef<'a> {
    org: OrgId,
    target: &'a str,
}

impl ResponseCache {
    /// A cache of at most so many bytes; 0 keeps nothing.
    pub fn new(capacity_bytes: u64) -> Self {
        let weight = |key: &Key, entry: &Arc<Entry>| {
            let body = entry.answer.body().len();
            // Half as much again for its compressed forms, which may come later.
            let bytes = ENTRY_BYTES + key.target.len() + body + body / 2;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder()
            .name("responses")
            .max_capacity(capacity_bytes)
            .weigher(weight)
            .build();
        Self {
            entries,
            freshness: Freshness::default(),
            flights: Flights::default(),
        }
    }

    /// The answer, if it is still one. `now` is asked only where time matters.
    pub fn get(
        &self,
        org: OrgId,
        target: &str,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&KeyRef { org, target })?;
        let knows = self.freshness.sees() && self.freshness.is_abreast();
        (knows && entry.is_valid(now)).then_some(entry)
    }

    /// Keeps an answer, unless it is out of date already, or of a position that was not followed
    /// to: it may belong to a past that the log no longer has. Then what was kept before it goes,
    /// so that nobody sees the newer answer first and the older one later.
    pub fn insert(&self, org: OrgId, target: &str, entry: Entry) {
        if entry.is_fresh() && entry.position <= self.freshness.followed() {
            let target = target.into();
            self.entries.insert(Key { org, target }, Arc::new(entry));
        } else {
            self.entries.invalidate(&KeyRef { org, target });
        }
    }

    /// Lets go of everything. What was kept is made invalid by [`Freshness::restart`], at once;
    /// this only frees it.
    pub fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// What is known of changes.
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Computations under way.
    pub const fn flights(&self) -> &Flights {
        &self.flights
    }

    /// How many answers are kept and how many bytes they weigh, roughly.
    pub fn size(&self) -> (u64, u64) {
        (self.entries.entry_count(), self.entries.weighted_size())
    }

    #[cfg(test)]
    fn settle(&self) {
        self.entries.run_pending_tasks();
    }
}

impl Entry {
    /// Whether no newer event is known that can change it.
    fn is_fresh(&self) -> bool {
        self.position >= self.mark.newest(self.topics)
    }

    fn is_valid(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.is_fresh() && self.valid_until.is_none_or(|end| now() < end)
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.org == key.org && *self.target == *key.target
    }
}
