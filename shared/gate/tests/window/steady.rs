//! Even traffic that stays below the limit is never refused, and a burst on all at once is known
//! before the next tick.

use gate::core::others::URGENT_PART;
use runtime::entropy::Entropy;

use crate::process::{Process, reading};
use crate::say;
use crate::world::{MILLISECOND, PROCESSES, SECOND, WINDOW};

const TICK: u64 = 50 * MILLISECOND;
/// By then they know each other.
const BEGINS: u64 = 2 * SECOND;

const WINDOWS: u64 = 10;
const LIMITS: [u32; 4] = [20, 60, 100, 1_000];
/// What of the limit is asked for, in percent, from three processes in turn.
const PERCENTS: [u64; 2] = [95, 99];
/// Up to that much of the limit nobody may be refused.
const HELD: u64 = 95;

/// Prints how many were refused.
pub fn is_never_refused() -> bool {
    let mut is_never = true;
    for limit in LIMITS {
        for percent in PERCENTS {
            let (asked, refused) = run(limit, percent);
            is_never &= refused == 0 || percent > HELD;
            say(format_args!(
                "steady at {percent} % of {limit}, {PROCESSES} processes, {WINDOWS} windows: \
                 {refused} of {asked} refused"
            ));
        }
    }
    is_never
}

/// Three times the limit at once, in turn: what was admitted is told as it happens.
pub fn is_known_soon() -> bool {
    const LIMIT: u32 = 100;
    /// Requests a millisecond.
    const A_MILLISECOND: u32 = 7;
    let mut processes = new(LIMIT);
    for now in (0..BEGINS / TICK).map(|tick| tick * TICK) {
        tell_each_other(&mut processes, now);
    }
    let mut urgent = [u64::MAX; PROCESSES];
    let mut turn = (0..PROCESSES).cycle();
    let mut admitted = 0;
    // A tick has just been.
    for now in (1..TICK / MILLISECOND).map(|ms| BEGINS - TICK + ms * MILLISECOND) {
        for index in turn.by_ref().take(A_MILLISECOND as usize) {
            if let Some(asked) = processes[index].ask(LIMIT, now) {
                admitted += u64::from(asked.admitted);
                urgent[index] = urgent[index].min(asked.urgent_at.unwrap_or(u64::MAX));
            }
        }
        for (index, due) in urgent.iter_mut().enumerate() {
            if *due <= now {
                *due = u64::MAX;
                tell(&mut processes, index, now);
            }
        }
    }
    let over = admitted.saturating_sub(u64::from(LIMIT));
    let untold = PROCESSES as u64 * u64::from(LIMIT.div_ceil(URGENT_PART));
    let bound = u64::from(5 * A_MILLISECOND) + untold;
    say(format_args!(
        "a burst on all of {PROCESSES}, limit {LIMIT}: {over} over, {bound} stated"
    ));
    over <= bound
}

fn new(limit: u32) -> Vec<Process> {
    let entropy = Entropy::seeded(u64::from(limit));
    let new = || Process::new(entropy.uuid_v4(), None, entropy.u64() % WINDOW, 0);
    (0..PROCESSES).map(|_| new()).collect()
}

/// Requests that were sent and refused.
fn run(limit: u32, percent: u64) -> (u64, u64) {
    let mut processes = new(limit);
    let gap = WINDOW * 100 / (u64::from(limit) * percent);
    let (mut asked, mut refused) = (0, 0);
    let mut turn = (0..PROCESSES).cycle();
    let ticks = (0..).map(|tick| tick * TICK);
    for now in ticks.take_while(|now| *now < BEGINS + WINDOWS * WINDOW) {
        while BEGINS + asked * gap < now
            && let Some(index) = turn.next()
        {
            let answer = processes[index].ask(limit, BEGINS + asked * gap);
            refused += u64::from(answer.is_some_and(|answer| !answer.admitted));
            asked += 1;
        }
        tell_each_other(&mut processes, now);
    }
    (asked, refused)
}

fn tell_each_other(processes: &mut [Process], now: u64) {
    for index in 0..processes.len() {
        processes[index].read(&reading(&[], now), now);
        tell(processes, index, now);
    }
}

/// What one tells all others hear at once.
fn tell(processes: &mut [Process], index: usize, now: u64) {
    for message in processes[index].tick(now) {
        for (to, process) in processes.iter_mut().enumerate() {
            if to != index {
                process.hear(&message, now);
            }
        }
    }
}
