//! Even traffic that stays below the limit is never refused.

use gate::core::gossip::message::Message;
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

/// Requests that were sent and refused.
fn run(limit: u32, percent: u64) -> (u64, u64) {
    let entropy = Entropy::seeded(u64::from(limit));
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::new(entropy.uuid_v4(), None, entropy.u64() % WINDOW, 0))
        .collect();
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
    let told: Vec<Vec<Message>> = processes
        .iter_mut()
        .map(|process| {
            process.read(&reading(&[], now), now);
            process.tick(now)
        })
        .collect();
    for (from, messages) in told.iter().enumerate() {
        for (to, process) in processes.iter_mut().enumerate() {
            for message in messages.iter().filter(|_| from != to) {
                process.hear(message, now);
            }
        }
    }
}
