//! The judge of histories beside two checkers that know nothing of revocation: both search for an
//! order of reads and writes of a register, one by Wing, Gong and Lowe's algorithm, the other
//! by trying what each thread can do next.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use testkit::history::{History, Instant, Outcome, Request, Revocation};
use todc_utils::specifications::register::{RegisterOperation, RegisterSpecification};
use todc_utils::{Action, WGLChecker};

/// Half of them are corrupted.
const HISTORIES: u32 = 100_000;
/// Of those corrupted, at least so many in a hundred must be wrong: else nobody was asked anything.
const WRONG_PERCENT: u32 = 20;
const REQUESTS: usize = 5;
const REVOCATIONS: usize = 2;
/// Instants at which something begins, and how long it may take: close enough that much overlaps.
const BEGINNINGS: Instant = 24;
const LONGEST: Instant = 10;

#[test]
fn the_judge_says_what_two_checkers_of_registers_say() {
    let wrong = Cell::new(0);
    let check = |history: &History| {
        let says = history.violations().is_empty();
        assert_eq!(says, by_threads(history), "stateright differs");
        assert_eq!(says, by_wing_gong_lowe(history), "todc differs");
        says
    };
    let config = ProptestConfig {
        cases: HISTORIES / 2,
        ..ProptestConfig::default()
    };
    let pairs = true_histories().prop_flat_map(|history| {
        let corrupted = corrupted(history.clone());
        (Just(history), corrupted)
    });
    let both = |(history, corrupted)| {
        prop_assert!(check(&history), "what happened is wrong");
        wrong.set(wrong.get() + u32::from(!check(&corrupted)));
        Ok(())
    };
    TestRunner::new(config)
        .run(&pairs, both)
        .unwrap_or_else(|error| panic!("{error}"));
    let percent = wrong.get() * 100 / (HISTORIES / 2);
    assert!(
        (WRONG_PERCENT..100).contains(&percent),
        "{percent} in a hundred corrupted ones are wrong"
    );
}

/// What was done to the register that says whether the key is revoked.
#[derive(Clone, Copy)]
struct Operation {
    begun: Instant,
    /// None: it may have happened at any time since, or never.
    ended: Option<Instant>,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Revoke,
    /// What was answered: is it revoked?
    Ask(Option<bool>),
}

fn operations(history: &History) -> Vec<Operation> {
    let asked = |request: &Request| {
        let answer = match request.outcome {
            Outcome::Accepted => Some(false),
            Outcome::Refused => Some(true),
            Outcome::Unknown => None,
        };
        Operation {
            begun: request.begun,
            ended: answer.map(|_| request.ended),
            what: What::Ask(answer),
        }
    };
    let revoked = |revocation: &Revocation| Operation {
        begun: revocation.begun,
        ended: revocation.succeeded,
        what: What::Revoke,
    };
    let asked = history.requests.iter().map(asked);
    asked
        .chain(history.revocations.iter().map(revoked))
        .collect()
}

/// All beginnings and ends in order, with the operation's number. What ends when another begins
/// overlaps it, as it does for the judge.
fn steps(operations: &[Operation]) -> Vec<(Instant, bool, usize)> {
    let both = operations.iter().enumerate().flat_map(|(number, one)| {
        let end = one.ended.map(|ended| (ended, true, number));
        [Some((one.begun, false, number)), end]
    });
    let mut steps: Vec<_> = both.flatten().collect();
    steps.sort_unstable();
    steps
}

fn by_threads(history: &History) -> bool {
    let operations = operations(history);
    let mut tester = LinearizabilityTester::new(Register(false));
    for (_, is_end, number) in steps(&operations) {
        let what = operations[number].what;
        let taken = match (what, is_end) {
            (What::Revoke, false) => tester.on_invoke(number, RegisterOp::Write(true)),
            (What::Ask(_), false) => tester.on_invoke(number, RegisterOp::Read),
            (What::Revoke | What::Ask(None), true) => {
                tester.on_return(number, RegisterRet::WriteOk)
            }
            (What::Ask(Some(revoked)), true) => {
                tester.on_return(number, RegisterRet::ReadOk(revoked))
            }
        };
        taken.expect("each operation is a thread of its own");
    }
    tester.is_consistent()
}

