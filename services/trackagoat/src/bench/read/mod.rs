//! `read`: authenticated reads of a query service that holds a million active keys, with all that
//! is on in production, beside a bare handler that answers the same bytes.

pub mod callers;
pub mod job;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use self::callers::Caller;
use self::job::{BareAnswer, BareJob};
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::load::{self, Answers, Load};
use super::product::{Product, cpu_seconds, resident_bytes};
use super::stats::{Histogram, Repeats, float};
use super::turns::InTurn;
use super::worker::{Job, Worker};
use super::{Options, Setting, million};

const AIMS: &[Aim] = &[
    Aim::at_least(
        "GET /projects, throughput beside a bare handler",
        "of it",
        0.85,
    ),
    Aim::at_most(
        "GET /projects, p99 under full load, beside a bare handler",
        "times",
        1.3,
    ),
    Aim::at_most(
        "GET /projects, p99 under equal load, beside a bare handler",
        "times",
        1.3,
    ),
    Aim::at_least(
        "GET /analytics from the cache, throughput beside a bare handler",
        "of it",
        0.85,
    ),
    Aim::at_most(
        "GET /analytics from the cache, p99 under full load, beside a bare handler",
        "times",
        1.3,
    ),
    Aim::at_most(
        "GET /analytics from the cache, p99 under equal load, beside a bare handler",
        "times",
        1.3,
    ),
];

/// Keys that the requests carry in turn: of the demo's org, or of many.
const FEW: usize = 16;
const MANY: usize = 10_000;
const CONNECTIONS: usize = 64;
/// What is sent under equal load, of what the bare handler can answer.
const EQUAL_LOAD: f64 = 0.5;

/// How much of everything.
struct Effort {
    repeats: usize,
    length: Duration,
    many: usize,
    loaded: u64,
}

/// An endpoint, and the names of its aims: throughput, p99 under full load, under equal load.
struct Endpoint {
    name: &'static str,
    path: fn(&Caller) -> String,
    aims: [&'static str; 3],
}

const ENDPOINTS: [Endpoint; 2] = [
    Endpoint {
        name: "GET /projects",
        path: |_| "/api/v1/projects".to_owned(),
        aims: [AIMS[0].name(), AIMS[1].name(), AIMS[2].name()],
    },
    Endpoint {
        name: "GET /analytics",
        path: |caller| {
            let project = &caller.project;
            let query = "metric=views&mode=cumulative";
            format!("/api/v1/analytics?entity=project&entity_id={project}&{query}")
        },
        aims: [AIMS[3].name(), AIMS[4].name(), AIMS[5].name()],
    },
];

/// Certain keys in use while certain keys are loaded.
struct Variant<'a> {
    name: String,
    callers: &'a [Caller],
    /// Whether the aims are about it.
    is_judged: bool,
}

/// One endpoint under test.
struct Case {
    endpoint: &'static Endpoint,
    ours: Figures,
    bare: Figures,
}

/// What was measured of one server.
#[derive(Default)]
struct Figures {
    per_second: Repeats,
    full: Tail,
    equal: Tail,
    cpu_micros: Repeats,
    refused: u64,
    refusal: Option<String>,
}

#[derive(Default)]
struct Tail {
    p99: Repeats,
    all: Histogram,
}

/// A server and the process that is it.
struct Target {
    address: SocketAddr,
    pid: u32,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                repeats: 1,
                length: Duration::from_millis(500),
                many: 200,
                loaded: 20_000,
            };
        }
        Self {
            repeats: 3,
            length: Duration::from_secs(3),
            many: MANY,
            loaded: 1_000_000,
        }
    }
}

impl Endpoint {
    fn request(&self, caller: &Caller, target: &Target) -> Vec<u8> {
        load::get(target.address, &(self.path)(caller), &caller.key)
    }
}

