//! The configurations, and what each must show.

use std::time::Duration;

use gate::core::clocks::wait_bound;
use gate::core::mutant::Mutant;

use crate::coverage::{Case, Coverage};
use crate::protocol::{Protocol, S1, S2};
use crate::time;

/// How the states are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Nearest first: the counterexample is short, and millions of states wait.
    Breadth,
    /// Farthest first: hardly any state waits, and a counterexample is long.
    Depth,
}

/// A configuration.
pub struct Run {
    /// Its name; a mutant's is that of its fault.
    pub name: &'static str,
    /// What it adds, or breaks.
    pub about: &'static str,
    /// Whether it is part of the bounded set.
    pub quick: bool,
    pub protocol: Protocol,
    pub mutant: Option<Mutant>,
    /// The property that it must violate; none: all must hold.
    pub violates: Option<&'static str>,
    pub search: Search,
    /// What it must meet, so that it proves something.
    pub meets: Vec<Case>,
}

/// All of them.
pub fn all() -> Vec<Run> {
    let mut runs = specified();
    runs.extend(mutants());
    runs
}

fn one() -> Protocol {
    Protocol {
        term: lease(108, 2, 3),
        drift: 1,
        time: 5,
        replicas: 1,
        joins: false,
        gap: false,
        tells: false,
        collects: false,
        lives: 1,
        calm: false,
        reduced: false,
        seen: Coverage::default(),
    }
}

fn two() -> Protocol {
    Protocol {
        term: lease(18, 1, 1),
        drift: 0,
        time: 3,
        replicas: 2,
        calm: true,
        reduced: true,
        ..one()
    }
}

fn joining(base: Protocol) -> Protocol {
    Protocol {
        joins: true,
        ..base
    }
}

fn telling(base: Protocol) -> Protocol {
    Protocol {
        tells: true,
        ..base
    }
}

fn drifting(base: Protocol) -> Protocol {
    Protocol {
        term: lease(54, 1, 2),
        drift: 1,
        ..base
    }
}

fn gap() -> Protocol {
    Protocol { gap: true, ..one() }
}

fn collecting() -> Protocol {
    Protocol {
        collects: true,
        lives: 2,
        calm: true,
        ..one()
    }
}

/// A lease term that lasts `term` ticks, while the real W of it lasts `bound`.
fn lease(millis: u64, term: u128, bound: u128) -> Duration {
    let lease = Duration::from_millis(millis);
    assert_eq!(
        (time::ticks(lease), time::ticks(wait_bound(lease))),
        (term, bound),
        "the proportions are those of the model of the design"
    );
    lease
}

/// A configuration of the protocol as it is specified: everything must hold.
fn run(
    name: &'static str,
    about: &'static str,
    quick: bool,
    protocol: Protocol,
    meets: &[&[Case]],
) -> Run {
    Run {
        name,
        about,
        quick,
        protocol,
        mutant: None,
        violates: None,
        search: Search::Depth,
        meets: meets.concat(),
    }
}

const TOLD: [Case; 3] = [
    Case::KeptBack,
    Case::ToldOnceSettled,
    Case::ToldAfterTheBound,
];

fn specified() -> Vec<Run> {
    let mut runs = alone();
    runs.extend(joined());
    runs.extend(pairs());
    runs
}

/// What one replica meets in every configuration.
const ALONE: [Case; 7] = [
    Case::Acked,
    Case::AppliedByARenewal,
    Case::Left,
    Case::Expired,
    Case::CaughtUp,
    Case::AcceptedFromCache,
    Case::AcceptedByVerify,
];
const CRASH: [Case; 1] = [Case::ReturnedAfterACrash];

/// One replica, there from the start.
fn alone() -> Vec<Run> {
    let collected = [
        Case::Collected,
        Case::RenewedBeforeItWasCollected,
        Case::RowWasGone,
    ];
    let no_drift = Protocol {
        term: lease(63, 2, 2),
        drift: 0,
        ..one()
    };
    vec![
        run(
            "one",
            "D = 2, W = 3, a tick of drift; crash and retry, loss, leave",
            true,
            one(),
            &[&ALONE, &CRASH],
        ),
        run(
            "one-hold",
            "the hold rule",
            false,
            telling(one()),
            &[&ALONE, &CRASH, &TOLD],
        ),
        run(
            "one-collects",
            "rows silent for W are deleted, and their replica comes back",
            false,
            collecting(),
            &[&ALONE, &collected],
        ),
        run(
            "one-gap",
            "the revocation may arrive before the event that it follows",
            false,
            gap(),
            &[&ALONE, &CRASH, &[Case::GapFound]],
        ),
        run(
            "one-no-drift",
            "no drift, W = D = 2",
            false,
            no_drift,
            &[&ALONE, &CRASH],
        ),
    ]
}

