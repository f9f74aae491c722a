//! `window`: the most that a key is admitted in any trailing window, by our query services and by
//! other limiters, along the same traces.

mod judge;
mod ours;
mod peers;
mod trace;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};

use self::judge::Verdict;
use self::trace::Trace;
use super::aim::{Aim, Report};
use super::error::BenchError;
use super::fleet::{Fleet, Org, settle};
use super::product::Service;
use super::stats::float;
use super::{Options, Setting};

const AIMS: &[Aim] = &[
    Aim::at_most(ONE, "of 100", 100.0),
    Aim::at_most(PINNED, "of 100", 100.0),
    Aim::at_most(THREE, "of the bound", 1.0),
    Aim::at_most(REFUSED, "requests", 0.0),
    Aim::at_least(TOTAL, "of the ideal", 0.98),
];
const ONE: &str = "most admitted in any trailing window, one replica";
const PINNED: &str = "most admitted in any trailing window, three replicas, each key on one";
const THREE: &str = "most beyond the limit, three replicas in turn";
const REFUSED: &str = "refused without need, one replica";
const TOTAL: &str = "admitted under six-fold overload, three replicas in turn";

const LIMIT: usize = 100;
const REPLICAS: usize = 3;
/// Traces begin so long after each other: no burst meets another.
const STAGGER: Duration = Duration::from_millis(700);
/// g, and the way of a message on a machine that is full of requests (δ).
const HEARD_WITHIN: Duration = Duration::from_millis(50 + 50);

/// How requests of a key reach our replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// There is one.
    One,
    /// Three, in turn.
    Three,
    /// One of three, as behind a balancer that hashes.
    Pinned,
}

/// One key along one trace.
struct Run<'a> {
    way: Way,
    trace: &'a Trace,
    key: String,
    targets: Vec<SocketAddr>,
}

impl Way {
    const ALL: [Self; 3] = [Self::One, Self::Three, Self::Pinned];

    const fn name(self) -> &'static str {
        match self {
            Self::One => "trackagoat, 1 replica",
            Self::Three => "trackagoat, 3 replicas in turn",
            Self::Pinned => "trackagoat, 3 replicas, each key on one",
        }
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("window", AIMS);
    let mut traces = trace::all(LIMIT);
    let repeats = if options.quick { 1 } else { 3 };
    if options.quick {
        traces.truncate(1);
    }
    ask_peers(options, setting, &traces, &mut report).await?;
    options.say("window: ours, which takes three windows of a minute");
    let verdicts = ask_ours(&traces, repeats, setting).await?;
    judge(&verdicts, repeats, &mut report);
    report.condition("limit", LIMIT);
    report.condition("window_seconds_of_ours", ours::WINDOW.as_secs());
    report.condition("repeats_of_ours", repeats);
    report.condition("heard_within_ms", json!(HEARD_WITHIN.as_secs_f64() * 1e3));
    report.not_done("replicas of peers are limiters with connections of their own in one process");
    report.not_done("peers' windows are of 4 s in real time or of 60 s in virtual time, each once");
    Ok(report)
}

async fn ask_peers(
    options: &Options,
    setting: &Setting,
    traces: &[Trace],
    report: &mut Report,
) -> Result<(), BenchError> {
    let mut versions = Map::new();
    for name in peers::NAMES {
        let folder = options.peer_dir.as_ref().map(|all| all.join(name));
        let Some(folder) = folder.filter(|folder| folder.join("run").is_file()) else {
            report.left_out(name, "it was not prepared");
            continue;
        };
        options.say(&format!("window: {name}"));
        let printed = match peers::ask(&folder, traces, LIMIT, &setting.clock).await {
            Ok(printed) => printed,
            Err(error) => {
                report.left_out(name, &error.to_string());
                continue;
            }
        };
        versions.insert(name.to_owned(), printed.version.into());
        for contestant in printed.contestants {
            let verdicts = traces.iter().filter_map(|trace| {
                let answers = contestant.answers.get(trace.name)?;
                let verdict = Verdict::of(answers, trace, LIMIT, 0.0);
                Some((trace.name.to_owned(), verdict.to_json()))
            });
            let replicas = match contestant.replicas {
                1 => "1 replica".to_owned(),
                more => format!("{more} replicas in turn"),
            };
            let name = format!("{}, {replicas}", contestant.name);
            let mut of_it: Map<String, Value> = verdicts.collect();
            of_it.insert("time".to_owned(), contestant.time.into());
            report.result(&name, of_it);
        }
    }
    report.condition("peers", versions);
    Ok(())
}

