#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

fn at(seconds: u64) -> Boottime {
    Boottime::from_nanos(seconds * 1_000_000_000)
}

fn day(number: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(740_000 + number).unwrap()
}

fn grant(granted: u64, reserved: u64) -> Grant {
    Grant {
        day: day(0),
        granted,
        reserved,
        ends_in: DAY,
    }
}

#[test]
fn a_block_is_counted_down_and_the_next_is_asked_for_once() {
    let allowance = Allowance::default();
    assert_eq!(allowance.take(1_000, at(1)), Day::Ask);
    assert_eq!(
        allowance.reserve(1_000, at(1)),
        Reservation {
            wanted: 31,
            give_back: None
        }
    );
    allowance.granted(1_000, at(1), &grant(8, 20));
    let taken: Vec<_> = (0..9).map(|_| allowance.take(1_000, at(2))).collect();
    let fetches = taken
        .iter()
        .filter(|one| matches!(one, Day::Admitted { fetch: true, .. }));
    assert_eq!(fetches.count(), 1);
    assert_eq!(
        taken[0],
        Day::Admitted {
            remaining: 987,
            fetch: false
        }
    );
    assert_eq!(taken[8], Day::Ask);
}

#[test]
fn blocks_grow_with_the_rate_and_shrink_to_one_near_the_limit() {
    let allowance = Allowance::default();
    let mut reserved = 0;
    let mut sizes = Vec::new();
    while reserved < 100_000 {
        let wanted = allowance.reserve(100_000, at(1)).wanted;
        let granted = wanted.min(100_000 - reserved);
        reserved += granted;
        sizes.push(granted);
        allowance.granted(100_000, at(1), &grant(granted, reserved));
        while let Day::Admitted { .. } = allowance.take(100_000, at(1)) {}
    }
    assert_eq!(sizes[..3], [64, 256, 1_024]);
    assert_eq!(sizes.iter().max(), Some(&3_083));
    assert_eq!(reserved, 100_000);
    assert_eq!(sizes.last(), Some(&1));
    allowance.granted(100_000, at(10), &grant(1, 90_000));
    assert!(allowance.reserve(100_000, at(100)).wanted <= 312);
}

#[test]
fn while_postgres_is_away_only_what_is_reserved_is_handed_out() {
    let allowance = Allowance::default();
    allowance.reserve(100, at(1));
    allowance.granted(100, at(1), &grant(1, 1));
    assert!(matches!(allowance.take(100, at(2)), Day::Admitted { .. }));
    allowance.reserve(100, at(2));
    allowance.failed(at(2));
    assert_eq!(allowance.take(100, at(2)), Day::Unavailable);
    assert_eq!(allowance.take(100, at(3)), Day::Ask);
}

/// Or what is left would run out in the next stall.
#[test]
fn a_block_that_could_not_be_fetched_is_fetched_again_before_the_last_is_used_up() {
    let fetch = |day: Day| matches!(day, Day::Admitted { fetch: true, .. });
    let allowance = Allowance::default();
    allowance.reserve(100_000, at(1));
    allowance.granted(100_000, at(1), &grant(64, 64));
    let fetches = (0..32).filter(|_| fetch(allowance.take(100_000, at(2))));
    assert_eq!(fetches.count(), 1);
    let wanted = allowance.reserve(100_000, at(2)).wanted;
    allowance.failed(at(2));
    assert!(!fetch(allowance.take(100_000, at(2))), "not at once");
    assert!(fetch(allowance.take(100_000, at(3))));
    assert!(!fetch(allowance.take(100_000, at(3))), "one at a time");
    allowance.not_fetched();
    assert!(fetch(allowance.take(100_000, at(3))));
    // What was not granted was not used fast either.
    let again = allowance.reserve(100_000, at(3)).wanted;
    assert!((wanted..wanted + 5).contains(&again), "{wanted} {again}");
}