/// One replica that begins at any time.
fn joined() -> Vec<Run> {
    let joins = [Case::JoinedAfterCommit, Case::StaleOfferDiscarded];
    vec![
        run(
            "one-joining",
            "the replica loads and registers at any time; entries are evicted",
            false,
            joining(one()),
            &[&ALONE, &CRASH, &joins],
        ),
        run(
            "one-joining-hold",
            "the same with the hold rule",
            false,
            telling(joining(one())),
            &[&ALONE, &CRASH, &joins, &TOLD],
        ),
    ]
}

/// Two replicas.
fn pairs() -> Vec<Run> {
    let pair = [
        Case::Acked,
        Case::Expired,
        Case::CaughtUp,
        Case::AcceptedFromCache,
        Case::AcceptedByVerify,
    ];
    vec![
        run("two", "two replicas, D = W = 1", true, two(), &[&pair]),
        run(
            "two-hold",
            "the hold rule",
            true,
            telling(two()),
            &[&pair, &TOLD],
        ),
        run(
            "two-joining-hold",
            "the second joins at any time",
            false,
            telling(joining(two())),
            &[&pair, &TOLD, &[Case::JoinedAfterCommit]],
        ),
        run(
            "two-drift-hold",
            "a tick of drift, W = 2",
            false,
            telling(drifting(two())),
            &[&pair, &TOLD],
        ),
    ]
}

fn mutants() -> Vec<Run> {
    Mutant::ALL.into_iter().filter_map(mutant).collect()
}

/// None of a fault that it cannot see: its one tombstone is never collected, its one revocation is
/// never what is missing, its one clock never sleeps, its Postgres never crashes, and nothing of it
/// stands for the feed and the callers.
fn mutant(mutant: Mutant) -> Option<Run> {
    let (about, protocol) = match mutant {
        Mutant::GcByWallClock => (
            "1: a row is deleted while its lease may be valid",
            collecting(),
        ),
        Mutant::LeaseFromReceive => ("2: the lease runs from the answer's arrival", one()),
        Mutant::NoCatchUp => ("3: a renewal counts before its head is applied", one()),
        Mutant::JoinOneSnapshot => ("4: row and head in one transaction", joining(one())),
        Mutant::TimerFlag => ("5: validity is a flag that a timer clears", one()),
        Mutant::LookupThenDeadline => ("6: the cache is read before the deadlines", one()),
        Mutant::AckBeforeApply => ("8: acknowledged on receipt, applied later", one()),
        Mutant::ShortWait => ("9: W = D although clocks drift", one()),
        Mutant::LeaveRowFirst => ("10: the row is deleted before it refuses", one()),
        Mutant::SameIdReplaces => ("11: a new process takes over the old row", joining(two())),
        Mutant::RetryReturnsEarly => ("12: a retry returns at once", one()),
        Mutant::StaleInsert => ("13: inserted always, a revoke only clears", joining(one())),
        Mutant::JoinedLoad => ("13: trusts a load begun before it", joining(one())),
        Mutant::WatermarkNoGuard => ("13: the tombstone can be evicted", joining(one())),
        Mutant::HoldShort => ("hold: its timer runs for D", telling(drifting(two()))),
        Mutant::NoHold => ("hold: 401 at once", telling(two())),
        Mutant::CollectUnforgotten
        | Mutant::CollectEarly
        | Mutant::CollectThenInsert
        | Mutant::AsyncLease
        | Mutant::ClocksZeroed
        | Mutant::StreamContiguity
        | Mutant::StandbyVerify
        | Mutant::CommandCache
        | Mutant::EventTimestamp
        | Mutant::SharedDurable => return None,
    };
    let violates = if protocol.tells { S2 } else { S1 };
    // These are found in a corner.
    let search = match mutant {
        Mutant::StaleInsert | Mutant::WatermarkNoGuard | Mutant::HoldShort => Search::Depth,
        _ => Search::Breadth,
    };
    Some(Run {
        name: mutant.name(),
        about,
        quick: true,
        protocol,
        mutant: Some(mutant),
        violates: Some(violates),
        search,
        meets: Vec::new(),
    })
}
