//! `fanout`: how long a committed event takes to reach a thousand subscribers with keys, over streams
//! of the public API and over NATS, where each reads its key's durable, and whether each gets
//! everything in order.

mod deliveries;
mod nats;
mod phase;
mod protocol;
mod sse;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use serde_json::{Value, json};

use self::deliveries::Latencies;
use self::phase::{Following, Phase};
use self::stage::{Stage, Way};
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::stats::{Histogram, Repeats, float};
use super::{Options, Setting};

const AIMS: &[Aim] = &[
    Aim::at_most("commit to 1,000 streams of 50 orgs, p50", "ms", 10.0),
    Aim::at_most("commit to 1,000 streams of 50 orgs, p99", "ms", 50.0),
    Aim::at_most(
        "commit to 1,000 on NATS by key, of 50 orgs, p50",
        "ms",
        10.0,
    ),
    Aim::at_most(
        "commit to 1,000 on NATS by key, of 50 orgs, p99",
        "ms",
        50.0,
    ),
    Aim::at_most(LOST, "deliveries", 0.0),
];
const LOST: &str = "lost, repeated or out of order";

/// Events a second.
const RATE: f64 = 200.0;

/// Who subscribes, and the names of the aims: p50, p99.
struct Case {
    name: &'static str,
    way: Way,
    aims: [&'static str; 2],
}

const CASES: [Case; 2] = [
    Case {
        name: "streams_of_50_orgs",
        way: Way::Sse,
        aims: [AIMS[0].name(), AIMS[1].name()],
    },
    Case {
        name: "nats_by_key_of_50_orgs",
        way: Way::Nats,
        aims: [AIMS[2].name(), AIMS[3].name()],
    },
];

/// How much of everything.
struct Effort {
    repeats: usize,
    length: Duration,
    subscribers: usize,
    orgs: usize,
}

/// Figures of every repeat.
#[derive(Default)]
struct Found {
    p50: Repeats,
    p99: Repeats,
    from_answer: Histogram,
    from_begin: Histogram,
    lost: u64,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                repeats: 1,
                length: Duration::from_secs(1),
                subscribers: 40,
                orgs: 2,
            };
        }
        Self {
            repeats: 3,
            length: Duration::from_secs(30),
            subscribers: 1_000,
            orgs: 50,
        }
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("fanout", AIMS);
    let effort = Effort::of(options);
    options.say("fanout: the product, and orgs with keys");
    let keys = effort.subscribers.div_ceil(effort.orgs);
    let stage = Arc::new(Stage::set(effort.orgs, keys, setting).await?);
    let mut all: [Found; CASES.len()] = Default::default();
    for repeat in 0..effort.repeats {
        options.step("fanout", repeat, effort.repeats);
        for turn in 0..CASES.len() {
            let index = (turn + repeat) % CASES.len();
            let latencies = measure(&CASES[index], &effort, &stage, setting).await?;
            all[index].add(&latencies);
        }
    }
    report.condition("repeats", effort.repeats);
    report.condition("seconds_each", effort.length.as_secs_f64());
    report.condition("events_per_second", RATE);
    report.condition("subscribers", effort.subscribers);
    report.condition("orgs", effort.orgs);
    report.condition("keys_of_each_org", keys);
    report.result("nats_connects", stage.connects());
    judge(&all, &mut report);
    report.not_done("a thousand of one org: it may have 20 streams and 100 connections to NATS");
    report.not_done("one machine: subscribers, services and servers share its cores");
    let stage = Arc::into_inner(stage);
    let stage = stage.ok_or_else(|| BenchError::Wrong("a subscriber is left".into()))?;
    stage.clear().await?;
    Ok(report)
}

/// Once.
async fn measure(
    case: &Case,
    effort: &Effort,
    stage: &Arc<Stage>,
    setting: &Setting,
) -> Result<Latencies, BenchError> {
    let after = stage.head().await?;
    let mut following = Following::new(after, &setting.clock);
    let mut subscribers = std::pin::pin!(stage.subscribers(case.way, effort.subscribers, after));
    // They read while others still connect: nothing that waits for them is measured.
    while let Some(subscriber) = subscribers.try_next().await? {
        following.add(subscriber);
    }
    let orgs: Vec<_> = stage.tenants.iter().map(|tenant| tenant.org).collect();
    let phase = Phase {
        open_log: &stage.open_log,
        orgs: &orgs,
        rate: RATE,
        length: effort.length,
        clock: &setting.clock,
        seed: setting.entropy.u64(),
    };
    phase.run(following).await
}

fn judge(all: &[Found; CASES.len()], report: &mut Report) {
    for (case, found) in CASES.iter().zip(all) {
        let [p50, p99] = case.aims;
        report.reached(p50, found.p50.median());
        report.reached(p99, found.p99.median());
        report.result(case.name, found.to_json());
    }
    let lost: u64 = all.iter().map(|found| found.lost).sum();
    report.reached(LOST, float(lost));
}

impl Found {
    fn add(&mut self, latencies: &Latencies) {
        self.p50.push(latencies.from_answer.millis(0.5));
        self.p99.push(latencies.from_answer.millis(0.99));
        self.from_answer.merge(&latencies.from_answer);
        self.from_begin.merge(&latencies.from_begin);
        self.lost += latencies.lost;
    }

    fn to_json(&self) -> Value {
        json!({
            "p50_ms": self.p50.to_json(),
            "p99_ms": self.p99.to_json(),
            "from_the_answer_of_the_append": self.from_answer.to_json(),
            "from_the_begin_of_the_append": self.from_begin.to_json(),
            "lost": rounded(float(self.lost)),
        })
    }
}
