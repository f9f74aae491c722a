//! What one decision takes, in this process: of a gate on a real log, without the rest of a request.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use event_log::{Config, EventLog};
use gate::core::clocks::{Deadlines, FencePoint};
use gate::core::lease::LeaseCell;
use gate::{Admission, Denial, Gate, Limiter, ReplicaConfig, ReplicaParts, VerifyConfig};
use runtime::clock::Clock;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, Tasks};
use serde_json::json;
use tokio::task::JoinSet;

use super::people::{self, Fates};
use crate::bench::aim::Report;
use crate::bench::error::BenchError;
use crate::bench::folder;
use crate::bench::million;
use crate::bench::product::cpu_seconds;
use crate::bench::read::callers::{self, Caller, Shape};
use crate::bench::stats::{Repeats, float};
use crate::bench::{Options, Setting};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Few enough to stay near the processor, many enough for their windows to last.
const FEW: usize = 3_000;
/// Keys of each fate: all unknown ones together are fewer than one source may fail at once.
const EACH: usize = 10;
/// How long until all that is to be refused may be told so: a lease and more.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// How often an answer of the moment is asked for again.
const PATIENCE: usize = 100;

/// How much of everything.
struct Effort {
    repeats: usize,
    /// Keys in use, of each kind.
    keys: usize,
    /// Decisions from the cache and refusals of one measurement, and decisions of the primary.
    decisions: usize,
    asked: usize,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                repeats: 1,
                keys: 500,
                decisions: 20_000,
                asked: 100,
            };
        }
        Self {
            repeats: 3,
            keys: 10_000,
            decisions: 1_000_000,
            asked: 2_000,
        }
    }
}

/// One kind of request.
struct Case {
    name: String,
    requests: Vec<HeaderMap>,
    /// Requests of one measurement.
    count: usize,
    threads: usize,
    strictly: bool,
    /// None: admitted.
    expected: Option<Denial>,
    wall: Repeats,
    processor: Repeats,
}

impl Case {
    fn new(name: impl Into<String>, requests: Vec<HeaderMap>, count: usize) -> Self {
        Self {
            name: name.into(),
            requests,
            count,
            threads: 1,
            strictly: false,
            expected: None,
            wall: Repeats::default(),
            processor: Repeats::default(),
        }
    }

    fn refused(self, denial: Denial) -> Self {
        Self {
            expected: Some(denial),
            ..self
        }
    }

    async fn measure(&mut self, gate: &Gate, clock: &Clock) -> Result<(), BenchError> {
        let (began, used) = (clock.monotonic(), own_processor_time()?);
        let mut workers = JoinSet::new();
        for worker in 0..self.threads {
            let turn = self
                .requests
                .iter()
                .cycle()
                .skip(worker * self.requests.len() / 2);
            let requests: Vec<_> = turn.take(self.requests.len()).cloned().collect();
            let (gate, clock, expected) = (gate.clone(), clock.clone(), self.expected);
            let (count, strictly) = (self.count, self.strictly);
            workers.spawn(async move {
                for headers in requests.iter().cycle().take(count) {
                    let answer = settled(&gate, headers, strictly, &clock).await.err();
                    if answer != expected {
                        return Err(BenchError::Wrong(format!("{answer:?}, not {expected:?}")));
                    }
                }
                Ok(())
            });
        }
        let done: Result<(), _> = workers.join_all().await.into_iter().collect();
        done?;
        let each = float((self.count * self.threads) as u64);
        let took = clock.monotonic().saturating_since(began).as_secs_f64();
        self.wall
            .push(took * 1e9 * float(self.threads as u64) / each);
        self.processor
            .push((own_processor_time()? - used) * 1e9 / each);
        Ok(())
    }
}

