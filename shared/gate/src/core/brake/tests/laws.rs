//! No interval holds more failures than its limit, whatever comes in which order.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// A look-up that began, or time that passes.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Ask {
        source: u32,
        ends: End,
    },
    /// The oldest look-up under way ends.
    End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Failed,
    Found,
    Unanswered,
    Dropped,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![0..3 * SECOND, Just(2 * SECOND), 50 * SECOND..130 * SECOND];
    let ends = prop_oneof![
        6 => Just(End::Failed),
        1 => Just(End::Found),
        1 => Just(End::Unanswered),
        1 => Just(End::Dropped),
    ];
    let step = prop_oneof![
        1 => wait.prop_map(Step::Wait),
        12 => (0..4_u32, ends).prop_map(|(source, ends)| Step::Ask { source, ends }),
        8 => Just(Step::End),
    ];
    prop::collection::vec(step, 1..600)
}

/// Whether, at every moment, no more failed since any earlier one than `limit` allows.
fn is_within(failed: &[u64], limit: &Limit) -> bool {
    let every = u64::try_from(limit.every.as_nanos()).unwrap();
    failed.iter().enumerate().all(|(first, began)| {
        failed[first..].iter().enumerate().all(|(more, time)| {
            u64::try_from(more).unwrap() < u64::from(limit.burst) + (time - began) / every
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_interval_holds_more_failures_than_the_limit_and_the_clean_are_never_refused(
        steps in steps()
    ) {
        let brake = Brake::sized(1_024, 64);
        let (mut now, mut read, mut number) = (SECOND, 0, 0);
        let mut under_way: VecDeque<(u32, LookUp<'_>, End)> = VecDeque::new();
        let mut failed: HashMap<u32, Vec<u64>> = HashMap::new();
        for step in steps {
            match step {
                Step::Wait(nanos) => now += nanos,
                Step::Ask { source, ends } => {
                    let own = under_way.iter().filter(|(other, ..)| *other == source).count();
                    // A crowd is held to no limit before one of it has failed.
                    if own == SOURCE.burst as usize {
                        continue;
                    }
                    (number, read) = (number + 1, now);
                    let failures = failed.entry(source).or_default();
                    let forgotten = failures.iter().max().is_none_or(|last| now > last + 200 * SECOND);
                    match brake.ask(peer(source), &hash(number), || false, at(now)) {
                        Ok(look_up) => under_way.push_back((source, look_up, ends)),
                        Err(stopped) => prop_assert!(!forgotten, "{stopped:?}"),
                    }
                }
                Step::End => {
                    let Some((source, look_up, ends)) = under_way.pop_front() else {
                        continue;
                    };
                    let failures = failed.entry(source).or_default();
                    match ends {
                        End::Failed => {
                            look_up.failed(at(now));
                            read = now;
                            failures.push(now);
                        }
                        End::Found => look_up.found(),
                        End::Unanswered => look_up.unanswered(),
                        End::Dropped => {
                            drop(look_up);
                            // It has no reading of its own.
                            failures.push(read);
                        }
                    }
                }
            }
        }
        for failures in failed.values_mut() {
            failures.sort_unstable();
            prop_assert!(is_within(failures, &SOURCE), "{failures:?}");
        }
    }

    /// Many sources, all guessing: who failed before is bound by the limit of all.
    #[test]
    #[cfg_attr(miri, ignore = "tens of thousands of things: hours under the interpreter")]
    fn over_all_no_interval_holds_more_failures_of_those_who_failed_before(
        waits in prop::collection::vec(0..40_000_000_u64, 1_500), sources in 30..120_u32
    ) {
        let brake = Brake::sized(1_024, 64);
        let (mut now, mut failed) = (SECOND, Vec::new());
        let mut known = HashSet::new();
        for (index, wait) in waits.into_iter().enumerate() {
            if wait < 2_000_000 {
                now += 100 * wait;
            }
            let number = u32::try_from(index).unwrap();
            let source = number.wrapping_mul(0x9e37_79b9) % sources;
            let first = known.insert(source);
            let guessed = guess(&brake, peer(source), number.into(), at(now));
            if first {
                prop_assert!(guessed.is_ok());
            } else if guessed.is_ok() {
                failed.push(now);
            }
        }
        prop_assert!(is_within(&failed, &OVERALL), "{}", failed.len());
    }
}
