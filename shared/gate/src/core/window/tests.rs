#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

mod model;

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Boottime {
    Boottime::from_nanos(nanos)
}

/// The most admissions in any half-open interval of 60 s.
fn most(admitted: &[u64]) -> usize {
    let mut oldest = 0;
    let mut most = 0;
    for (newest, time) in admitted.iter().enumerate() {
        while admitted[oldest] + 60 * SECOND <= *time {
            oldest += 1;
        }
        most = most.max(newest + 1 - oldest);
    }
    most
}

#[test]
fn the_place_becomes_free_60_seconds_after_it_was_taken() {
    let mut window = Window::default();
    let start = 1_000 * SECOND;
    for index in 0..60 {
        let taken = window.take(at(start + index * SECOND / 2), 60);
        assert!(taken.admitted);
        assert_eq!(u64::from(taken.remaining), 59 - index);
    }
    let refused = window.take(at(start + 30 * SECOND), 60);
    assert!(!refused.admitted);
    assert_eq!(refused.remaining, 0);
    assert_eq!(refused.reset_seconds(), 30);
    assert!(!window.take(at(start + 60 * SECOND), 60).admitted);
    assert!(window.take(at(start + 60 * SECOND + 1_000), 60).admitted);
    assert!(!window.take(at(start + 60 * SECOND + 2_000), 60).admitted);
}

#[test]
fn the_first_request_says_that_there_is_more_in_60_seconds() {
    let taken = Window::default().take(at(5 * SECOND), 60);
    assert_eq!(taken.remaining, 59);
    assert_eq!(taken.reset_seconds(), 60);
}

#[test]
fn a_limit_of_millions_takes_a_few_kilobytes_and_still_holds() {
    let mut window = Window::default();
    let (mut now, mut admitted) = (7 * SECOND, Vec::new());
    for _ in 0..40_000 {
        now += SECOND / 500;
        if window.take(at(now), 10_000).admitted {
            admitted.push(now);
        }
    }
    assert!(most(&admitted) <= 10_000);
    // Twice the limit was asked for; 100 ms in 60 s may be lost to rounding.
    assert!(admitted.len() > 13_000, "{}", admitted.len());
    assert!(std::mem::size_of::<Buckets>() < 2_500);
}

#[test]
fn a_lowered_limit_counts_what_was_admitted_under_the_former() {
    let mut window = Window::default();
    for second in 0..10 {
        assert!(window.take(at((100 + second) * SECOND), 10).admitted);
    }
    let refused = window.take(at(110 * SECOND), 3);
    assert!(!refused.admitted);
    // The eighth of ten must leave before there are fewer than three.
    assert_eq!(refused.reset_seconds(), 57);
    assert!(!window.take(at(166 * SECOND), 3).admitted);
    assert!(window.take(at(168 * SECOND), 3).admitted);
}

#[test]
fn an_idle_window_gives_its_memory_back_and_forgets_nothing_before() {
    let mut window = Window::default();
    assert!(window.take(at(SECOND), 1).admitted);
    assert!(!window.release_if_idle(at(60 * SECOND)));
    assert!(!window.take(at(60 * SECOND), 1).admitted);
    assert!(window.release_if_idle(at(200 * SECOND)));
    assert!(matches!(window.log, Log::Empty));
    assert!(window.take(at(200 * SECOND), 1).admitted);
}

/// 60 s and the width of a bucket after the last request, whoever asks first.
#[test]
fn a_window_is_idle_once_nothing_can_count_in_any_form() {
    let (last, idle) = (SECOND, 61 * SECOND + SECOND / 10);
    for (now, is_idle) in [(idle, false), (idle + 1_000, true)] {
        let mut window = Window::default();
        window.take(at(last), 6_001);
        assert_eq!(window.release_if_idle(at(now)), is_idle);
        let mut window = Window::default();
        window.take(at(last), 6_001);
        assert_eq!(window.recent(at(now)), 0);
        assert_eq!(window.release_if_idle(at(now)), is_idle);
        // Until then it stays in buckets, whatever the limit.
        let mut window = Window::default();
        window.take(at(last), 6_001);
        let reset = if is_idle { 60_000_001 } else { 60_100_000 };
        assert_eq!(window.take(at(now), 1).reset_micros, reset);
    }
}

#[test]
fn a_limit_of_zero_admits_nobody() {
    let taken = Window::default().take(at(SECOND), 0);
    assert!(!taken.admitted);
    assert_eq!(taken.reset_micros, 0);
}

fn share(among: u32, since: u64) -> Part {
    Part::Share(Share {
        among,
        since: at(since),
        heard_until: at(since + 2 * SECOND),
    })
}

fn told(count: u64, recent: u32) -> Admitted {
    Admitted { count, recent }
}