/// All keys along all traces, at about the same time.
async fn ask_ours(
    traces: &[Trace],
    repeats: usize,
    setting: &Setting,
) -> Result<BTreeMap<Way, Vec<(&'static str, Verdict)>>, BenchError> {
    let mut fleet = Fleet::of_none(setting).await?;
    let lone_url = fleet.database.ours().await?;
    let (keys, limit) = (traces.len() * repeats, u32::try_from(LIMIT).ok());
    let new = |setting| Org {
        requests_per_minute: limit,
        ..Org::new(setting)
    };
    let own = new(setting).write(&fleet.url, 2 * keys, setting).await?;
    let others = new(setting).write(&lone_url, keys, setting).await?;
    let probes = Org::new(setting).write(&fleet.url, 1, setting).await?;
    let lone = Service::query(setting.folder.path(), &lone_url, &setting.clock).await?;
    for _ in 0..REPLICAS {
        fleet.add(setting).await?;
    }
    let targets = fleet.targets()?;
    settle(&targets, &probes[0], &setting.clock).await?;
    let mut keys = own.into_iter().chain(others);
    let mut runs = Vec::new();
    for way in [Way::Three, Way::Pinned, Way::One] {
        let all = (0..repeats).flat_map(|_| traces);
        for (number, trace) in all.enumerate() {
            let targets = match way {
                Way::One => vec![lone.ready.address()?],
                Way::Three => targets.clone(),
                Way::Pinned => vec![targets[number % REPLICAS]],
            };
            let key = keys.next().unwrap_or_default();
            runs.push(Run {
                way,
                trace,
                key,
                targets,
            });
        }
    }
    let verdicts = follow_all(&runs, setting).await?;
    lone.stop().await?;
    fleet.stop().await?;
    Ok(verdicts)
}

async fn follow_all(
    runs: &[Run<'_>],
    setting: &Setting,
) -> Result<BTreeMap<Way, Vec<(&'static str, Verdict)>>, BenchError> {
    let clock = &setting.clock;
    let start = clock.monotonic() + STAGGER;
    let heard_within = HEARD_WITHIN.as_secs_f64() / ours::WINDOW.as_secs_f64();
    let following = (0_u32..).zip(runs).map(async |(number, run)| {
        let begin = start + STAGGER * number;
        let answers = ours::follow(run.trace, &run.key, &run.targets, begin, clock).await?;
        let verdict = Verdict::of(&answers, run.trace, LIMIT, heard_within);
        Ok::<_, BenchError>((run.way, run.trace.name, verdict))
    });
    let mut verdicts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (way, trace, verdict) in try_join_all(following).await? {
        verdicts.entry(way).or_default().push((trace, verdict));
    }
    Ok(verdicts)
}

fn judge(
    verdicts: &BTreeMap<Way, Vec<(&'static str, Verdict)>>,
    repeats: usize,
    report: &mut Report,
) {
    let of = |way: Way| verdicts.get(&way).into_iter().flatten();
    let most = |way| {
        of(way)
            .map(|(_, verdict)| count(verdict.most))
            .fold(0.0, f64::max)
    };
    report.reached(ONE, most(Way::One));
    report.reached(PINNED, most(Way::Pinned));
    let refused = of(Way::One).map(|(_, verdict)| count(verdict.false_refusals));
    report.reached(REFUSED, refused.sum());
    let beyond = of(Way::Three).map(|(_, verdict)| {
        let over = verdict.most.saturating_sub(LIMIT);
        count(over) / count(bound(verdict))
    });
    report.reached(THREE, beyond.fold(0.0, f64::max));
    let sustained = of(Way::Three).filter(|(trace, _)| trace.starts_with("sustained"));
    let shares = sustained.map(|(_, verdict)| count(verdict.total) / count(verdict.ideal));
    let least = shares.fold(f64::INFINITY, f64::min);
    report.reached(TOTAL, least);
    for way in Way::ALL {
        let mut results = Map::new();
        for (trace, verdict) in of(way) {
            let runs = results.entry(*trace).or_insert_with(|| json!([]));
            let mut found = verdict.to_json();
            if way == Way::Three {
                found["stated_bound"] = json!(LIMIT + bound(verdict));
            }
            if let Value::Array(runs) = runs {
                runs.push(found);
            }
        }
        debug_assert!(
            results
                .values()
                .all(|runs| runs.as_array().map_or(0, Vec::len) == repeats)
        );
        report.result(way.name(), results);
    }
}

/// What three replicas may admit beyond the limit: what was sent before they heard of each other,
/// and in any case no more than the limit by each of the others.
fn bound(verdict: &Verdict) -> usize {
    verdict.unheard.min((REPLICAS - 1) * LIMIT)
}

fn count(number: usize) -> f64 {
    float(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_worst_of_all_repeats() {
        let verdict = |most, false_refusals, total| Verdict {
            requests: 300,
            most,
            total,
            ideal: 300,
            false_refusals,
            unheard: 40,
        };
        let name = "sustained six-fold overload";
        let both = |way, one, two| (way, vec![(name, one), (name, two)]);
        let verdicts = BTreeMap::from([
            both(Way::One, verdict(100, 1, 300), verdict(99, 2, 300)),
            both(Way::Pinned, verdict(100, 0, 300), verdict(97, 0, 300)),
            both(Way::Three, verdict(110, 0, 297), verdict(130, 5, 294)),
        ]);
        let mut report = Report::new("window", AIMS);
        judge(&verdicts, 2, &mut report);
        let json = report.to_json();
        let reached: Vec<_> = AIMS
            .iter()
            .enumerate()
            .map(|(index, _)| json["aims"][index]["reached"].as_f64())
            .collect();
        assert_eq!(
            reached,
            [Some(100.0), Some(100.0), Some(0.75), Some(3.0), Some(0.98)]
        );
        assert_eq!(
            json["results"][Way::Three.name()][name][0]["stated_bound"],
            140
        );
    }
}
