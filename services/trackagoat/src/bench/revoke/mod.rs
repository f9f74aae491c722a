//! `revoke`: how long a key is still accepted after the call that revokes it, anywhere, while
//! everybody else goes on reading; without faults and with; and how long it would be elsewhere.

mod faults;
mod fleet;
mod others;
mod victims;
mod watch;

use std::time::Duration;

use serde_json::{Value, json};

use self::faults::{Fault, Suffered, next, suffer};
use self::fleet::{Fleet, REPLICAS};
use self::others::{POLICIES, Pattern, emulate};
use self::victims::Victim;
use self::watch::Seen;
use super::aim::{Aim, Report, rounded};
use super::conditions;
use super::error::BenchError;
use super::load;
use super::read::callers;
use super::stats::{Histogram, float};
use super::traffic::Traffic;
use super::{Options, Setting};

const RETURN_P50: &str = "call to return, p50";
const RETURN_P99: &str = "call to return, p99";
const EFFECT_P50: &str = "call to last acceptance anywhere, p50";
const EFFECT_P99: &str = "call to last acceptance anywhere, p99";
const ACCEPTED: &str = "accepted after the return, faults included";
const PROBED: &str = "replicas asked within 5 ms of the return";
const BARRIER: &str = "longest wait after the commit, amid faults";

const AIMS: &[Aim] = &[
    Aim::at_most(RETURN_P50, "ms", 5.0),
    Aim::at_most(RETURN_P99, "ms", 50.0),
    Aim::at_most(EFFECT_P50, "ms", 5.0),
    Aim::at_most(EFFECT_P99, "ms", 50.0),
    Aim::at_most(ACCEPTED, "requests", 0.0),
    Aim::at_least(PROBED, "of them", 0.95),
    Aim::at_most(BARRIER, "ms", 2_500.0),
];

/// Reads a second, of all replicas together.
const RATE: f64 = 5_000.0;
/// Less than this much of it, and the figures are those of another load.
const RATE_KEPT: f64 = 0.95;
/// A key that is used seldom, at each node: a little more often than an entry that is revalidated
/// is thrown away.
const SELDOM: Duration = Duration::from_mins(9);

/// How much of everything.
struct Effort {
    readers: usize,
    orgs: usize,
    /// Revocations that are counted, without faults.
    counted: usize,
    /// Of each fault.
    faults: usize,
    /// Keys for the time between faults.
    spare: usize,
    emulated: usize,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                readers: 200,
                orgs: 5,
                counted: 20,
                faults: 1,
                spare: 200,
                emulated: 20,
            };
        }
        Self {
            readers: 3_000,
            orgs: 25,
            counted: 1_000,
            faults: 5,
            spare: 1_000,
            emulated: 300,
        }
    }

    /// Each org's first revocation, which loads the org, is counted apart.
    fn keys_each(&self) -> usize {
        1 + (self.counted + self.spare + self.faults * faults::ALL.len()).div_ceil(self.orgs)
    }
}

/// What was seen of all revocations of one kind.
#[derive(Default)]
struct Summary {
    call: Histogram,
    last_accepted: Histogram,
    accepted_after_return: usize,
    probed: [usize; REPLICAS],
    probes: usize,
    revocations: usize,
    repeated: usize,
    not_in_use: usize,
}

impl Summary {
    fn add(&mut self, seen: &Seen) {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.call.record(nanos(seen.call()));
        self.last_accepted.record(nanos(seen.last_accepted()));
        self.accepted_after_return += seen.accepted_after_return();
        for (replica, probed) in self.probed.iter_mut().enumerate() {
            *probed += usize::from(seen.is_probed_soon(replica));
        }
        self.probes += seen.probes.len();
        self.revocations += 1;
        self.repeated += usize::from(seen.tries > 1);
        self.not_in_use += usize::from(!seen.was_in_use(REPLICAS));
    }

    /// Of the replica where it is least.
    fn probed_soon(&self) -> f64 {
        let least = self.probed.iter().min().copied().unwrap_or_default();
        float(least as u64) / float(self.revocations as u64)
    }