#[test]
fn what_others_took_counts_from_when_it_was_heard() {
    let mut window = Window::default();
    window.hear(Slot(1), told(1_000, 7), at(100 * SECOND));
    for _ in 0..3 {
        assert!(window.take(at(101 * SECOND), 10).admitted);
    }
    let refused = window.take(at(102 * SECOND), 10);
    assert!(!refused.admitted);
    // The others' leave first, half a second late.
    assert_eq!(refused.reset_micros, 58_500_000);
    assert!(!window.take(at(160 * SECOND), 10).admitted);
    assert_eq!(window.take(at(161 * SECOND), 10).remaining, 6);
}

#[test]
fn a_share_is_of_what_was_left_when_sight_was_lost() {
    let mut window = Window::default();
    for _ in 0..4 {
        assert!(window.take(at(100 * SECOND), 19).admitted);
    }
    window.hear(Slot(1), told(1_000, 3), at(101 * SECOND));
    let part = share(3, 102 * SECOND);
    // Heard a moment later, it was taken before; long after, it is another's share.
    window.hear(Slot(2), told(1_000, 2), at(103 * SECOND));
    window.hear(Slot(2), told(1_004, 6), at(110 * SECOND));
    let admitted = |window: &mut Window, now| {
        let mut take = || window.take_part(at(now), 19, part);
        (0..20).take_while(|_| take().admitted).count()
    };
    // A third of 19 - 4 - 3 - 2.
    assert_eq!(admitted(&mut window, 111 * SECOND), 3);
    // What was taken before leaves: a third of 19, three of which are taken.
    assert_eq!(admitted(&mut window, 170 * SECOND), 3);
    assert_eq!(admitted(&mut window, 172 * SECOND), 3);
}

#[test]
fn no_share_is_too_small_for_one_and_none_is_of_nothing() {
    let mut window = Window::default();
    let part = share(100, SECOND);
    assert!(window.take_part(at(2 * SECOND), 5, part).admitted);
    assert!(!window.take_part(at(2 * SECOND), 5, part).admitted);
    let mut window = Window::default();
    window.hear(Slot(1), told(9, 5), at(SECOND));
    let refused = window.take_part(at(2 * SECOND), 5, part);
    assert!(!refused.admitted);
    assert!(!Window::default().take_part(at(SECOND), 0, part).admitted);
}

#[test]
fn a_window_that_others_fill_is_not_idle() {
    let mut window = Window::default();
    window.hear(Slot(1), told(9, 5), at(100 * SECOND));
    assert!(!window.release_if_idle(at(160 * SECOND)));
    assert!(window.release_if_idle(at(161 * SECOND)));
    assert!(window.others().is_none());
    assert!(window.note(at(161 * SECOND), 60).is_first);
    assert!(!window.release_if_idle(at(300 * SECOND)), "to be told");
}

#[test]
fn what_is_told_is_what_lies_in_the_last_minute() {
    for limit in [100, 10_000] {
        let mut window = Window::default();
        for second in 0..10 {
            assert!(window.take(at((100 + second) * SECOND), limit).admitted);
            window.note(at((100 + second) * SECOND), limit);
        }
        let before = window.tell_in(1, at(110 * SECOND));
        assert_eq!(before.recent, 10);
        let after = window.tell_in(2, at(165 * SECOND));
        assert!((4..=5).contains(&after.recent), "{after:?}");
        assert_eq!(after.count, before.count);
        assert_eq!(window.recent(at(400 * SECOND)), 0);
    }
}

#[test]
fn what_another_process_took_can_be_told_in_its_place_while_it_counts() {
    let mut window = Window::default();
    assert_eq!(window.heard_of(Slot(1), at(100 * SECOND)), None);
    window.hear(Slot(1), told(1_000, 7), at(100 * SECOND));
    let heard = window.heard_of(Slot(1), at(160 * SECOND));
    assert_eq!(heard, Some(told(1_000, 7)));
    assert_eq!(window.heard_of(Slot(2), at(160 * SECOND)), None);
    assert_eq!(window.heard_of(Slot(1), at(161 * SECOND)), None);
}

#[test]
fn there_is_news_of_a_window_until_it_is_told_or_nobody_is_there() {
    let mut window = Window::default();
    window.drop_news();
    let is_first = |window: &mut Window| window.note(at(SECOND), 60).is_first;
    assert!(is_first(&mut window) && !is_first(&mut window));
    window.tell_in(7, at(SECOND));
    assert_eq!(window.others().unwrap().told_in(), 7);
    assert!(is_first(&mut window) && !is_first(&mut window));
    window.drop_news();
    assert!(is_first(&mut window));
    window.drop_news();
    assert!(window.release_if_idle(at(SECOND)));
}

/// Requests with bursts, pauses and a limit that changes between exact and bucketed.
fn trace() -> impl Strategy<Value = (u64, Vec<(u64, usize)>)> {
    let gap = prop_oneof![
        Just(0),
        1..2_000_u64,
        1..SECOND,
        Just(60 * SECOND),
        58 * SECOND..62 * SECOND,
        Just(4_300 * SECOND),
    ];
    let burst = (gap, 1..40_usize);
    (0..10_000 * SECOND, prop::collection::vec(burst, 1..40))
}

