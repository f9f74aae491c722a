//! `read`: authenticated reads of a query service that holds a million active keys, with all that
//! is on in production, beside a bare handler that answers the same bytes.

pub mod job;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use self::job::{BareAnswer, BareJob};
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::load::{self, Load};
use super::product::{Product, cpu_seconds, resident_bytes};
use super::stats::{Histogram, Repeats, float};
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

/// Keys that the requests carry in turn.
const KEYS_USED: usize = 16;
const CONNECTIONS: usize = 64;
/// What is sent under equal load, of what the bare handler can answer.
const EQUAL_LOAD: f64 = 0.5;

/// One endpoint under test.
struct Case {
    name: &'static str,
    path: String,
    /// Names of its aims: throughput, p99 under full load, under equal load.
    aims: [&'static str; 3],
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

impl Case {
    fn new(name: &'static str, path: String, aims: [usize; 3]) -> Self {
        Self {
            name,
            path,
            aims: aims.map(|index| AIMS[index].name()),
            ours: Figures::default(),
            bare: Figures::default(),
        }
    }

    fn judge(&self, report: &mut Report) {
        let ratio = |of: fn(&Figures) -> f64| of(&self.ours) / of(&self.bare);
        let [throughput, full, equal] = self.aims;
        report.reached(throughput, ratio(|figures| figures.per_second.median()));
        report.reached(full, ratio(|figures| figures.full.p99.median()));
        report.reached(equal, ratio(|figures| figures.equal.p99.median()));
        let cpu = ratio(|figures| figures.cpu_micros.median());
        report.ratio(
            &format!("{}: processor time a request, ours / bare", self.name),
            cpu,
        );
        let both = json!({ "ours": self.ours.to_json(), "bare": self.bare.to_json() });
        report.result(self.name, both);
    }
}

impl Figures {
    fn to_json(&self) -> Value {
        json!({
            "requests_per_second": self.per_second.to_json(),
            "p99_ms_under_full_load": self.full.p99.to_json(),
            "p99_ms_under_equal_load": self.equal.p99.to_json(),
            "under_full_load": self.full.all.to_json(),
            "under_equal_load": self.equal.all.to_json(),
            "server_processor_micros_a_request": self.cpu_micros.to_json(),
        })
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting { folder, clock, .. } = setting;
    let mut report = Report::new("read", AIMS);
    let keys = if options.quick { 20_000 } else { 1_000_000 };
    options.say("read: the product, with a demo");
    let product = Product::start(folder.path(), 2, clock).await?;
    let few = replica_memory(&product)?;
    options.say(&format!("read: {keys} keys"));
    million::add_keys(&product.ready.database_url, keys).await?;
    product.stop().await?;
    // Loads them all; the demo's key is another one now.
    let product = Product::start(folder.path(), 2, clock).await?;
    let many = replica_memory(&product)?;
    report.condition("active_keys", keys);
    report.condition("keys_used", KEYS_USED);
    report.condition("connections", CONNECTIONS);
    report.result(
        "seconds_until_the_product_is_ready_with_them",
        rounded(product.seconds),
    );
    let grown = float(many.saturating_sub(few)) / float(keys);
    report.result("resident_bytes_per_key_of_a_query_service", rounded(grown));

    let credentials = product.make_keys(KEYS_USED).await?;
    let replica = product.ready.query_replicas.last();
    let replica = replica.ok_or_else(|| BenchError::Wrong("no query replica".into()))?;
    let ours = Target {
        address: replica.address()?,
        pid: replica.pid,
    };
    let mut cases = cases(&product);
    let answers = first_answers(&cases, &ours, &credentials).await?;
    for (case, answer) in cases.iter().zip(&answers) {
        report.result(&format!("{} answers", case.name), answer.to_json());
    }
    let mut worker = Worker::start(&Job::Bare(BareJob { answers }), clock).await?;
    let bare = Target {
        address: worker.hear().await?,
        pid: worker.pid().unwrap_or_default(),
    };
    measure(options, setting, &mut cases, [&ours, &bare], &credentials).await?;
    worker.finish().await?;
    for case in &cases {
        case.judge(&mut report);
    }
    report.not_done("Envoy, nginx, HAProxy and Better Auth are not measured beside it");
    report.not_done("the load generator shares the cores with the servers, and TLS is not on");
    report.not_done("all keys but those used were written as rows, not appended as events");
    product.stop().await?;
    Ok(report)
}

fn cases(product: &Product) -> Vec<Case> {
    let project = &product.ready.demo.project_id;
    let analytics = format!(
        "/api/v1/analytics?entity=project&entity_id={project}&metric=views&mode=cumulative"
    );
    vec![
        Case::new("GET /projects", "/api/v1/projects".to_owned(), [0, 1, 2]),
        Case::new("GET /analytics", analytics, [3, 4, 5]),
    ]
}

fn replica_memory(product: &Product) -> Result<u64, BenchError> {
    let replica = product.ready.query_replicas.last();
    resident_bytes(replica.map_or(0, |replica| replica.pid))
}

/// What each endpoint answers; every key is known to the replica afterwards.
async fn first_answers(
    cases: &[Case],
    ours: &Target,
    credentials: &[String],
) -> Result<Vec<BareAnswer>, BenchError> {
    let mut answers = Vec::new();
    for case in cases {
        let mut last = None;
        for key in credentials {
            let request = load::get(ours.address, &case.path, key);
            let answer = load::once(ours.address, &request).await?;
            if answer.status != 200 {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(BenchError::Wrong(format!(
                    "{} was answered {text}",
                    case.name
                )));
            }
            last = Some(BareAnswer::like(&case.path, &answer));
        }
        answers.extend(last);
    }
    Ok(answers)
}

/// Ours and the bare handler in turn: as many requests as they take, then equally many.
async fn measure(
    options: &Options,
    setting: &Setting,
    cases: &mut [Case],
    targets: [&Target; 2],
    credentials: &[String],
) -> Result<(), BenchError> {
    let (repeats, length) = if options.quick {
        (1, Duration::from_millis(500))
    } else {
        (3, Duration::from_secs(4))
    };
    for repeat in 0..=repeats {
        // The first round is not counted.
        let is_warm_up = repeat == 0;
        let length = if is_warm_up { length / 4 } else { length };
        options.say(&format!("read: repeat {repeat} of {repeats}"));
        for case in &mut *cases {
            let round = Round {
                path: &case.path,
                credentials,
                length,
                setting,
            };
            let mut found = Vec::new();
            for target in targets {
                found.push(round.run(target, None).await?);
            }
            let rate = found[1].per_second * EQUAL_LOAD;
            for (target, figures) in targets.iter().zip([&mut case.ours, &mut case.bare]) {
                let full = found.remove(0);
                let equal = round.run(target, Some(rate)).await?;
                if is_warm_up {
                    continue;
                }
                figures.per_second.push(full.per_second);
                figures.cpu_micros.push(full.cpu_micros);
                figures.full.add(&full.latencies);
                figures.equal.add(&equal.latencies);
            }
        }
    }
    Ok(())
}

/// One endpoint for a while.
struct Round<'a> {
    path: &'a str,
    credentials: &'a [String],
    length: Duration,
    setting: &'a Setting,
}

struct Found {
    per_second: f64,
    latencies: Histogram,
    /// Processor time of the server, for each request.
    cpu_micros: f64,
}

impl Round<'_> {
    async fn run(&self, target: &Target, rate: Option<f64>) -> Result<Found, BenchError> {
        let requests = self
            .credentials
            .iter()
            .map(|key| load::get(target.address, self.path, key));
        let load = Load {
            address: target.address,
            requests: Arc::new(requests.collect()),
            connections: CONNECTIONS,
            length: self.length,
            rate,
        };
        let before = cpu_seconds(target.pid)?;
        let answers = load.run(&self.setting.clock).await?;
        let cpu = cpu_seconds(target.pid)? - before;
        if answers.refused > 0 {
            let text = format!("{} requests were not answered 200", answers.refused);
            return Err(BenchError::Wrong(text));
        }
        Ok(Found {
            per_second: answers.per_second(),
            cpu_micros: cpu * 1e6 / float(answers.histogram.total()),
            latencies: answers.histogram,
        })
    }
}

impl Tail {
    fn add(&mut self, latencies: &Histogram) {
        self.p99.push(latencies.millis(0.99));
        self.all.merge(latencies);
    }
}
