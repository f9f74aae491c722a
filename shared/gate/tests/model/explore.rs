//! Explores a configuration and says whether it showed what it must.

use std::time::Duration;

use gate::core::mutant::Mutant;
use runtime::clock::Clock;
use stateright::{Checker, HasDiscoveries, Model};

use crate::protocol::{Protocol, S1, S2};
use crate::runs::{Run, Search};

/// What all configurations showed.
#[derive(Debug, Default)]
pub struct Shown {
    /// Of the protocol as it is specified.
    pub configurations: u64,
    /// Of these.
    pub states: u64,
    pub faults: u64,
    pub faults_found: u64,
}

/// Explores one configuration, tells what it showed, and returns whether that was as expected.
pub fn explore(run: &Run, with_trace: bool, shown: &mut Shown) -> bool {
    let clock = Clock::system();
    let started = clock.monotonic();
    let passed = || clock.monotonic().saturating_since(started);
    Mutant::choose(run.mutant);
    let finish = if run.violates.is_some() {
        HasDiscoveries::AnyFailures
    } else {
        HasDiscoveries::All
    };
    let checker = run.protocol.clone().checker();
    let checker = checker.threads(threads()).finish_when(finish);
    let as_expected = if run.search == Search::Breadth || with_trace {
        let checker = checker.spawn_bfs().join();
        report(run, &checker, passed(), with_trace, shown)
    } else {
        let checker = checker.spawn_dfs().join();
        report(run, &checker, passed(), with_trace, shown)
    };
    Mutant::choose(None);
    as_expected
}

fn report(
    run: &Run,
    checker: &impl Checker<Protocol>,
    passed: Duration,
    with_trace: bool,
    shown: &mut Shown,
) -> bool {
    let found = checker.discoveries();
    let is_right = match run.violates {
        Some(property) => found.contains_key(property),
        None => found.is_empty(),
    };
    let missing = run.protocol.seen.missing(&run.meets);
    let as_expected = is_right && missing.is_empty();
    if run.mutant.is_some() {
        shown.faults += 1;
        shown.faults_found += u64::from(is_right);
    } else {
        shown.configurations += 1;
        shown.states += checker.unique_state_count() as u64;
    }
    let is_judged = run.violates.is_none();
    let verdict = |property, is_judged| match found.contains_key(property) {
        true => "VIOLATED",
        false if is_judged => "holds",
        false => "-",
    };
    println!(
        "{:<20} states={:>9} depth={:>3} S1={:<8} S2={:<8} {:>6.1}s {}",
        run.name,
        checker.unique_state_count(),
        checker.max_depth(),
        verdict(S1, is_judged),
        verdict(S2, is_judged && run.protocol.tells),
        passed.as_secs_f64(),
        if as_expected {
            "as expected"
        } else {
            "UNEXPECTED"
        },
    );
    if !missing.is_empty() {
        println!("  never met: {missing:?}");
    }
    if with_trace || !is_right {
        for (property, path) in found {
            println!("  {property}:");
            for action in path.into_actions() {
                println!("    {action:?}");
            }
        }
    }
    as_expected
}

fn threads() -> usize {
    let wanted = std::env::var("THREADS").ok();
    wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