proptest! {
    #[test]
    fn no_trailing_window_holds_more_than_the_limit(
        (start, trace) in trace(), limit in 1..30_u32
    ) {
        let (mut window, mut now, mut admitted) = (Window::default(), start, Vec::new());
        let mut reference: Vec<u64> = Vec::new();
        for (gap, burst) in trace {
            now += gap;
            for _ in 0..burst {
                let taken = window.take(at(now), limit);
                if taken.admitted {
                    admitted.push(now);
                } else {
                    prop_assert!(taken.reset_micros > 0);
                    prop_assert_eq!(taken.remaining, 0);
                }
                // Nobody is refused who could be admitted two microseconds ago.
                reference.retain(|time| now < *time + 60 * SECOND + 2_000);
                prop_assert!(taken.admitted || reference.len() >= limit as usize);
                if taken.admitted {
                    reference.push(now);
                }
            }
        }
        prop_assert!(most(&admitted) <= limit as usize);
    }

    #[test]
    fn what_is_promised_is_kept(
        (start, trace) in trace(), limit in prop_oneof![1..30_u32, Just(6_001_u32)]
    ) {
        let (mut window, mut now) = (Window::default(), start);
        for (gap, burst) in trace {
            now += gap;
            for _ in 0..burst {
                let before = window.take(at(now), limit);
                if !before.admitted {
                    now += before.reset_micros * 1_000;
                    prop_assert!(window.take(at(now), limit).admitted);
                } else if before.remaining > 0 {
                    prop_assert!(window.take(at(now), limit).admitted);
                }
            }
        }
    }

    /// Whatever others took, and whatever part is its own.
    #[test]
    fn no_process_admits_more_than_the_limit_nor_what_it_knows_to_be_taken(
        (start, trace) in trace(),
        limit in prop_oneof![1..30_u32, Just(6_001_u32)],
        heard in prop::collection::vec(prop::option::of(1..8_u32), 1..9),
        parts in prop::collection::vec(prop::option::of(1..5_u32), 1..5),
    ) {
        let (mut window, mut now, mut admitted) = (Window::default(), start, Vec::new());
        let mut others: Vec<u64> = Vec::new();
        for (index, (gap, burst)) in trace.iter().enumerate() {
            now += gap;
            if let Some(more) = heard[index % heard.len()] {
                others.extend((0..more).map(|_| now));
                let count = others.len() as u64;
                window.hear(Slot(1), told(count, more), at(now));
            }
            let part = match parts[index % parts.len()] {
                None => Part::Whole,
                Some(among) => share(among, now.saturating_sub(SECOND * index as u64)),
            };
            for _ in 0..*burst {
                if window.take_part(at(now), limit, part).admitted {
                    admitted.push(now);
                    let recent = |time: &&u64| now < **time + 60 * SECOND;
                    let own = admitted.iter().filter(recent).count();
                    let all = own + others.iter().filter(recent).count();
                    prop_assert!(part != Part::Whole || all <= limit as usize);
                }
            }
        }
        prop_assert!(most(&admitted) <= limit as usize);
    }

    #[test]
    fn what_is_promised_is_kept_beside_others_and_of_a_share(
        (start, trace) in trace(),
        limit in prop_oneof![1..30_u32, Just(6_001_u32)],
        heard in prop::collection::vec(1..40_u32, 1..9),
        among in prop::option::of(1..5_u32),
    ) {
        let (mut window, mut now, mut count) = (Window::default(), start, 0);
        let middle = start + 30 * SECOND;
        for (index, (gap, burst)) in trace.iter().enumerate() {
            now += gap;
            let more = heard[index % heard.len()];
            count += u64::from(more);
            window.hear(Slot(1), told(count, more), at(now));
            let part = match among {
                Some(among) if now >= middle => share(among, middle),
                _ => Part::Whole,
            };
            for _ in 0..*burst {
                let before = window.take_part(at(now), limit, part);
                if !before.admitted {
                    now += before.reset_micros * 1_000;
                    prop_assert!(window.take_part(at(now), limit, part).admitted);
                } else if before.remaining > 0 {
                    prop_assert!(window.take_part(at(now), limit, part).admitted);
                }
            }
        }
    }

    #[test]
    fn changing_limits_never_admit_more_than_the_largest(
        (start, trace) in trace(),
        limits in prop::collection::vec(prop_oneof![1..30_u32, Just(6_001_u32)], 1..8),
    ) {
        let (mut window, mut now, mut admitted) = (Window::default(), start, Vec::new());
        for (index, (gap, burst)) in trace.iter().enumerate() {
            now += gap;
            let limit = limits[index % limits.len()];
            for _ in 0..*burst {
                if window.take(at(now), limit).admitted {
                    admitted.push(now);
                    let recent = admitted.iter().filter(|time| now < **time + 60 * SECOND);
                    prop_assert!(u32::try_from(recent.count()).unwrap() <= limit);
                }
            }
        }
    }
}