impl Case {
    fn judge(&self, variant: &Variant<'_>, report: &mut Report) {
        let ratio = |of: fn(&Figures) -> f64| of(&self.ours) / of(&self.bare);
        let figures = [
            ("throughput", ratio(|figures| figures.per_second.median())),
            (
                "p99 under full load",
                ratio(|figures| figures.full.p99.median()),
            ),
            (
                "p99 under equal load",
                ratio(|figures| figures.equal.p99.median()),
            ),
        ];
        let name = format!("{}, {}", self.endpoint.name, variant.name);
        for ((what, figure), aim) in figures.into_iter().zip(self.endpoint.aims) {
            report.ratio(&format!("{name}: {what}, ours / bare"), figure);
            if variant.is_judged {
                report.reached(aim, figure);
            }
        }
        report.ratio(
            &format!("{name}: processor time a request, ours / bare"),
            ratio(|figures| figures.cpu_micros.median()),
        );
        if self.ours.refused > 0 {
            let refused = self.ours.refused;
            report.not_done(format!("{name}: {refused} requests were not answered 200"));
        }
        let both = json!({ "ours": self.ours.to_json(), "bare": self.bare.to_json() });
        report.result(&name, both);
    }
}

impl Figures {
    fn add(&mut self, found: &Found) {
        for answers in [&found.full, &found.equal] {
            self.refused += answers.refused;
            let refusal = answers.refusal.as_ref().map(ToString::to_string);
            self.refusal = self.refusal.take().or(refusal);
        }
        self.per_second.push(found.full.per_second());
        self.cpu_micros.push(found.cpu_micros);
        self.full.add(&found.full.histogram);
        self.equal.add(&found.equal.histogram);
    }

    fn to_json(&self) -> Value {
        json!({
            "requests_per_second": self.per_second.to_json(),
            "p99_ms_under_full_load": self.full.p99.to_json(),
            "p99_ms_under_equal_load": self.equal.p99.to_json(),
            "under_full_load": self.full.all.to_json(),
            "under_equal_load": self.equal.all.to_json(),
            "server_processor_micros_a_request": self.cpu_micros.to_json(),
            "not_answered_200": self.refused,
            "one_of_those": self.refusal,
        })
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting { folder, clock, .. } = setting;
    let mut report = Report::new("read", AIMS);
    let effort = Effort::of(options);
    let (many, loaded) = (effort.many, effort.loaded);
    options.say("read: the product, with a demo");
    let product = Product::start(folder.path(), 2, clock).await?;
    let memory = Target::replica_of(&product)?.memory()?;
    options.say(&format!("read: {many} keys of many orgs"));
    let callers = callers::of_many_orgs(
        &product.ready.database_url,
        many,
        callers::half_ordinary,
        setting,
    )
    .await?;
    let address = Target::replica_of(&product)?.address;
    callers::until_readable(&callers, address, setting).await?;
    let variant = Variant {
        name: format!("{many} keys in use, as many loaded"),
        callers: &callers,
        is_judged: false,
    };
    variant
        .measure(options, setting, &product, &mut report)
        .await?;

    options.say(&format!("read: {loaded} keys more"));
    million::add_keys(&product.ready.database_url, loaded).await?;
    product.stop().await?;
    // Loads them all; the demo's key is another one now.
    let product = Product::start(folder.path(), 2, clock).await?;
    let grown = Target::replica_of(&product)?
        .memory()?
        .saturating_sub(memory);
    report.result(
        "seconds_until_the_product_is_ready_with_them",
        rounded(product.seconds),
    );
    report.result(
        "resident_bytes_per_key_of_a_query_service",
        rounded(float(grown) / float(loaded)),
    );
    let few = callers::of_the_demo(&product, FEW).await?;
    for (callers, is_judged) in [(&few, false), (&callers, true)] {
        let variant = Variant {
            name: format!("{} keys in use, {loaded} loaded", callers.len()),
            callers,
            is_judged,
        };
        variant
            .measure(options, setting, &product, &mut report)
            .await?;
    }
    report.condition("active_keys", loaded);
    report.condition("connections", CONNECTIONS);
    report.condition("repeats", effort.repeats);
    report.condition("seconds_each", effort.length.as_secs_f64());
    report.not_done("Envoy, nginx, HAProxy and Better Auth are not measured beside it");
    report.not_done("the load generator shares the cores with the servers, and TLS is not on");
    report.not_done("keys that are loaded and not used were written as rows, not appended");
    report.not_done("the many orgs have a project each and no readings; the demo's has some");
    product.stop().await?;
    Ok(report)
}

impl Target {
    /// The query service that is nothing else.
    fn replica_of(product: &Product) -> Result<Self, BenchError> {
        let replica = product.ready.query_replicas.last();
        let replica = replica.ok_or_else(|| BenchError::Wrong("no query replica".into()))?;
        Ok(Self {
            address: replica.address()?,
            pid: replica.pid,
        })
    }

