use proptest::prelude::*;

use super::*;

fn request(begun: Instant, ended: Instant, outcome: Outcome) -> Request {
    Request {
        begun,
        ended,
        outcome,
    }
}

fn history(requests: &[Request], revocations: &[(Instant, Option<Instant>)]) -> History {
    let revocation = |(begun, succeeded): &(Instant, Option<Instant>)| Revocation {
        begun: *begun,
        succeeded: *succeeded,
    };
    History {
        requests: requests.to_vec(),
        revocations: revocations.iter().map(revocation).collect(),
    }
}

#[test]
fn what_overlaps_the_revocation_may_go_either_way() {
    let requests = [
        request(1, 4, Outcome::Accepted),
        request(5, 9, Outcome::Accepted),
        request(6, 7, Outcome::Unknown),
        request(8, 12, Outcome::Refused),
    ];
    assert_eq!(history(&requests, &[(5, Some(10))]).violations(), []);
}

#[test]
fn each_violation_is_named() {
    let accepted = request(11, 12, Outcome::Accepted);
    let refused = request(6, 7, Outcome::Refused);
    assert_eq!(
        history(&[accepted], &[(5, Some(10))]).violations(),
        [Violation::AcceptedAfterSuccess {
            begun: 11,
            returned: 10
        }]
    );
    assert_eq!(
        history(&[accepted, refused], &[(5, None)]).violations(),
        [Violation::AcceptedAfterRefusal {
            begun: 11,
            refused: 7
        }]
    );
    assert_eq!(
        history(&[refused], &[(8, Some(9))]).violations(),
        [Violation::RefusedTooEarly {
            refused: 7,
            begun: Some(8)
        }]
    );
    assert_eq!(history(&[refused], &[]).violations().len(), 1);
}

/// Tries every order of the operations that respects real time: the definition itself.
fn is_linearizable(history: &History) -> bool {
    // (begun, ended, what it must see: true is active; none is the revocation itself)
    let mut operations: Vec<(Instant, Option<Instant>, Option<bool>)> = Vec::new();
    for request in &history.requests {
        match request.outcome {
            Outcome::Accepted => operations.push((request.begun, Some(request.ended), Some(true))),
            Outcome::Refused => operations.push((request.begun, Some(request.ended), Some(false))),
            Outcome::Unknown => {}
        }
    }
    for revocation in &history.revocations {
        operations.push((revocation.begun, revocation.succeeded, None));
    }
    search(&operations, &mut vec![false; operations.len()], true)
}

fn search(
    operations: &[(Instant, Option<Instant>, Option<bool>)],
    done: &mut Vec<bool>,
    active: bool,
) -> bool {
    // One that did not return need not have happened.
    let left = |(index, operation): &(usize, &(Instant, Option<Instant>, Option<bool>))| {
        !done[*index] && operation.1.is_some()
    };
    let Some(deadline) = operations
        .iter()
        .enumerate()
        .filter(left)
        .filter_map(|(_, operation)| operation.1)
        .min()
    else {
        return true;
    };
    for (index, (begun, _, sees)) in operations.iter().enumerate() {
        if done[index] || *begun > deadline || sees.is_some_and(|sees| sees != active) {
            continue;
        }
        done[index] = true;
        let found = search(operations, done, active && sees.is_some());
        done[index] = false;
        if found {
            return true;
        }
    }
    false
}

fn histories() -> impl Strategy<Value = History> {
    let outcome = prop_oneof![
        Just(Outcome::Accepted),
        Just(Outcome::Refused),
        Just(Outcome::Unknown)
    ];
    let requests = prop::collection::vec((0..20_u64, 0..8_u64, outcome), 0..6);
    let revocations = prop::collection::vec((0..20_u64, prop::option::of(0..8_u64)), 0..3);
    (requests, revocations).prop_map(|(requests, revocations)| History {
        requests: requests
            .into_iter()
            .map(|(begun, took, outcome)| request(begun, begun + took, outcome))
            .collect(),
        revocations: revocations
            .into_iter()
            .map(|(begun, took)| Revocation {
                begun,
                succeeded: took.map(|took| begun + took),
            })
            .collect(),
    })
}

/// Histories as they happen: the key is active until an instant within the revocation.
fn true_histories() -> impl Strategy<Value = History> {
    (histories(), 0..20_u64).prop_map(|(mut history, turn)| {
        history.revocations.retain(|one| one.begun <= turn);
        for revocation in &mut history.revocations {
            revocation.succeeded = revocation.succeeded.map(|at| at.max(turn));
        }
        let can_turn = !history.revocations.is_empty();
        history.requests.retain(|request| match request.outcome {
            Outcome::Accepted => !can_turn || request.begun <= turn,
            Outcome::Refused => can_turn && request.ended >= turn,
            Outcome::Unknown => true,
        });
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn it_says_what_the_definition_says(history in histories()) {
        let says = history.violations().is_empty();
        prop_assert_eq!(says, is_linearizable(&history));
    }

    #[test]
    fn it_finds_nothing_wrong_with_what_happened(history in true_histories()) {
        prop_assert_eq!(history.violations(), []);
    }
}