/// Or every request of the last block would ask.
#[test]
fn a_day_of_which_nothing_is_left_is_asked_for_once_a_second() {
    let allowance = Allowance::default();
    allowance.reserve(1_000, at(1));
    allowance.granted(1_000, at(1), &grant(8, 1_000));
    let fetch = |day: Day| matches!(day, Day::Admitted { fetch: true, .. });
    let until_told = (0..8).position(|_| fetch(allowance.take(1_000, at(2))));
    assert_eq!(until_told, Some(3));
    allowance.reserve(1_000, at(2));
    allowance.granted(1_000, at(2), &grant(0, 1_000));
    assert!(!fetch(allowance.take(1_000, at(2))));
    assert!(fetch(allowance.take(1_000, at(3))));
}

#[test]
fn the_day_of_postgres_ends_the_block() {
    let allowance = Allowance::default();
    allowance.reserve(100, at(1));
    let short = Grant {
        ends_in: 5 * SECOND,
        ..grant(8, 8)
    };
    allowance.granted(100, at(1), &short);
    assert_eq!(allowance.ends_in(at(2)), Some(4 * SECOND));
    assert!(matches!(allowance.take(100, at(5)), Day::Admitted { .. }));
    assert_eq!(allowance.take(100, at(6)), Day::Ask);
    allowance.reserve(100, at(6));
    allowance.granted(
        100,
        at(6),
        &Grant {
            day: day(1),
            ..grant(2, 2)
        },
    );
    assert_eq!(
        allowance.take(100, at(6)),
        Day::Admitted {
            remaining: 99,
            fetch: true
        }
    );
    assert_eq!(allowance.close(), Some((day(1), 1)));
    assert_eq!(allowance.close(), None);
}

#[test]
fn near_the_days_end_postgres_is_asked_while_there_is_something_in_hand() {
    let allowance = Allowance::default();
    allowance.reserve(100_000, at(100));
    let short = Grant {
        ends_in: 80 * SECOND,
        ..grant(64, 64)
    };
    allowance.granted(100_000, at(100), &short);
    let take = |now| allowance.take(100_000, now);
    let fetch = |now| matches!(take(now), Day::Admitted { fetch: true, .. });
    assert!(!fetch(just_before(at(140))) && !allowance.is_low(just_before(at(140))));
    assert!(allowance.is_low(at(140)) && fetch(at(140)));
    // The host's clock may be slower by a tenth.
    assert!(matches!(take(just_before(at(172))), Day::Admitted { .. }));
    assert_eq!(take(at(172)), Day::Ask);
    assert_eq!(allowance.ends_in(at(172)), Some(8 * SECOND));
}

#[test]
fn another_limit_gives_the_block_back() {
    let allowance = Allowance::default();
    allowance.reserve(1_000, at(1));
    allowance.granted(1_000, at(1), &grant(8, 500));
    assert_eq!(allowance.take(100, at(2)), Day::Ask);
    let reservation = allowance.reserve(100, at(2));
    assert_eq!(reservation.give_back, Some((day(0), 8)));
    assert_eq!(reservation.wanted, 3);
    allowance.granted(100, at(2), &grant(0, 492));
    assert_eq!(allowance.take(100, at(2)), Day::Spent);
}

const MOMENT: Duration = Duration::from_nanos(1);

/// Postgres has just handed out a block, and nobody has taken of it.
fn holding(limit: u64, granted: u64, reserved: u64) -> Allowance {
    let allowance = Allowance::default();
    allowance.reserve(limit, at(1));
    allowance.granted(limit, at(1), &grant(granted, reserved));
    allowance
}

fn just_before(time: Boottime) -> Boottime {
    Boottime::from_nanos(time.as_nanos() - 1)
}

#[test]
fn what_remains_is_known_under_the_limit_and_until_the_day_ends() {
    let allowance = Allowance::default();
    assert_eq!(allowance.remaining(1_000, at(1)), None);
    allowance.reserve(1_000, at(1));
    allowance.granted(1_000, at(1), &grant(8, 20));
    assert_eq!(allowance.remaining(1_000, at(1)), Some(988));
    allowance.take(1_000, at(1));
    assert_eq!(allowance.remaining(1_000, at(1)), Some(987));
    assert_eq!(allowance.remaining(999, at(1)), None);
    let end = at(1) + DAY;
    assert_eq!(allowance.remaining(1_000, just_before(end)), Some(987));
    assert_eq!(allowance.ends_in(just_before(end)), Some(MOMENT));
    assert_eq!(allowance.remaining(1_000, end), None);
    assert_eq!(allowance.ends_in(end), None);
}