/// Measures every kind of decision; the nanoseconds that looking at the lease takes.
pub async fn measure(
    url: &str,
    options: &Options,
    setting: &Setting,
    report: &mut Report,
) -> Result<f64, BenchError> {
    let (effort, clock) = (Effort::of(options), &setting.clock);
    let callers =
        async |shape: Shape| callers::of_many_orgs(url, effort.keys, shape, setting).await;
    let ordinary = requests_of(&callers(people::ordinary).await?);
    let listed = requests_of(&callers(people::listed).await?);
    let fates = people::fates(url, EACH, setting).await?;
    // The org of the keys that no cache will have.
    million::add_keys(url, 1).await?;
    let mut lifecycle = Lifecycle::new(clock.clone());
    let gate = start(url, setting, &lifecycle.stage("gate")).await?;
    let mut cases = cases(&ordinary, &listed, &fates, &effort);
    until_told(&gate, &cases, clock).await?;
    // Once without a look at the clock: the blocks of quota grow with the rate.
    for case in &mut cases {
        case.measure(&gate, clock).await?;
        (case.wall, case.processor) = (Repeats::default(), Repeats::default());
    }
    let (mut misses, mut lease) = (Repeats::default(), Repeats::default());
    for repeat in 0..effort.repeats {
        options.step("gate: decisions", repeat, effort.repeats);
        for case in &mut cases {
            case.measure(&gate, clock).await?;
        }
        misses.push(miss(url, &gate, effort.asked, setting).await?);
        lease.push(lease_nanos(effort.decisions, clock));
    }
    drop(gate);
    lifecycle.shutdown(ShutdownPolicy::default()).await;
    for case in &cases {
        let found = json!({
            "nanoseconds": case.wall.to_json(),
            "nanoseconds_of_processor_time": case.processor.to_json(),
        });
        report.result(&format!("decision: {}", case.name), found);
    }
    let miss = json!({ "nanoseconds": misses.to_json() });
    report.result("decision: not in the cache, checked on the primary", miss);
    report.result(
        "decision: the look at the lease in it, nanoseconds",
        lease.to_json(),
    );
    report.condition("decisions_each", effort.decisions);
    report.condition("decisions_of_the_primary_each", effort.asked);
    Ok(lease.median())
}

fn cases(
    ordinary: &[HeaderMap],
    listed: &[HeaderMap],
    fates: &Fates,
    effort: &Effort,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, all) in [("", ordinary), (", allow-list of eight", listed)] {
        for (keys, threads) in [
            (effort.keys, 1),
            (effort.keys, 2),
            (FEW.min(effort.keys), 1),
        ] {
            let name = format!("accepted, {keys} keys in turn, {threads} at once{what}");
            let case = Case::new(name, all[..keys].to_vec(), effort.decisions / threads);
            cases.push(Case { threads, ..case });
        }
    }
    let strict = Case::new(
        "accepted by the primary, as asked for",
        ordinary.to_vec(),
        effort.asked,
    );
    cases.push(Case {
        strictly: true,
        ..strict
    });
    let written = |keys: &[String]| keys.iter().map(|key| bearer(key)).collect::<Vec<_>>();
    let miswritten: Vec<_> = fates.unknown.iter().map(|key| miswritten(key)).collect();
    for (name, requests, denial) in [
        ("nothing presented", vec![HeaderMap::new()], Denial::Missing),
        ("malformed", vec![bearer("tga_x")], Denial::Invalid),
        ("wrong checksum", written(&miswritten), Denial::Invalid),
        (
            "unknown, remembered",
            written(&fates.unknown),
            Denial::Invalid,
        ),
        ("revoked", written(&fates.revoked), Denial::Invalid),
        ("expired", written(&fates.expired), Denial::Invalid),
        (
            "not from this address",
            written(&fates.elsewhere),
            Denial::AddressNotAllowed,
        ),
    ] {
        let case = Case::new(format!("refused: {name}"), requests, effort.decisions);
        cases.push(case.refused(denial));
    }
    cases
}

