//! What a batch adds to roll-ups.

use std::collections::HashMap;

use domain::ids::OrgId;
use domain::time::Timestamp;
use uuid::Uuid;

use super::figures::Change;
use super::slots::{SLOTS_A_DAY, slot_of};
use crate::analytics::Counter;

/// Changes by unit, a creator or a project, and slot.
#[derive(Debug, Default)]
pub(super) struct SlotChanges(HashMap<(Uuid, i32), Sums>);

/// What is added to one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub org: OrgId,
    pub posts: i32,
    pub counters: [Change; Counter::COUNT],
}

impl Sums {
    pub const fn none(org: OrgId) -> Self {
        Self {
            org,
            posts: 0,
            counters: [Change {
                delta: 0,
                base: 0,
                firsts: 0,
            }; Counter::COUNT],
        }
    }

    fn add(&mut self, other: &Self) {
        self.posts = self.posts.saturating_add(other.posts);
        for (sum, change) in self.counters.iter_mut().zip(&other.counters) {
            sum.add(*change);
        }
    }

    fn is_none(&self) -> bool {
        self.posts == 0
            && self
                .counters
                .iter()
                .all(|change| *change == Change::default())
    }
}

impl Change {
    fn add(&mut self, other: Self) {
        self.delta = held(self.delta.saturating_add(other.delta));
        self.base = held(self.base.saturating_add(other.base));
        self.firsts = self.firsts.saturating_add(other.firsts);
    }
}

/// Within 62 bits, so that adding it to a stored sum cannot overflow: readings are far below 2^53,
/// and absurd ones must not stop the projection.
fn held(sum: i64) -> i64 {
    const MOST: i64 = (1 << 62) - 1;
    sum.clamp(-MOST, MOST)
}

impl SlotChanges {
    pub fn add(&mut self, org: OrgId, unit: Uuid, counter: Counter, at: Timestamp, change: Change) {
        self.row(org, unit, slot_of(at)).counters[counter.index()].add(change);
    }

    pub fn add_posts(&mut self, org: OrgId, unit: Uuid, at: Timestamp, posts: i32) {
        self.row(org, unit, slot_of(at)).posts += posts;
    }

    pub fn add_sums(&mut self, unit: Uuid, slot: i32, sums: &Sums) {
        self.row(sums.org, unit, slot).add(sums);
    }

    pub fn iter(&self) -> impl Iterator<Item = (Uuid, i32, &Sums)> {
        self.0
            .iter()
            .map(|((unit, slot), sums)| (*unit, *slot, sums))
    }

    /// The same summed by day of UTC.
    pub fn by_day(&self) -> Self {
        let mut days = Self::default();
        for (unit, slot, sums) in self.iter() {
            days.add_sums(unit, slot.div_euclid(SLOTS_A_DAY), sums);
        }
        days
    }

    /// What really changes, in the order of the rows' index.
    pub fn into_sorted(self) -> Vec<(Uuid, i32, Sums)> {
        let changed = self.0.into_iter().filter(|(_, sums)| !sums.is_none());
        let mut rows: Vec<_> = changed
            .map(|((unit, slot), sums)| (unit, slot, sums))
            .collect();
        rows.sort_unstable_by_key(|(unit, slot, _)| (*unit, *slot));
        rows
    }

    fn row(&mut self, org: OrgId, unit: Uuid, slot: i32) -> &mut Sums {
        self.0
            .entry((unit, slot))
            .or_insert_with(|| Sums::none(org))
    }
}
