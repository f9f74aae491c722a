//! Revocations amid faults: what is broken just before the call, how long it stays so, and how it
//! is mended.

use std::time::Duration;

use runtime::clock::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::fleet::{Fleet, REPLICAS};
use super::victims::Victim;
use super::watch::{self, Seen};
use crate::bench::aim::rounded;
use crate::bench::error::BenchError;
use crate::bench::stats::{Repeats, float};
use crate::bench::{Options, Setting};

/// How long Postgres does nothing.
const STALL: Duration = Duration::from_secs(1);
/// A barrier that ended so soon says that everybody hears of denials again.
const CALM_MS: u64 = 100;
/// How long that may take after a fault.
const CALM_WITHIN: Duration = Duration::from_secs(30);
/// The replica that suffers: not the first one, which was most likely given the projection.
const SUFFERER: usize = REPLICAS - 1;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    ReplicaStopped,
    ReplicaKilled,
    NatsStopped,
    NatsKilled,
    PostgresStalled,
}

pub const ALL: [Fault; 5] = [
    Fault::ReplicaStopped,
    Fault::ReplicaKilled,
    Fault::NatsStopped,
    Fault::NatsKilled,
    Fault::PostgresStalled,
];

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReplicaStopped => "a replica stopped until the call has returned",
            Self::ReplicaKilled => "a replica killed",
            Self::NatsStopped => "NATS stopped until the call has returned",
            Self::NatsKilled => "NATS killed",
            Self::PostgresStalled => "Postgres stopped for a second",
        }
    }

    /// Happens before the call.
    pub async fn strike(self, fleet: &mut Fleet) -> Result<(), BenchError> {
        match self {
            Self::None => Ok(()),
            Self::ReplicaStopped => fleet.signal(SUFFERER, Signal::STOP),
            Self::ReplicaKilled => fleet.kill(SUFFERER).await,
            Self::NatsStopped => {
                fleet.nats.pause();
                Ok(())
            }
            Self::NatsKilled => fleet.nats.kill().await.map_err(BenchError::Server),
            Self::PostgresStalled => {
                fleet.postgres.pause();
                Ok(())
            }
        }
    }

    /// Goes on beside the call: without Postgres it would never return.
    pub async fn last(self, fleet: &Fleet, clock: &Clock) -> Result<(), BenchError> {
        if self == Self::PostgresStalled {
            clock.sleep(STALL).await;
            fleet.postgres.resume();
        }
        Ok(())
    }

    /// Happens after the call has returned.
    pub async fn heal(self, fleet: &mut Fleet, setting: &Setting) -> Result<(), BenchError> {
        match self {
            Self::None | Self::PostgresStalled => Ok(()),
            Self::ReplicaStopped => fleet.signal(SUFFERER, Signal::CONT),
            Self::ReplicaKilled => fleet.start_again(SUFFERER, setting).await,
            Self::NatsStopped => {
                fleet.nats.resume();
                Ok(())
            }
            Self::NatsKilled => fleet.nats.start().await.map_err(BenchError::Server),
        }
    }
}

/// What was seen amid one kind of fault.
pub struct Suffered {
    fault: Fault,
    pub seen: Vec<Seen>,
    /// From the end of each fault until revocations were quick again, in seconds.
    calm: Repeats,
}

impl Suffered {
    /// The longest that a barrier waited after its commit, in milliseconds.
    pub fn longest_barrier_ms(&self) -> f64 {
        let waited = self.seen.iter().map(|seen| float(seen.barrier.waited_ms));
        waited.fold(0.0, f64::max)
    }

    pub fn to_json(&self) -> Value {
        let call_ms: Repeats = self.millis(Seen::call);
        let last_accepted_ms: Repeats = self.millis(Seen::last_accepted);
        let each = self.seen.iter().map(|seen| {
            json!({
                "barrier_waited_ms": seen.barrier.waited_ms,
                "acked": seen.barrier.acked,
                "lease_expired": seen.barrier.lease_expired,
                "left": seen.barrier.left,
                "tries": seen.tries,
                "probes": seen.probes.len(),
                "accepted_after_return": seen.accepted_after_return(),
            })
        });
        json!({
            "fault": self.fault.name(),
            "call_to_return_ms": call_ms.to_json(),
            "call_to_last_acceptance_anywhere_ms": last_accepted_ms.to_json(),
            "longest_barrier_ms": rounded(self.longest_barrier_ms()),
            "seconds_until_revocations_are_quick_again": self.calm.to_json(),
            "revocations": each.collect::<Vec<_>>(),
        })
    }

    fn millis(&self, of: fn(&Seen) -> Duration) -> Repeats {
        let each = self.seen.iter().map(of);
        each.map(|duration| duration.as_secs_f64() * 1e3).collect()
    }
}

/// Each fault so often, with everything well in between.
pub async fn suffer(
    fleet: &mut Fleet,
    victims: &mut impl Iterator<Item = Victim>,
    repeats: usize,
    options: &Options,
    setting: &Setting,
) -> Result<Vec<Suffered>, BenchError> {
    let mut all = Vec::new();
    for fault in ALL {
        options.say(&format!("revoke: {}", fault.name()));
        let mut suffered = Suffered {
            fault,
            seen: Vec::new(),
            calm: Repeats::default(),
        };
        for _ in 0..repeats {
            let victim = next(victims)?;
            let seen = watch::revoke(fleet, &victim, fault, setting).await?;
            suffered.seen.push(seen);
            let calm = until_calm(fleet, victims, setting);
            let calm = setting.clock.timeout(CALM_WITHIN, calm).await;
            let seconds = calm.map_err(|source| BenchError::Late {
                what: "a quick revocation after a fault",
                source,
            })??;
            suffered.calm.push(seconds);
        }
        all.push(suffered);
    }
    Ok(all)
}

/// One more key.
pub fn next(victims: &mut impl Iterator<Item = Victim>) -> Result<Victim, BenchError> {
    let victim = victims.next();
    victim.ok_or_else(|| BenchError::Wrong("no key is left to be revoked".into()))
}

/// Revokes keys until that is quick; how long it took, in seconds.
async fn until_calm(
    fleet: &mut Fleet,
    victims: &mut impl Iterator<Item = Victim>,
    setting: &Setting,
) -> Result<f64, BenchError> {
    let began = setting.clock.monotonic();
    loop {
        let since = setting.clock.monotonic().saturating_since(began);
        let victim = next(victims)?;
        let seen = watch::revoke(fleet, &victim, Fault::None, setting).await?;
        let is_heard = usize::try_from(seen.barrier.acked).is_ok_and(|acked| acked >= REPLICAS);
        if is_heard && seen.barrier.waited_ms <= CALM_MS {
            return Ok(since.as_secs_f64());
        }
    }
}
