#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;

fn others() -> Others {
    Others::new(Boottime::from_nanos(1))
}

fn admitted(count: u64, recent: u32) -> Admitted {
    Admitted { count, recent }
}

#[test]
fn what_was_heard_counts_for_a_minute_and_at_most_half_a_second_more() {
    let mut others = others();
    others.hear(Slot(1), admitted(100, 3), 10 * SECOND + 1);
    others.hear(Slot(1), admitted(102, 5), 11 * SECOND);
    assert_eq!(others.total(), 5);
    others.forget(70 * SECOND + SECOND / 2 - 1);
    assert_eq!(others.total(), 5);
    others.forget(70 * SECOND + SECOND / 2);
    assert_eq!(others.total(), 2);
    others.forget(71 * SECOND + SECOND / 2);
    assert_eq!(others.total(), 0);
}

#[test]
fn of_what_was_missed_only_what_is_recent_counts() {
    let mut others = others();
    others.hear(Slot(1), admitted(100, 1), SECOND);
    others.hear(Slot(1), admitted(5_000, 7), 2 * SECOND);
    assert_eq!(others.total(), 8);
    assert_eq!(others.of(Slot(1)), Some(admitted(5_000, 8)));
    assert_eq!(others.of(Slot(2)), None);
}

#[test]
fn a_count_that_begins_anew_is_above_all_before() {
    let mut before = Others::new(Boottime::from_nanos(1_000));
    for _ in 0..500 {
        before.admit(60);
    }
    let told = before.tell_in(1);
    let mut after = Others::new(Boottime::from_nanos(2_000));
    after.admit(60);
    assert!(after.tell_in(2) > told);
}

#[test]
fn there_is_news_once_until_it_is_told() {
    let mut others = others();
    assert!(others.admit(60).is_first);
    assert!(!others.admit(60).is_first);
    assert!(others.is_changed() && !others.is_idle(SECOND));
    others.tell_in(5);
    assert!(!others.is_changed() && others.is_idle(SECOND));
    assert_eq!(others.told_in(), 5);
    assert!(others.admit(60).is_first);
}

#[test]
fn an_eighth_of_the_limit_is_urgent_once_until_it_is_told() {
    let mut others = others();
    for round in 0..2 {
        let urgent: Vec<_> = (1..=30).filter(|_| others.admit(100).is_urgent).collect();
        assert_eq!(urgent, [13]);
        others.tell_in(round);
    }
    assert!(others.admit(5).is_urgent);
}

#[test]
fn what_nobody_is_there_to_hear_is_no_news_and_not_urgent() {
    let mut others = others();
    for _ in 0..12 {
        others.admit(100);
    }
    others.drop_news();
    assert!(!others.is_changed() && others.is_idle(SECOND));
    let news = others.admit(100);
    assert!(news.is_first && !news.is_urgent);
}

#[test]
fn a_reading_that_is_no_higher_than_the_last_says_nothing() {
    let mut others = others();
    others.hear(Slot(1), admitted(100, 3), SECOND);
    others.hear(Slot(1), admitted(100, 3), SECOND);
    others.hear(Slot(1), admitted(99, 2), SECOND);
    assert_eq!(others.total(), 3);
    assert_eq!(others.of(Slot(1)), Some(admitted(100, 3)));
    // A process that has admitted nothing lately takes no place, and its count is known.
    others.hear(Slot(2), admitted(70, 0), SECOND);
    assert_eq!(others.leaving(SECOND).count(), 1);
    assert_eq!(others.of(Slot(2)), None);
    others.hear(Slot(2), admitted(72, 60), SECOND);
    assert_eq!(others.of(Slot(2)), Some(admitted(72, 2)));
}

/// Whatever a message claims.
#[test]
fn more_than_can_be_counted_is_as_many_as_can_be() {
    let mut others = others();
    others.hear(Slot(1), admitted(1, 5), SECOND);
    others.hear(Slot(2), admitted(1, u32::MAX), 2 * SECOND);
    others.hear(Slot(3), admitted(1, 1), 2 * SECOND);
    assert_eq!(others.total(), u32::MAX);
    assert_eq!(others.heard_until(2 * SECOND), u32::MAX);
    others.forget(62 * SECOND);
    assert_eq!(others.total(), u32::MAX - 5);
    others.forget(63 * SECOND);
    assert_eq!(others.total(), 0);
}

/// Or what it said would count twice; but the memory of those that are silent is bounded.
#[test]
fn eight_processes_are_known_though_not_all_of_them_count() {
    let mut others = others();
    for number in 1..=6 {
        others.hear(Slot(number), admitted(100, 2), SECOND);
    }
    others.hear(Slot(7), admitted(100, 1), 40 * SECOND);
    let now = 70 * SECOND;
    others.hear(Slot(8), admitted(100, 1), now);
    others.hear(Slot(1), admitted(100, 2), now);
    assert_eq!(
        others.total(),
        2,
        "the first is known, and said nothing new"
    );
    others.hear(Slot(9), admitted(100, 1), now);
    others.hear(Slot(7), admitted(100, 1), now);
    assert_eq!(others.total(), 3, "the seventh counts, and is known");
    others.hear(Slot(1), admitted(100, 2), now);
    assert_eq!(others.total(), 5, "of those that are silent none is known");
}