fn by_wing_gong_lowe(history: &History) -> bool {
    let of = |what: What| match what {
        What::Revoke => Some(RegisterOperation::Write(true)),
        What::Ask(answer) => answer.map(|revoked| RegisterOperation::Read(Some(revoked))),
    };
    let operations = operations(history);
    let mut actions = Vec::new();
    for (_, is_end, number) in steps(&operations) {
        // One without an answer changes nothing, and there is no word for it.
        if let Some(operation) = of(operations[number].what) {
            let action = if is_end {
                Action::Response
            } else {
                Action::Call
            };
            actions.push((number, action(operation)));
        }
    }
    // It knows only what ended: what did not may have done so after everything else.
    for (number, operation) in operations.iter().enumerate() {
        let left = of(operation.what).filter(|_| operation.ended.is_none());
        actions.extend(left.map(|operation| (number, Action::Response(operation))));
    }
    actions.is_empty() || {
        let history = todc_utils::History::from_actions(actions);
        WGLChecker::<RegisterSpecification<bool>>::is_linearizable(history)
    }
}

/// Histories as they happen: each operation has its effect at an instant within it.
fn true_histories() -> impl Strategy<Value = History> {
    let times = || (0..BEGINNINGS, 0..=LONGEST, 0..=LONGEST);
    let requests = prop::collection::vec((times(), prop::bool::weighted(0.8)), 0..=REQUESTS);
    let revocations = prop::collection::vec((times(), any::<bool>()), 0..=REVOCATIONS);
    (requests, revocations).prop_map(|(requests, revocations)| {
        let effect = |(begun, took, after): (Instant, Instant, Instant)| begun + after.min(took);
        let turn = revocations.iter().map(|(times, _)| effect(*times)).min();
        let request = |(times, is_answered): ((Instant, Instant, Instant), bool)| Request {
            begun: times.0,
            ended: times.0 + times.1,
            outcome: match turn {
                _ if !is_answered => Outcome::Unknown,
                Some(turn) if effect(times) >= turn => Outcome::Refused,
                _ => Outcome::Accepted,
            },
        };
        let revocation = |((begun, took, _), is_told): ((Instant, Instant, Instant), bool)| {
            let succeeded = is_told.then_some(begun + took);
            Revocation { begun, succeeded }
        };
        History {
            requests: requests.into_iter().map(request).collect(),
            revocations: revocations.into_iter().map(revocation).collect(),
        }
    })
}

/// The same with one thing changed, which may make it wrong or not.
fn corrupted(history: History) -> impl Strategy<Value = History> {
    let chosen = (any::<prop::sample::Index>(), 0..4_u8);
    (chosen, 0..BEGINNINGS, 0..=LONGEST).prop_map(move |((index, how), begun, took)| {
        let mut history = history.clone();
        let (requests, revocations) = (&mut history.requests, &mut history.revocations);
        if how == 3 && !revocations.is_empty() {
            let number = index.index(revocations.len());
            let changed = &mut revocations[number];
            changed.begun = begun;
            changed.succeeded = changed.succeeded.map(|_| begun + took);
        } else if !requests.is_empty() {
            let number = index.index(requests.len());
            let changed = &mut requests[number];
            match how {
                0 => (changed.begun, changed.ended) = (begun, begun + took),
                _ => changed.outcome = opposite(changed.outcome),
            }
        }
        history
    })
}

fn opposite(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Accepted => Outcome::Refused,
        Outcome::Refused | Outcome::Unknown => Outcome::Accepted,
    }
}
