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
use std::thread;

use gate::core::mutant::Mutant;

use crate::counters::Counters;
use crate::world::{Finished, World};

/// Seeds of a normal run; `TGA_DEEP` takes as many as it names.
const SEEDS: u64 = 2_000;
/// Within so many seeds every fault must be found.
const MUTANT_SEEDS: u64 = 2_000;

fn main() {
    let seeds = env::var("TGA_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    if let Some(seed) = env::var("TGA_SIM_SEED").ok().and_then(|text| text.parse().ok()) {
        return show(seed);
    }
    let mut failed = specified(seeds);
    if env::var("TGA_SIM_MUTANTS").as_deref() != Ok("0") { failed |= mutants(); }
    assert!(!failed, "see above");
}

/// One seed, in full.
fn show(seed: u64) {
    let finished = World::run(seed);
    println!("trace {:016x}", finished.trace);
    for (name, count) in finished.counters.all() {
        println!("{count:>8} {name}");
    }
    for violation in violations(&finished) {
        println!("{violation}");
    }
}

/// Nothing may be wrong, and everything must have happened.
fn specified(seeds: u64) -> bool {
    let results = in_parallel(seeds, |seed| {
        let (first, second) = (World::run(seed), World::run(seed));
        let mut wrong = violations(&first);
        if first != second {
            wrong.push("two runs differ".to_owned());
        }
        (first.counters, wrong)
    });
    let mut counters = Counters::default();
    let mut failed = false;
    for (seed, (counted, wrong)) in results.into_iter().enumerate() {
        counters.add(&counted);
        for wrong in wrong {
            failed = true;
            println!("seed {seed}: {wrong}");
        }
    }
    println!("\n{seeds} seeds, each twice:");
    for (name, count) in counters.all() {
        println!("{count:>12} {name}");
        if count == 0 {
            failed = true;
            println!("             ^ never happened: the run proves nothing about it");
        }
    }
    failed
}

/// Each fault must be found.
fn mutants() -> bool {
    let mut failed = false;
    println!();
    let only = env::var("TGA_SIM_ONLY").ok();
    for mutant in Mutant::ALL {
        if only.as_ref().is_some_and(|only| only != mutant.name()) {
            continue;
        }
        Mutant::choose(Some(mutant));
        let mut found = None;
        let mut tried = 0;
        while found.is_none() && tried < MUTANT_SEEDS {
            let wrong = in_parallel(100, |seed| violations(&World::run(tried + seed)));
            found = (tried..).zip(wrong).find(|(_, wrong)| !wrong.is_empty());
            tried += 100;
        }
        Mutant::choose(None);
        match found {
            Some((seed, wrong)) => println!("{:<24} found by seed {seed}: {}", mutant.name(), wrong[0]),
            None => {
                failed = true;
                println!("{:<24} NOT FOUND within {tried} seeds", mutant.name());
            }
        }
    }
    failed
}

fn violations(finished: &Finished) -> Vec<String> {
    let keys = finished.keys.violations().into_iter();
    let orgs = finished.orgs.violations().into_iter();
    keys.map(|(key, violation)| format!("key {key}: {violation}"))
        .chain(orgs.map(|(org, violation)| format!("org {org}: {violation}")))
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
