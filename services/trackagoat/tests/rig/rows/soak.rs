//! Row 48, the mix of a night: faults at random, alone and together, and a quarter of the time none.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use runtime::clock::Clock;
use runtime::entropy::Entropy;

use super::pairs::{self, Fault};
use crate::report::say;
use crate::rig::Rig;

/// How long, unless told otherwise.
const SOAK: Duration = Duration::from_mins(2);
const SECONDS: &str = "TGA_RIG_SOAK_SECONDS";
const SEED: &str = "TGA_RIG_SEED";
/// The share of rounds without a fault: one of so many.
const QUIET: u64 = 4;
/// At most so many faults at once: one for each replica.
const MOST: u64 = 3;

/// Row 48. The seed makes the same faults in the same order; what they meet is another each time.
pub async fn mixed(rig: &mut Rig) {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let seed = number(SEED).unwrap_or_else(|| Entropy::os().u64() >> 32);
    let lasts = number(SECONDS).map_or(SOAK, Duration::from_secs);
    say(format_args!(
        "           row 48: {SEED}={seed}, {} s",
        lasts.as_secs()
    ));
    let random = Entropy::seeded(seed);
    let possible = possible(rig);
    let clock = Clock::system();
    let until = clock.monotonic() + lasts;
    let mut rounds = 0;
    let mut struck = BTreeMap::<u32, u32>::new();
    while clock.monotonic() < until {
        let chosen = choose(&random, &possible);
        let known = rig.found.problems.len();
        pairs::strike(rig, &chosen).await;
        rounds += 1;
        for (_, number) in &chosen {
            *struck.entry(*number).or_default() += 1;
        }
        let numbers: Vec<_> = chosen.iter().map(|(_, number)| number).collect();
        for problem in &mut rig.found.problems[known..] {
            *problem = format!("seed {seed}, round {rounds}, faults {numbers:?}: {problem}");
        }
        rig.mend().await;
    }
    rig.found.note(format!(
        "seed {seed}: {rounds} rounds in {} s; how often each fault struck: {struck:?}",
        lasts.as_secs()
    ));
}

/// The faults that this machine can inject.
fn possible(rig: &Rig) -> Vec<(Fault, u32)> {
    let mut all = Fault::ALL.to_vec();
    all.retain(|(fault, _)| fault.needs().lacks(rig).is_none());
    all
}

/// Different ones.
fn choose(random: &Entropy, possible: &[(Fault, u32)]) -> Vec<(Fault, u32)> {
    let below = |bound: u64| usize::try_from(random.u64() % bound).expect("it is small");
    if below(QUIET) == 0 {
        return Vec::new();
    }
    let mut left = possible.to_vec();
    let count = 1 + below(MOST);
    let mut chosen = Vec::new();
    while chosen.len() < count && !left.is_empty() {
        let at = below(left.len() as u64);
        chosen.push(left.swap_remove(at));
    }
    chosen
}