    fn memory(&self) -> Result<u64, BenchError> {
        resident_bytes(self.pid)
    }
}

impl Variant<'_> {
    /// Every endpoint, beside a bare handler with its answers.
    async fn measure(
        &self,
        options: &Options,
        setting: &Setting,
        product: &Product,
        report: &mut Report,
    ) -> Result<(), BenchError> {
        let ours = Target::replica_of(product)?;
        let mut answers = Vec::new();
        for endpoint in &ENDPOINTS {
            // Every key and every answer is known to the replica afterwards.
            let request = |caller| endpoint.request(caller, &ours);
            let last = load::each(ours.address, self.callers.iter().map(request)).await?;
            let path = self.callers.last().map(endpoint.path);
            let answer = last.zip(path);
            let answer = answer.map(|(answer, path)| BareAnswer::like(&path, &answer));
            let answer = answer.ok_or_else(|| BenchError::Wrong("nobody calls".into()))?;
            let name = format!("{} answers, {}", endpoint.name, self.name);
            report.result(&name, answer.to_json());
            answers.push(answer);
        }
        let mut worker = Worker::start(&Job::Bare(BareJob { answers }), &setting.clock).await?;
        let bare = Target {
            address: worker.hear().await?,
            pid: worker.pid().unwrap_or_default(),
        };
        let mut cases = ENDPOINTS.each_ref().map(|endpoint| Case {
            endpoint,
            ours: Figures::default(),
            bare: Figures::default(),
        });
        let effort = Effort::of(options);
        for repeat in 0..=effort.repeats {
            let (name, repeats) = (&self.name, effort.repeats);
            options.say(&format!("read: {name}: repeat {repeat} of {repeats}"));
            // The first round is not counted: orgs get larger blocks of their day's quota.
            let is_warm_up = repeat == 0;
            for case in &mut cases {
                let round = Round {
                    variant: self,
                    endpoint: case.endpoint,
                    length: effort.length,
                    setting,
                };
                let found = round.run_both([&ours, &bare], repeat).await?;
                if !is_warm_up {
                    let [ours, bare] = found;
                    case.ours.add(&ours);
                    case.bare.add(&bare);
                }
            }
        }
        worker.finish().await?;
        for case in &cases {
            case.judge(self, report);
        }
        Ok(())
    }
}

/// One endpoint for a while.
struct Round<'a> {
    variant: &'a Variant<'a>,
    endpoint: &'static Endpoint,
    length: Duration,
    setting: &'a Setting,
}

/// What one server was found to do in a round.
struct Found {
    full: Answers,
    equal: Answers,
    /// Processor time of the server for each request, under full load.
    cpu_micros: f64,
}

impl Round<'_> {
    /// As many requests as each takes, then equally many.
    async fn run_both(
        &self,
        [ours, bare]: [&Target; 2],
        repeat: usize,
    ) -> Result<[Found; 2], BenchError> {
        let (of_ours, of_bare) = self
            .run(ours, None)
            .in_turn_with(self.run(bare, None), repeat)
            .await?;
        let rate = Some(of_bare.0.per_second() * EQUAL_LOAD);
        let (ours, bare) = self
            .run(ours, rate)
            .in_turn_with(self.run(bare, rate), repeat)
            .await?;
        let found = |(full, cpu_micros), (equal, _)| Found {
            full,
            equal,
            cpu_micros,
        };
        Ok([found(of_ours, ours), found(of_bare, bare)])
    }

    async fn run(&self, target: &Target, rate: Option<f64>) -> Result<(Answers, f64), BenchError> {
        let request = |caller| self.endpoint.request(caller, target);
        let load = Load {
            address: target.address,
            requests: Arc::new(self.variant.callers.iter().map(request).collect()),
            connections: CONNECTIONS,
            length: self.length,
            rate,
        };
        let before = cpu_seconds(target.pid)?;
        let answers = load.run(&self.setting.clock).await?;
        let cpu = cpu_seconds(target.pid)? - before;
        let cpu_micros = cpu * 1e6 / float(answers.histogram.total());
        Ok((answers, cpu_micros))
    }
}

impl Tail {
    fn add(&mut self, latencies: &Histogram) {
        self.p99.push(latencies.millis(0.99));
        self.all.merge(latencies);
    }
}