    fn to_json(&self) -> Value {
        json!({
            "revocations": self.revocations,
            "call_to_return": self.call.to_json(),
            "call_to_last_acceptance_anywhere": self.last_accepted.to_json(),
            "accepted_after_return": self.accepted_after_return,
            "asked_within_5_ms_of_the_return_of_each_replica": self.probed,
            "probes": self.probes,
            "calls_that_had_to_be_repeated": self.repeated,
            "keys_that_not_every_replica_had_accepted_before": self.not_in_use,
        })
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("revoke", AIMS);
    let effort = Effort::of(options);
    options.say("revoke: a command service, three query services, Postgres and NATS");
    let mut fleet = Fleet::start(setting).await?;
    let settings = conditions::postgres_settings(&mut fleet.postgres.connect().await?).await?;
    report.condition("postgres", settings);
    let readers =
        callers::of_many_orgs(&fleet.url, effort.readers, callers::half_ordinary, setting).await?;
    let command = fleet.command()?;
    let victims = victims::make(
        &fleet.url,
        command,
        effort.orgs,
        effort.keys_each(),
        setting,
    )
    .await?;
    let mut victims = victims.into_iter();
    let places = fleet.places();
    for place in &places {
        let address = *place.borrow();
        callers::until_readable(&readers, address, setting).await?;
    }
    let requests = readers
        .iter()
        .map(|reader| load::get(command, "/api/v1/projects", &reader.key));
    let traffic = || Traffic::start(&places, requests.clone().collect(), RATE, &setting.clock);

    let reading = traffic();
    let (first, healthy) = revoke_all(&mut fleet, &mut victims, &effort, options, setting).await?;
    let tally = reading.stop().await?;
    if tally.per_second() < RATE * RATE_KEPT {
        let reached = tally.per_second();
        report.not_done(format!(
            "the load fell short of {RATE} reads a second: {reached:.0} were answered"
        ));
    }
    report.result("load_without_faults", tally.to_json());
    let reading = traffic();
    let suffered = suffer(&mut fleet, &mut victims, effort.faults, options, setting).await?;
    report.result("load_amid_faults", reading.stop().await?.to_json());
    fleet.shut_down().await?;

    judge(&healthy, &suffered, &mut report);
    report.result("first_revocation_of_each_org", first.to_json());
    beside_others(&healthy, &effort, &mut report);
    report.condition("replicas", REPLICAS);
    report.condition("reads_per_second", RATE);
    report.condition("keys_that_read", effort.readers);
    report.condition("time_of_the_emulations", "virtual");
    say_what_is_missing(&mut report);
    Ok(report)
}

/// One key after another, without faults: the first of each org, and all others.
async fn revoke_all(
    fleet: &mut Fleet,
    victims: &mut impl Iterator<Item = Victim>,
    effort: &Effort,
    options: &Options,
    setting: &Setting,
) -> Result<(Summary, Summary), BenchError> {
    let (mut first, mut healthy) = (Summary::default(), Summary::default());
    options.say(&format!("revoke: {} keys without faults", effort.counted));
    for number in 0..effort.orgs + effort.counted {
        let seen = watch::revoke(fleet, &next(victims)?, Fault::None, setting).await?;
        if number < effort.orgs {
            first.add(&seen);
        } else {
            healthy.add(&seen);
        }
    }
    Ok((first, healthy))
}

fn judge(healthy: &Summary, suffered: &[Suffered], report: &mut Report) {
    report.reached(RETURN_P50, healthy.call.millis(0.5));
    report.reached(RETURN_P99, healthy.call.millis(0.99));
    report.reached(EFFECT_P50, healthy.last_accepted.millis(0.5));
    report.reached(EFFECT_P99, healthy.last_accepted.millis(0.99));
    report.reached(PROBED, healthy.probed_soon());
    let seen = suffered.iter().flat_map(|one| &one.seen);
    let late: usize = seen.map(Seen::accepted_after_return).sum();
    let late = healthy.accepted_after_return + late;
    report.reached(ACCEPTED, float(late as u64));
    let longest = suffered.iter().map(Suffered::longest_barrier_ms);
    report.reached(BARRIER, longest.fold(0.0, f64::max));
    report.result("without_faults", healthy.to_json());
    let faults: Vec<_> = suffered.iter().map(Suffered::to_json).collect();
    report.result("amid_faults", faults);
}

/// The same keys at the same pace, elsewhere.
fn beside_others(healthy: &Summary, effort: &Effort, report: &mut Report) {
    let keys = float(effort.readers as u64);
    let nodes = float(REPLICAS as u64);
    let patterns = [
        Pattern {
            name: "as the load uses each key".to_owned(),
            period: Duration::from_secs_f64(keys * nodes / RATE),
        },
        Pattern {
            name: "a key that is used seldom".to_owned(),
            period: SELDOM,
        },
    ];
    let ours = healthy.last_accepted.millis(1.0) / 1e3;
    let mut emulated = Vec::new();
    for pattern in &patterns {
        for (name, policy) in POLICIES {
            let found = emulate(policy, pattern, effort.emulated);
            let longest = found.last_accepted.highest();
            report.ratio(
                &format!(
                    "longest until the last acceptance, {}: {name} / ours",
                    pattern.name
                ),
                longest / ours,
            );
            emulated.push(found.to_json(name, pattern));
        }
    }
    report.result("emulations_of_others", emulated);
    report.result(
        "longest_until_last_acceptance_of_ours_ms",
        rounded(ours * 1e3),
    );
}

fn say_what_is_missing(report: &mut Report) {
    for text in [
        "what others do is emulated from what they publish, in virtual time and without faults: cut off from its source, \
         a node that polls accepts a key without end",
        "our times are of probes about half a millisecond apart at each replica, those of the emulations of the load's own requests",
        "the load, the probes and all servers share the cores, and TLS is not on",
        "services log in as the superuser; machines are not cut off from each other here: deploy/test does that",
        "the wait after the commit is the receipt's; the commit's own time is in the call",
    ] {
        report.not_done(text);
    }
}
