//! What a new reading changes: in its own slot, and in the slot of the reading after it.

use std::collections::BTreeMap;

use domain::time::Timestamp;

/// Readings of one unit, a video or a creator, with `N` counts each: as much of them as is needed
/// to take up further ones.
#[derive(Debug, Clone)]
pub(super) struct History<const N: usize> {
    /// The newest reading.
    pub newest: Option<Timestamp>,
    /// For each count the newest reading that carries it.
    pub last: [Option<(Timestamp, i64)>; N],
    /// For each count the readings around those that come late; null where a reading does not
    /// carry it. Not needed while every reading is newer than all before it.
    around: Option<Box<[Around; N]>>,
}

/// Readings of one count; null where one does not carry it.
type Around = BTreeMap<Timestamp, Option<i64>>;

/// What a reading adds to a count's sums at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// To the sum of differences to the reading before.
    pub delta: i64,
    /// To the sum of first readings.
    pub base: i64,
    /// To the number of first readings.
    pub firsts: i32,
}

/// Takes up changes of count `usize` at an instant.
pub(super) trait Sink: FnMut(usize, Timestamp, Change) {}
impl<F: FnMut(usize, Timestamp, Change)> Sink for F {}

impl<const N: usize> Default for History<N> {
    fn default() -> Self {
        Self {
            newest: None,
            last: [None; N],
            around: None,
        }
    }
}

impl<const N: usize> History<N> {
    /// From what is stored of a unit.
    pub const fn of(newest: Timestamp, last: [Option<(Timestamp, i64)>; N]) -> Self {
        Self {
            newest: Some(newest),
            last,
            around: None,
        }
    }

    /// Whether a reading is not newer than all before it, so that its neighbours are needed.
    fn is_late(&self, at: Timestamp) -> bool {
        self.newest.is_some_and(|newest| at <= newest)
    }

    /// Prepares for late readings. [`History::remember`] must then be given, for each of them and
    /// each count, the readings that carry it next before and after, and the one at that instant.
    pub fn expect_late(&mut self) {
        let last = &self.last;
        self.around.get_or_insert_with(|| {
            Box::new(std::array::from_fn(|count| {
                last[count]
                    .map(|(at, value)| (at, Some(value)))
                    .into_iter()
                    .collect()
            }))
        });
    }

    /// A stored reading of a count.
    pub fn remember(&mut self, count: usize, at: Timestamp, value: Option<i64>) {
        if let Some(around) = &mut self.around {
            around[count].insert(at, value);
        }
    }

    /// Takes up a reading and tells what it changes. One at the instant of an earlier one takes
    /// its place.
    pub fn record(&mut self, at: Timestamp, values: [Option<i64>; N], mut sink: impl Sink) {
        match &mut self.around {
            None => {
                debug_assert!(!self.is_late(at), "a late reading needs its neighbours");
                for (count, value) in values.into_iter().enumerate() {
                    let Some(value) = value else { continue };
                    let before = self.last[count].replace((at, value));
                    sink(
                        count,
                        at,
                        contribution(before.map(|(_, value)| value), value),
                    );
                }
            }
            Some(around) => {
                for (count, value) in values.into_iter().enumerate() {
                    take_up(count, &mut around[count], at, value, &mut sink);
                    let mut newest = around[count].iter().rev();
                    self.last[count] =
                        newest.find_map(|(at, value)| value.map(|value| (*at, value)));
                }
            }
        }
        self.newest = self.newest.max(Some(at));
    }
}

/// Replaces what stood at an instant and adjusts the reading after it.
fn take_up(
    count: usize,
    around: &mut Around,
    at: Timestamp,
    value: Option<i64>,
    sink: &mut impl Sink,
) {
    let old = around.insert(at, value).flatten();
    if old == value {
        return;
    }
    let carried = |(at, value): (&Timestamp, &Option<i64>)| value.map(|value| (*at, value));
    let before = around.range(..at).rev().find_map(carried);
    let before = before.map(|(_, value)| value);
    let mut later = around.range(at..).filter_map(carried);
    let after = later.find(|(later, _)| *later > at);

    if let Some(old) = old {
        sink(count, at, contribution(before, old).negated());
    }
    if let Some(value) = value {
        sink(count, at, contribution(before, value));
    }
    if let Some((after_at, after)) = after {
        sink(
            count,
            after_at,
            contribution(old.or(before), after).negated(),
        );
        sink(count, after_at, contribution(value.or(before), after));
    }
}

/// What a reading adds where it was taken, given the one before it.
fn contribution(before: Option<i64>, value: i64) -> Change {
    match before {
        Some(before) => Change {
            delta: value - before,
            base: 0,
            firsts: 0,
        },
        None => Change {
            delta: 0,
            base: value,
            firsts: 1,
        },
    }
}

impl Change {
    pub const fn negated(self) -> Self {
        Self {
            delta: -self.delta,
            base: -self.base,
            firsts: -self.firsts,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use domain::time::Timestamp;
    use proptest::prelude::*;

    use super::{Change, History, contribution};

    type Sums = BTreeMap<(usize, i64), (i64, i64, i32)>;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    fn add(sums: &mut Sums, count: usize, at: Timestamp, change: Change) {
        let sum = sums.entry((count, at.micros())).or_default();
        sum.0 += change.delta;
        sum.1 += change.base;
        sum.2 += change.firsts;
        if *sum == (0, 0, 0) {
            sums.remove(&(count, at.micros()));
        }
    }

    /// The sums of readings taken up in the order of time, none late.
    fn in_order(readings: &BTreeMap<i64, [Option<i64>; 2]>) -> Sums {
        let mut sums = Sums::new();
        let mut last = [None; 2];
        for (micros, values) in readings {
            for (count, value) in values.iter().enumerate() {
                let Some(value) = *value else { continue };
                let change = contribution(last[count].replace(value), value);
                add(&mut sums, count, at(*micros), change);
            }
        }
        sums
    }

    fn readings() -> impl Strategy<Value = Vec<(i64, [Option<i64>; 2])>> {
        let value = || prop::option::weighted(0.7, 0_i64..50);
        prop::collection::vec((0_i64..12, [value(), value()]), 1..30)
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(stored in readings(), sent in readings()) {
            let stored: BTreeMap<_, _> = stored.into_iter().collect();
            let mut sums = in_order(&stored);
            let mut history = History::<2>::default();
            for (micros, values) in &stored {
                history.record(at(*micros), *values, |_, _, _| {});
            }
            // As the projector does: only the neighbours of what is sent are loaded.
            history.expect_late();
            for (micros, _) in &sent {
                let carried = |count: usize| stored.iter().filter(move |(_, v)| v[count].is_some());
                for count in 0..2 {
                    let before = carried(count).rfind(|(t, _)| *t < micros);
                    let after = carried(count).find(|(t, _)| *t > micros);
                    let exact = stored.get_key_value(micros);
                    for (t, values) in before.into_iter().chain(after).chain(exact) {
                        history.remember(count, at(*t), values[count]);
                    }
                }
            }
            let mut all = stored.clone();
            for (micros, values) in sent {
                let sink = |count, at, change| add(&mut sums, count, at, change);
                history.record(at(micros), values, sink);
                all.insert(micros, values);
                prop_assert_eq!(&sums, &in_order(&all));
                for count in 0..2 {
                    let newest = all.iter().rev().find_map(|(t, v)| v[count].map(|v| (at(*t), v)));
                    prop_assert_eq!(history.last[count], newest);
                }
            }
            prop_assert_eq!(history.newest, all.keys().last().map(|micros| at(*micros)));
        }
    }
}
