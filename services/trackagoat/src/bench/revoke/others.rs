//! What others do in place of a barrier, emulated: gates of three nodes that keep what they once
//! knew for a while. Time is virtual, so that minutes take no time; nothing is in their way, no
//! message is lost, and a look at the truth takes no longer than a few milliseconds.

use std::time::Duration;

use serde_json::{Value, json};

use super::fleet::REPLICAS;
use crate::bench::aim::rounded;
use crate::bench::stats::{Repeats, float};
use crate::bench::zipf::Random;

/// How long a node takes to learn the truth about a key, in virtual time.
const LOOK: Duration = Duration::from_millis(5);
/// A node has used the key for so long before it is revoked that no trace of its start is left.
const BEFORE: Duration = Duration::from_mins(15);
/// Beyond this nobody accepts a key any more.
const AFTER: Duration = Duration::from_mins(15);
const SEED: u64 = 20_261_126;

/// How a node decides whether a key may still be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// What was learnt counts for so long; then the truth is asked before the answer.
    Keep(Duration),
    /// What was learnt counts for the first time; up to the second it still answers, while the truth
    /// is asked for whoever comes next.
    Revalidate { fresh: Duration, stale: Duration },
    /// All ended keys are fetched so often.
    Poll(Duration),
}

pub const POLICIES: [(&str, Policy); 3] = [
    ("kept for 60 s", Policy::Keep(Duration::from_mins(1))),
    (
        "fresh for 10 s, stale for 10 minutes while revalidated",
        Policy::Revalidate {
            fresh: Duration::from_secs(10),
            stale: Duration::from_mins(10),
        },
    ),
    ("polled every 5 s", Policy::Poll(Duration::from_secs(5))),
];

/// One key as one node knows it. Times are nanoseconds since the node began.
struct Node {
    policy: Policy,
    /// When it learnt what it knows, and what that is: whether the key is active.
    learnt: Option<(u64, bool)>,
    /// When an answer to what it asked in the background is due.
    asked: Option<u64>,
    /// When it fetched the list for the first time.
    phase: u64,
}

impl Node {
    /// Whether it accepts a request, given when the key was revoked.
    fn accepts(&mut self, now: u64, revoked: u64) -> bool {
        match self.policy {
            Policy::Keep(term) => self.recent(now, term).unwrap_or_else(|| {
                let is_active = now < revoked;
                self.learnt = Some((now, is_active));
                is_active
            }),
            Policy::Revalidate { fresh, stale } => self.revalidated(now, revoked, fresh, stale),
            Policy::Poll(period) => {
                let period = nanos(period);
                let last = now - now.saturating_sub(self.phase) % period;
                last < revoked
            }
        }
    }

    fn revalidated(&mut self, now: u64, revoked: u64, fresh: Duration, stale: Duration) -> bool {
        if let Some(due) = self.asked.filter(|due| *due <= now) {
            (self.learnt, self.asked) = (Some((due, due < revoked)), None);
        }
        if let Some(is_active) = self.recent(now, fresh) {
            return is_active;
        }
        if let Some(is_active) = self.recent(now, stale) {
            self.asked.get_or_insert(now + nanos(LOOK));
            return is_active;
        }
        let is_active = now < revoked;
        (self.learnt, self.asked) = (Some((now, is_active)), None);
        is_active
    }

    /// What it knows, if that is no older.
    fn recent(&self, now: u64, term: Duration) -> Option<bool> {
        let (at, is_active) = self.learnt?;
        (now - at < nanos(term)).then_some(is_active)
    }
}

/// How often each node is asked with the key.
pub struct Pattern {
    pub name: String,
    pub period: Duration,
}

/// What a policy did with keys that were revoked at any moment of its cycles.
pub struct Emulated {
    /// From the call to the last request that any node accepted, in seconds.
    pub last_accepted: Repeats,
    /// Requests that were accepted after the call, of one key.
    accepted: Repeats,
}

impl Emulated {
    pub fn to_json(&self, policy: &str, pattern: &Pattern) -> Value {
        json!({
            "policy": policy,
            "pattern": pattern.name,
            "each_node_is_asked_every_seconds": rounded(pattern.period.as_secs_f64()),
            "call_to_last_acceptance_seconds": {
                "median": rounded(self.last_accepted.median()),
                "longest": rounded(self.last_accepted.highest()),
            },
            "requests_accepted_after_the_call_per_key": {
                "median": rounded(self.accepted.median()),
                "most": rounded(self.accepted.highest()),
            },
        })
    }
}

/// Revokes so many keys, one after another.
pub fn emulate(policy: Policy, pattern: &Pattern, keys: usize) -> Emulated {
    let mut random = Random::new(SEED);
    let each: Vec<_> = (0..keys)
        .map(|_| one_key(policy, pattern, &mut random))
        .collect();
    Emulated {
        last_accepted: each.iter().map(|(last, _)| *last).collect(),
        accepted: each.iter().map(|(_, count)| float(*count)).collect(),
    }
}

/// Seconds from the call to the last acceptance, and how many there were.
fn one_key(policy: Policy, pattern: &Pattern, random: &mut Random) -> (f64, u64) {
    let period = nanos(pattern.period);
    let revoked = nanos(BEFORE) + below(random, period);
    let (mut last, mut count) = (0, 0);
    for _ in 0..REPLICAS {
        let mut node = Node {
            policy,
            learnt: None,
            asked: None,
            phase: below(random, nanos(BEFORE)),
        };
        // From here on what a node knows has whatever age its cycle gives it.
        let mut now = below(random, nanos(BEFORE) / 2);
        while now < revoked + nanos(AFTER) {
            if node.accepts(now, revoked) && now >= revoked {
                last = last.max(now - revoked);
                count += 1;
            }
            now += period;
        }
    }
    (Duration::from_nanos(last).as_secs_f64(), count)
}

fn below(random: &mut Random, bound: u64) -> u64 {
    random.u64() % bound.max(1)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(period: Duration) -> Pattern {
        Pattern {
            name: "test".to_owned(),
            period,
        }
    }

    fn longest(policy: usize, period: Duration) -> f64 {
        emulate(POLICIES[policy].1, &every(period), 200)
            .last_accepted
            .highest()
    }

    #[test]
    fn each_policy_errs_as_long_as_it_says() {
        let often = Duration::from_millis(100);
        let near = |found: f64, bound: f64| found <= bound + 0.2 && found > bound * 0.9;
        assert!(near(longest(0, often), 60.0));
        assert!(near(longest(1, often), 10.0));
        assert!(near(longest(2, often), 5.0));
    }

    #[test]
    fn who_is_seldom_asked_believes_a_stale_entry_longest() {
        let seldom = Duration::from_mins(5);
        assert!(longest(1, seldom) > 200.0);
        assert!(longest(2, seldom) <= 5.0);
    }
}
