//! T2 (faults.md 7 and 8): the window and the day across processes. The core in three processes
//! under a seeded driver; every trailing window is held against the stated bound, the day against
//! its limit, and what was found is printed. `TGA_SIM_SEEDS`: so many seeds of each kind.

mod day;
mod judge;
mod process;
mod steady;
mod world;

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::thread;

use testkit::proven;

use crate::world::{Faults, World};

/// Seeds of each kind in a normal run.
const SEEDS: u64 = 300;
/// Findings of a kind that are shown.
const SHOWN: usize = 5;

/// What one seed came to.
struct Outcome {
    wrong: Option<String>,
    overshoot: i64,
    limit: u32,
    /// Of the day, in percent of its limit.
    under: u64,
    unheard: u64,
}

fn main() {
    let seeds = env::var("TGA_SIM_SEEDS").ok();
    let seeds = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let mut is_sound = true;
    for faults in Faults::KINDS {
        is_sound &= repeats(faults);
        is_sound &= holds(faults, seeds);
    }
    is_sound &= steady::is_never_refused();
    is_sound &= steady::is_known_soon();
    let kinds = Faults::KINDS.len() as u64;
    proven(&[("kinds", kinds), ("seeds", kinds * seeds)]);
    assert!(is_sound, "see above");
}

/// A seed that does not repeat is no evidence.
fn repeats(faults: Faults) -> bool {
    let [one, two] = [0, 1].map(|_| World::run(42, faults));
    let same = one.seen == two.seen && one.day == two.day && !one.seen.admitted.is_empty();
    if !same {
        say(format_args!("{faults:?}: two runs of one seed differ"));
    }
    same
}

fn holds(faults: Faults, seeds: u64) -> bool {
    let outcomes = in_parallel(seeds, |seed| {
        let world = World::run(seed, faults);
        Outcome {
            wrong: world.wrong(),
            overshoot: world.overshoot(),
            limit: world.limit,
            under: world.day.under() * 100 / world.day.limit,
            unheard: world.day.unheard,
        }
    });
    report(faults, &outcomes);
    let wrong = outcomes.iter().filter_map(|outcome| outcome.wrong.as_ref());
    wrong.clone().take(SHOWN).for_each(say);
    // A kind in which nothing was exceeded, or no answer lost, would show nothing.
    let is_telling = faults == Faults::None
        || (outcomes.iter().any(|outcome| outcome.overshoot > 0)
            && outcomes.iter().any(|outcome| outcome.unheard > 0));
    if !is_telling {
        say(format_args!("{faults:?}: nothing happened"));
    }
    is_telling && wrong.count() == 0
}

/// Over the limit, of the fullest trailing window of each seed: in requests and in percent.
fn report(faults: Faults, outcomes: &[Outcome]) {
    let mut over: Vec<_> = outcomes.iter().map(|outcome| outcome.overshoot).collect();
    let percent = |outcome: &Outcome| outcome.overshoot * 100 / i64::from(outcome.limit);
    let mut percents: Vec<_> = outcomes.iter().map(percent).collect();
    let mut under: Vec<_> = outcomes.iter().map(|outcome| outcome.under).collect();
    over.sort_unstable();
    percents.sort_unstable();
    under.sort_unstable();
    let name = format!("{faults:?}");
    say(format_args!(
        "{name:<10} {:>6} seeds; over the limit p50 {}, p99 {}, max {} ({} %, {} %, {} %); \
         under the day p50 {} %, p99 {} %, max {} %",
        outcomes.len(),
        rank(&over, 50),
        rank(&over, 99),
        rank(&over, 100),
        rank(&percents, 50),
        rank(&percents, 99),
        rank(&percents, 100),
        rank(&under, 50),
        rank(&under, 99),
        rank(&under, 100),
    ));
}

fn rank<T: Copy>(sorted: &[T], percent: usize) -> T {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn say(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn in_parallel<T: Send>(seeds: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    thread::scope(|scope| {
        let run = &run;
        let start = |worker| {
            let own = (0..seeds).filter(move |seed| seed % threads == worker);
            scope.spawn(move || own.map(run).collect::<Vec<_>>())
        };
        let workers: Vec<_> = (0..threads).map(start).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .flat_map(|own| own.expect("a simulation panicked"))
            .collect()
    })
}
