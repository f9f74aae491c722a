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
