//! How levels at any quarter hours are put together from days and quarter hours.
//!
//! A level at an edge is all that lies before it. It is taken either from days, up to the midnight of
//! UTC that is nearest, and the quarter hours between that midnight and the edge; or from the edge
//! before it, and the quarter hours between the two. Whichever has fewer quarter hours is chosen: so
//! days of any zone cost at most half their quarter hours, and hours cost theirs.

use crate::projection::slots::SLOTS_A_DAY;

/// What to sum for levels at edges.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// For each edge the day before which days count, never descending.
    days: Vec<i32>,
    /// The quarter hours besides.
    rests: Vec<Rest>,
}

/// Quarter hours that are added to the levels at some edges, or taken from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// The first quarter hour.
    pub from: i32,
    /// The first one after them.
    pub until: i32,
    /// Whether they are added, where days stop short, or taken away, where days go beyond.
    pub is_added: bool,
    /// The first edge that has them.
    pub edge: usize,
    /// The next one that does not.
    pub end: usize,
}

impl Cover {
    /// Of edges in quarter hours since 1970, ascending.
    pub(super) fn of(edges: &[i32]) -> Self {
        let mut cover = Self {
            days: Vec::with_capacity(edges.len()),
            rests: Vec::new(),
        };
        // Where the rests begin that stand since the last edge that was taken from days.
        let mut standing = 0;
        for (edge, slot) in edges.iter().copied().enumerate() {
            let day = slot.saturating_add(SLOTS_A_DAY / 2).div_euclid(SLOTS_A_DAY);
            let midnight = day.saturating_mul(SLOTS_A_DAY);
            let before = edge.checked_sub(1).map(|before| edges[before]);
            let near = before.filter(|before| {
                slot.saturating_sub(*before) < slot.saturating_sub(midnight).saturating_abs()
            });
            if let Some(before) = near {
                cover.days.push(cover.days[edge - 1]);
                cover.add(before, slot, true, edge, edges.len());
            } else {
                for rest in &mut cover.rests[standing..] {
                    rest.end = edge;
                }
                standing = cover.rests.len();
                cover.days.push(day);
                let (from, until) = (midnight.min(slot), midnight.max(slot));
                cover.add(from, until, midnight < slot, edge, edges.len());
            }
        }
        cover
    }

    /// For each edge the day before which days count.
    pub(super) fn days(&self) -> &[i32] {
        &self.days
    }

    /// The quarter hours besides.
    pub(super) fn rests(&self) -> &[Rest] {
        &self.rests
    }

    fn add(&mut self, from: i32, until: i32, is_added: bool, edge: usize, end: usize) {
        if from < until {
            self.rests.push(Rest {
                from,
                until,
                is_added,
                edge,
                end,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So many quarter hours cost a cover.
    fn cost(edges: &[i32]) -> i32 {
        let cover = Cover::of(edges);
        cover.rests.iter().map(|rest| rest.until - rest.from).sum()
    }

    #[test]
    fn days_of_utc_cost_no_quarter_hours_others_at_most_half_and_hours_theirs() {
        let days = |offset: i32| {
            (0..366)
                .map(|day| 18_000 * 96 + day * 96 + offset)
                .collect::<Vec<_>>()
        };
        assert_eq!(cost(&days(0)), 0);
        assert_eq!(cost(&days(-8)), 366 * 8);
        assert_eq!(cost(&days(48)), 366 * 48);
        assert_eq!(cost(&days(-52)), 366 * 44);
        let hours: Vec<_> = (0..=24 * 31).map(|hour| 18_000 * 96 + hour * 4).collect();
        assert!(cost(&hours) <= 24 * 31 * 4);
    }

    #[test]
    fn the_ends_of_time_are_no_fault() {
        let cover = Cover::of(&[i32::MIN, 0, i32::MAX]);
        assert_eq!(cover.days().len(), 3);
    }

    proptest! {
        /// Whatever the quarter hours hold, the levels are the sums of what lies before the edges.
        #[test]
        fn levels_are_the_sums_before_the_edges(
            values in prop::collection::vec(-9_i64..9, 96 * 6),
            edges in prop::collection::btree_set(-96_i32..96 * 3, 1..40),
        ) {
            // Quarter hours from two days before 1970 on.
            let first = -2 * SLOTS_A_DAY;
            let edges: Vec<i32> = edges.into_iter().collect();
            let sum = |from: i32, until: i32| -> i64 {
                let place = |slot: i32| usize::try_from(slot - first).unwrap_or(0);
                values[place(from)..place(until)].iter().sum()
            };
            let cover = Cover::of(&edges);
            prop_assert!(cover.days().is_sorted());
            for (place, edge) in edges.iter().copied().enumerate() {
                let rests = cover.rests().iter().filter(|rest| rest.edge <= place && place < rest.end);
                let rests: i64 = rests
                    .map(|rest| {
                        let sum = sum(rest.from, rest.until);
                        if rest.is_added { sum } else { -sum }
                    })
                    .sum();
                let level = sum(first, cover.days()[place] * SLOTS_A_DAY) + rests;
                prop_assert_eq!(level, sum(first, edge));
            }
        }
    }
}