/// More than was reserved under a limit that was higher a moment ago.
#[test]
fn of_a_limit_that_was_lowered_nothing_remains() {
    let allowance = holding(10, 0, 20);
    assert_eq!(allowance.remaining(10, at(1)), Some(0));
}

/// Used up within 3 s: four times as many; in more than a minute: a quarter.
#[test]
fn the_size_of_a_block_follows_how_long_the_last_one_took() {
    let limit = 1 << 40;
    let (fast, slow) = (USED_FAST, USED_SLOWLY);
    for (lasted, sizes) in [
        (Duration::ZERO, [256, 1_024, 4_096]),
        (fast.saturating_sub(MOMENT), [256, 1_024, 4_096]),
        (fast, [64, 64, 64]),
        (slow, [64, 64, 64]),
        (slow + MOMENT, [16, 4, 1]),
    ] {
        let allowance = holding(limit, 64, 64);
        let mut now = at(1);
        for size in sizes {
            allowance.close();
            now = now + lasted;
            assert_eq!(allowance.reserve(limit, now).wanted, size, "{lasted:?}");
            allowance.granted(limit, now, &grant(size, size));
        }
    }
}

#[test]
fn no_block_is_of_more_than_a_million_nor_of_none() {
    let limit = 1 << 40;
    for (lasted, last) in [(Duration::ZERO, 1 << 20), (USED_SLOWLY + MOMENT, 1)] {
        let allowance = Allowance::default();
        let mut now = at(1);
        for _ in 0..12 {
            let wanted = allowance.reserve(limit, now).wanted;
            allowance.granted(limit, now, &grant(wanted, wanted));
            allowance.close();
            now = now + lasted;
        }
        assert_eq!(allowance.reserve(limit, now).wanted, last);
    }
}

#[test]
fn what_is_held_already_is_not_asked_for_and_something_always_is() {
    let after = at(11);
    let allowance = holding(1 << 40, 20, 20);
    assert_eq!(allowance.reserve(1 << 40, after).wanted, 44);
    let allowance = holding(1 << 40, 80, 80);
    assert_eq!(allowance.reserve(1 << 40, after).wanted, 1);
    // A thirty-second of the 640 that nobody has reserved.
    let allowance = holding(1_000, 5, 360);
    assert_eq!(allowance.reserve(1_000, after).wanted, 15);
}

#[test]
fn a_day_that_has_ended_is_asked_for_as_if_nothing_were_held_of_it() {
    let allowance = Allowance::default();
    allowance.reserve(1_000, at(1));
    let ends_in = 5 * SECOND;
    let short = Grant {
        ends_in,
        ..grant(8, 900)
    };
    allowance.granted(1_000, at(1), &short);
    let wanted = |now| allowance.reserve(1_000, now).wanted;
    assert_eq!(wanted(just_before(at(6))), 1);
    assert_eq!(wanted(at(6)), 31);
}

#[test]
fn only_what_is_left_under_another_limit_is_given_back() {
    let allowance = holding(1_000, 1, 1);
    assert_eq!(allowance.reserve(1_000, at(2)).give_back, None);
    assert!(matches!(allowance.take(1_000, at(2)), Day::Admitted { .. }));
    assert_eq!(allowance.reserve(100, at(2)).give_back, None);
}

#[test]
fn a_block_is_added_to_what_is_left_and_half_of_both_is_low() {
    let allowance = holding(100, 8, 8);
    let take = |count| {
        for _ in 0..count {
            assert!(matches!(allowance.take(100, at(2)), Day::Admitted { .. }));
        }
    };
    take(3);
    assert!(!allowance.is_low(at(2)));
    take(1);
    assert!(allowance.is_low(at(2)));
    allowance.reserve(100, at(2));
    allowance.granted(100, at(2), &grant(10, 18));
    assert_eq!(allowance.remaining(100, at(2)), Some(96));
    take(6);
    assert!(!allowance.is_low(at(2)));
    take(1);
    assert!(allowance.is_low(at(2)));
    assert_eq!(allowance.close(), Some((day(0), 7)));
}