/// A replica's gate, loaded and with a lease.
async fn start(url: &str, setting: &Setting, tasks: &Tasks) -> Result<Gate, BenchError> {
    let Setting { clock, entropy, .. } = setting;
    let pool = folder::pool(url, 8).await?;
    let (log, _) = EventLog::new(
        pool.clone(),
        clock.clone(),
        entropy.clone(),
        Config::default(),
    );
    let limiter = Limiter::start(pool.clone(), clock.clone(), tasks);
    let parts = ReplicaParts {
        primary: pool,
        log,
        nats: None,
        entropy: entropy.clone(),
    };
    let config = ReplicaConfig::new("bench");
    let gate = Gate::cached(limiter, parts, VerifyConfig::default(), &config, tasks);
    let mut ready = gate.ready();
    let gone = |_| BenchError::Wrong("the gate is gone".into());
    ready.wait_for(|ready| *ready).await.map_err(gone)?;
    Ok(gate)
}

/// An answer that is none of the moment: the primary may be too busy while blocks of quota grow, and
/// a denial is held back until it holds everywhere.
async fn settled(
    gate: &Gate,
    headers: &HeaderMap,
    strictly: bool,
    clock: &Clock,
) -> Result<Admission, Denial> {
    let ask = async || {
        if strictly {
            gate.authorize_strictly(headers, PEER).await
        } else {
            gate.authorize(headers, PEER).await
        }
    };
    for _ in 0..PATIENCE {
        match ask().await {
            Err(Denial::VerificationUnavailable | Denial::RevocationInProgress) => {
                clock.sleep(LOOK).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// Uses everything once, until each is answered as it will be from then on.
async fn until_told(gate: &Gate, cases: &[Case], clock: &Clock) -> Result<(), BenchError> {
    let all = async {
        for case in cases.iter().filter(|case| !case.strictly) {
            for headers in &case.requests {
                while settled(gate, headers, false, clock).await.err() != case.expected {
                    clock.sleep(LOOK).await;
                }
            }
        }
    };
    let told = clock.timeout(TOLD_WITHIN, all).await;
    told.map_err(|source| BenchError::Late {
        what: "the answer that each key is to have",
        source,
    })
}

/// Nanoseconds of a decision about a key that no cache has, one after another.
async fn miss(url: &str, gate: &Gate, count: usize, setting: &Setting) -> Result<f64, BenchError> {
    let Setting { clock, entropy, .. } = setting;
    // Rows without an event: nobody tells the gate of them.
    let keys = million::add_credentials(url, count, entropy).await?;
    let requests: Vec<_> = keys.iter().map(|key| bearer(key)).collect();
    let began = clock.monotonic();
    for headers in &requests {
        let answer = settled(gate, headers, false, clock).await;
        answer.map_err(|denial| BenchError::Wrong(format!("a new key: {denial}")))?;
    }
    let took = clock.monotonic().saturating_since(began);
    Ok(took.as_secs_f64() * 1e9 / float(count as u64))
}

/// Nanoseconds that reading two clocks and comparing them with the deadlines takes.
fn lease_nanos(count: usize, clock: &Clock) -> f64 {
    let now = || FencePoint {
        boot: clock.boottime(),
        raw: clock.raw(),
    };
    let cell = LeaseCell::default();
    cell.extend(Deadlines::after(now(), Duration::from_hours(1)));
    let began = clock.monotonic();
    let covered = (0..count).filter(|_| cell.deadlines().cover(now())).count();
    let took = clock.monotonic().saturating_since(began);
    // Counted, so that nothing is left out.
    took.as_secs_f64() * 1e9 / float(covered as u64)
}

fn requests_of(callers: &[Caller]) -> Vec<HeaderMap> {
    callers.iter().map(|caller| bearer(&caller.key)).collect()
}

fn bearer(key: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {key}"));
    value
        .ok()
        .map(|value| (AUTHORIZATION, value))
        .into_iter()
        .collect()
}

/// The same but for its last digit, which belongs to the checksum.
fn miswritten(key: &str) -> String {
    let (kept, last) = key.split_at(key.len() - 1);
    format!("{kept}{}", if last == "0" { '1' } else { '0' })
}

fn own_processor_time() -> Result<f64, BenchError> {
    cpu_seconds(std::process::id())
}
