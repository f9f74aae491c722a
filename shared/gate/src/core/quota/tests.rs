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
fn a_spent_day_is_asked_for_again_after_a_second() {
    let allowance = Allowance::default();
    assert_eq!(allowance.take(0, at(1)), Day::Spent);
    allowance.reserve(10, at(1));
    allowance.granted(10, at(1), &grant(0, 10));
    assert_eq!(allowance.take(10, at(1)), Day::Spent);
    assert_eq!(allowance.take(10, at(2)), Day::Ask);
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

proptest! {
    /// Several processes, crashes, answers that are lost, days that end.
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
            match allowance.take(limit, at(now)) {
                Day::Admitted { .. } => {
                    *admitted.entry(held[process].unwrap()).or_default() += 1;
                }
                Day::Ask => {
                    let wanted = allowance.reserve(limit, at(now)).wanted;
                    let total = reserved.entry(today).or_default();
                    let granted = wanted.min(limit - *total);
                    *total += granted;
                    if what == 9 {
                        allowance.failed(at(now));
                    } else {
                        held[process] = Some(today);
                        let answer = Grant { day: today, granted, reserved: *total, ends_in };
                        allowance.granted(limit, at(now), &answer);
                    }
                }
                Day::Spent | Day::Unavailable => {}
            }
        }
        prop_assert!(admitted.values().all(|count| *count <= limit));
    }
}