#[test]
fn nobody_asks_for_a_tenth_of_a_second_after_postgres_was_away() {
    let again = at(2) + FAILED_FOR;
    let allowance = holding(100, 1, 1);
    assert!(matches!(allowance.take(100, at(2)), Day::Admitted { .. }));
    allowance.failed(at(2));
    assert_eq!(allowance.take(100, just_before(again)), Day::Unavailable);
    assert_eq!(allowance.take(100, again), Day::Ask);
    // Nor ahead of need.
    let allowance = holding(100, 3, 3);
    let fetch = |now| matches!(allowance.take(100, now), Day::Admitted { fetch: true, .. });
    allowance.failed(at(2));
    assert!(
        !fetch(just_before(again)),
        "half is not used, and it was away"
    );
    assert!(!fetch(just_before(again)), "it was away");
    assert!(fetch(again));
}

#[test]
fn nobody_asks_for_a_second_after_the_day_was_spent() {
    assert_eq!(Allowance::default().take(0, at(1)), Day::Spent);
    let again = at(1) + SPENT_FOR;
    let allowance = holding(10, 0, 10);
    assert_eq!(allowance.take(10, just_before(again)), Day::Spent);
    assert_eq!(allowance.take(20, just_before(again)), Day::Ask);
    assert_eq!(allowance.take(10, again), Day::Ask);
    // Nor ahead of need.
    let allowance = holding(10, 3, 10);
    allowance.reserve(10, at(1));
    allowance.granted(10, at(1), &grant(0, 10));
    let fetch = |now| matches!(allowance.take(10, now), Day::Admitted { fetch: true, .. });
    assert!(!fetch(just_before(again)) && !fetch(just_before(again)));
    assert!(fetch(again));
}

#[test]
fn a_day_of_which_others_gave_back_is_not_spent() {
    let allowance = holding(10, 0, 10);
    allowance.reserve(10, at(1));
    allowance.granted(10, at(1), &grant(1, 10));
    assert!(matches!(allowance.take(10, at(1)), Day::Admitted { .. }));
    assert_eq!(allowance.take(10, at(1)), Day::Ask);
}

proptest! {
    /// Several processes, some with slow clocks; crashes, answers that are lost, days that end.
    #[test]
    fn the_fleet_never_admits_more_than_the_limit(
        steps in prop::collection::vec((0..3_usize, 0..40_u8), 1..400), limit in 1..200_u64
    ) {
        let mut fleet: Vec<Allowance> = (0..3).map(|_| Allowance::default()).collect();
        let mut reserved: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        let mut admitted: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        let mut held: Vec<Option<NaiveDate>> = vec![None; 3];
        let mut now = 1_u64;
        for (process, what) in steps {
            match what {
                0 => {
                    fleet[process] = Allowance::default();
                    held[process] = None;
                    continue;
                }
                1 => now += 3_000,
                2..=8 => now += 1,
                _ => {}
            }
            let today = day(i32::try_from(now / 10_000).unwrap());
            let ends_in = Duration::from_secs(10_000 - now % 10_000);
            let allowance = &fleet[process];
            let shown = Boottime::from_nanos(now * [1_000, 950, 900][process] * 1_000_000);
            match allowance.take(limit, shown) {
                Day::Admitted { .. } => {
                    prop_assert_eq!(held[process], Some(today));
                    *admitted.entry(today).or_default() += 1;
                }
                Day::Ask => {
                    let wanted = allowance.reserve(limit, shown).wanted;
                    let total = reserved.entry(today).or_default();
                    let granted = wanted.min(limit - *total);
                    *total += granted;
                    if what == 9 {
                        allowance.failed(shown);
                    } else {
                        held[process] = Some(today);
                        let answer = Grant { day: today, granted, reserved: *total, ends_in };
                        allowance.granted(limit, shown, &answer);
                    }
                }
                Day::Spent | Day::Unavailable => {}
            }
        }
        prop_assert!(admitted.values().all(|count| *count <= limit));
    }
}
