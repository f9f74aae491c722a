//! T2 (faults.md 7): the core under a seeded driver. A fake Postgres with snapshots, lock waits,
//! unknown commits, stalls, restarts and restores; a lossy bus; machines whose clocks are wrong and
//! that sleep. What clients see is judged by the same checker that judges real processes.

mod cache;
mod client;
mod clock;
mod command;
mod counters;
mod plan;
mod primary;
mod replica;
mod rng;
mod server;
mod world;

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::thread;

use gate::core::mutant::Mutant;
use testkit::proven;

use crate::counters::Counters;
use crate::plan::{END, SECOND};
use crate::world::{Finished, World};

/// Seeds of a normal run; `TGA_SIM_SEEDS` names another number.
const SEEDS: u64 = 2_000;
/// Seeds beyond, each of which has shown something that was wrong: a settlement under way while the
/// database was set back counted in the new log. Whatever changes what a seed does takes that away.
const REGRESSIONS: [u64; 3] = [13_192, 13_643, 14_833];
/// Within so many seeds every fault must be found.
const MUTANT_SEEDS: u64 = 4_000;
/// Seeds that are tried before it is looked whether one has found a fault.
const AT_ONCE: u64 = 100;

fn main() {
    if let Some(seed) = number("TGA_SIM_SEED") {
        return show(seed);
    }
    let seeds = number("TGA_SIM_SEEDS").unwrap_or(SEEDS);
    let (is_sound, counters) = specified(seeds);
    let (faults, missed) = mutants();
    proven(&[
        ("seeds", seeds),
        ("runs", 2 * seeds),
        ("simulated_seconds", 2 * seeds * (END / SECOND)),
        ("revocations", counters.revoked),
        ("probes", counters.probed),
        ("faults", faults),
        ("faults_found", faults - missed),
    ]);
    assert!(is_sound && missed == 0, "see above");
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

fn say(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// One seed, in full.
fn show(seed: u64) {
    let finished = World::run(seed);
    say(format_args!("trace {:016x}", finished.trace));
    for (name, count) in finished.counters.all() {
        say(format_args!("{count:>12} {name}"));
    }
    violations(&finished).into_iter().for_each(say);
}

/// Nothing may be wrong, and everything must have happened; says what did.
fn specified(seeds: u64) -> (bool, Counters) {
    let known = REGRESSIONS.into_iter().filter(|seed| *seed >= seeds);
    let all: Vec<u64> = (0..seeds).chain(known).collect();
    let results = in_parallel(all.len() as u64, |index| {
        let seed = all[usize::try_from(index).expect("an index")];
        let (first, second) = (World::run(seed), World::run(seed));
        let mut wrong = violations(&first);
        if first != second {
            wrong.push("two runs differ".to_owned());
        }
        (first.counters, wrong)
    });
    let mut counters = Counters::default();
    let mut is_sound = true;
    for (seed, (counted, wrong)) in all.iter().zip(results) {
        counters.add(&counted);
        for wrong in wrong {
            is_sound = false;
            say(format_args!("seed {seed}: {wrong}"));
        }
    }
    say(format_args!("{} seeds, each twice:", all.len()));
    for (name, count) in counters.all() {
        let remark = if count == 0 {
            is_sound = false;
            "   <- never happened, so nothing is proven about it"
        } else {
            ""
        };
        say(format_args!("{count:>12} {name}{remark}"));
    }
    (is_sound, counters)
}

/// Each fault must be found; `TGA_SIM_MUTANTS` names those that are tried, with commas between. Says
/// how many were tried, and how many not found.
fn mutants() -> (u64, u64) {
    let named = env::var("TGA_SIM_MUTANTS").ok();
    let is_named = |mutant: &Mutant| {
        let named = named.as_deref();
        named.is_none_or(|named| named.split(',').any(|name| name == mutant.name()))
    };
    let (mut tried, mut missed) = (0, 0);
    for mutant in Mutant::ALL.into_iter().filter(is_named) {
        tried += 1;
        Mutant::choose(Some(mutant));
        let batches = (0..MUTANT_SEEDS).step_by(usize::try_from(AT_ONCE).expect("small"));
        let found = batches.into_iter().find_map(|first| {
            let wrong = in_parallel(AT_ONCE, |seed| violations(&World::run(first + seed)));
            (first..).zip(wrong).find(|(_, wrong)| !wrong.is_empty())
        });
        Mutant::choose(None);
        let name = mutant.name();
        if let Some((seed, wrong)) = found {
            say(format_args!(
                "{name:<24} found by seed {seed}: {}",
                wrong[0]
            ));
        } else {
            missed += 1;
            say(format_args!(
                "{name:<24} NOT FOUND within {MUTANT_SEEDS} seeds"
            ));
        }
    }
    (tried, missed)
}

fn violations(finished: &Finished) -> Vec<String> {
    let keys = finished.keys.violations().into_iter();
    let orgs = finished.orgs.violations().into_iter();
    keys.map(|(key, violation)| format!("key {key}: {violation}"))
        .chain(orgs.map(|(org, violation)| format!("org {org}: {violation}")))
        .chain(finished.wrong.iter().cloned())
        .collect()
}

/// In the order of the seeds.
fn in_parallel<T: Send>(seeds: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    thread::scope(|scope| {
        let run = &run;
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let own = (0..seeds).filter(|seed| seed % threads == worker);
                    own.map(|seed| (seed, run(seed))).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all: Vec<(u64, T)> = workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a simulation panicked"))
            .collect();
        all.sort_by_key(|(seed, _)| *seed);
        all.into_iter().map(|(_, result)| result).collect()
    })
}