/// What was heard, one admission after the other: of whom, and the end of the half second.
#[derive(Debug, Default)]
struct Heard {
    admitted: Vec<(Slot, u64)>,
    counts: std::collections::BTreeMap<Slot, u64>,
}

impl Heard {
    fn hear(&mut self, slot: Slot, more: u32, now: u64) -> Admitted {
        self.forget(now);
        let newest = self.admitted.last().map_or(0, |(_, from)| *from);
        let from = (now / STEP_MICROS + 1) * STEP_MICROS;
        let from = from.max(newest);
        self.admitted.extend((0..more).map(|_| (slot, from)));
        let count = self.counts.entry(slot).or_insert(1_000);
        *count += u64::from(more);
        admitted(*count, more)
    }

    fn forget(&mut self, now: u64) {
        self.admitted.retain(|(_, from)| from + 60 * SECOND > now);
    }

    fn of(&self, slot: Slot) -> Option<Admitted> {
        let recent = self
            .admitted
            .iter()
            .filter(|(other, _)| *other == slot)
            .count();
        (recent > 0).then(|| admitted(self.counts[&slot], u32::try_from(recent).unwrap()))
    }
}

/// Who admitted how many, and microseconds since the last time that anything was heard.
fn hearings() -> impl Strategy<Value = Vec<(u32, u32, u64, u64)>> {
    let near = |edge: u64| edge - 1..=edge + 1;
    let gap = prop_oneof![
        4 => 0..3_u64,
        2 => near(STEP_MICROS),
        1 => near(SECOND),
        1 => near(20 * SECOND),
        1 => near(60 * SECOND),
        1 => near(60 * SECOND + STEP_MICROS),
    ];
    // Readings of two threads may come in the other order.
    let late = prop_oneof![9 => Just(0), 1 => near(STEP_MICROS)];
    prop::collection::vec((0..12_u32, 1..4_u32, gap, late), 1..60)
}

proptest! {
    /// Of whom, since when and for how long, to the microsecond.
    #[test]
    fn what_is_known_is_what_a_list_of_all_that_was_heard_says(hearings in hearings()) {
        let (mut others, mut heard) = (others(), Heard::default());
        let mut clock = 5 * SECOND;
        for (slot, more, gap, late) in hearings {
            clock += gap;
            let now = clock - late;
            let reading = heard.hear(Slot(slot), more, now);
            others.hear(Slot(slot), reading, now);
            prop_assert_eq!(others.total() as usize, heard.admitted.len());
            for slot in (0..12).map(Slot) {
                prop_assert_eq!(others.of(slot), heard.of(slot));
            }
            for ago in [0, 1, STEP_MICROS, SECOND - 1, SECOND, 20 * SECOND] {
                let until = clock.saturating_sub(ago);
                let ended = (until / STEP_MICROS + 1) * STEP_MICROS;
                let known = heard.admitted.iter().filter(|(_, from)| *from <= ended);
                prop_assert_eq!(others.heard_until(until) as usize, known.count());
            }
            let leaving = others.leaving(now);
            let leaving: Vec<_> = leaving
                .flat_map(|(left, count)| (0..count).map(move |_| left))
                .collect();
            let expected = heard.admitted.iter().map(|(_, from)| from + 60 * SECOND - now);
            prop_assert_eq!(leaving, expected.collect::<Vec<_>>());
        }
    }
}

/// What three processes said one after the other, and an order in which it comes.
fn readings() -> impl Strategy<Value = (Vec<(Slot, Admitted)>, Vec<usize>)> {
    let steps = prop::collection::vec((0..3_u32, 1..5_u32), 1..30);
    steps.prop_flat_map(|steps| {
        let mut sums = [0_u32; 3];
        let readings: Vec<_> = steps
            .into_iter()
            .map(|(slot, more)| {
                let sum = &mut sums[slot as usize];
                *sum += more;
                (Slot(slot), admitted(1_000 + u64::from(*sum), *sum))
            })
            .collect();
        // Some come twice, some not at all.
        let order = prop::collection::vec(0..readings.len(), 1..60);
        (Just(readings), order)
    })
}

fn newest(readings: impl Iterator<Item = (Slot, Admitted)>) -> Vec<(Slot, u64)> {
    let mut newest = std::collections::BTreeMap::new();
    for (slot, admitted) in readings {
        let known: &mut u64 = newest.entry(slot).or_default();
        *known = admitted.count.max(*known);
    }
    newest.into_iter().collect()
}

proptest! {
    /// Loss, repetition and order change nothing but how much is known.
    #[test]
    fn the_newest_count_of_each_is_what_is_known((readings, order) in readings()) {
        let heard: Vec<_> = order.iter().map(|index| readings[*index]).collect();
        let mut others = others();
        let mut before = 0;
        for (slot, admitted) in &heard {
            others.hear(*slot, *admitted, SECOND);
            prop_assert!(others.total() >= before, "it only grows");
            before = others.total();
        }
        let newest = newest(heard.iter().copied());
        others.counts.sort_unstable();
        prop_assert_eq!(&others.counts, &newest);
        // Within the window no more and no less than was told counts.
        let told: u64 = newest.iter().map(|(_, count)| count - 1_000).sum();
        prop_assert_eq!(u64::from(others.total()), told);
        // Once more, all of it: it is known already.
        for (slot, admitted) in heard {
            others.hear(slot, admitted, SECOND);
        }
        prop_assert_eq!(u64::from(others.total()), told);
    }
}
