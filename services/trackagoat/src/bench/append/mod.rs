//! `append`: what the log takes, beside plain inserts (the ceiling) and beside other event stores.

mod contest;
pub mod job;
pub mod lone;
mod message_db;
mod order;
pub mod ours;
mod plain;
mod snapshot;

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::clock::Clock;
use serde_json::{Map, Value, json};

use self::contest::{Contest, Figures, Run};
use self::job::{Appends, Workload};
use self::snapshot::{Holding, Phases};
use super::aim::{Aim, Report};
use super::error::BenchError;
use super::folder::Database;
use super::peer::Peer;
use super::stats::{Repeats, float};
use super::{Options, Setting};
use crate::nats::connect;

const AIMS: &[Aim] = &[
    Aim::at_least(FIGURE_64, "events/s", 50_000.0),
    Aim::at_least(OF_PLAIN, "of it", 0.5),
    Aim::at_least(TIMES_MESSAGE_DB, "times", 10.0),
    Aim::at_least(TIMES_EMMETT, "times", 10.0),
    Aim::at_least(TIMES_UMADB, "times", 1.0),
    Aim::at_least(TIMES_EVENTSOURCING, "times", 10.0),
    Aim::at_least(TIMES_POSTGRES_ES, "times", 3.0),
    Aim::at_least(TWO_PROCESSES, "of it", 0.75),
    Aim::at_least(HELD, "of it", 0.8),
    Aim::at_most(VIOLATIONS, "events", 0.0),
    Aim::at_least(CONTROL, "events", 1.0),
    Aim::at_most(LONE, "times", 3.0),
];
const FIGURE_64: &str = "durable events, 64 writers";
const OF_PLAIN: &str = "of plain multi-row inserts, 256 writers";
const TIMES_MESSAGE_DB: &str = "beside message-db, 64 writers";
const TIMES_EMMETT: &str = "beside Emmett, 64 writers";
const TIMES_UMADB: &str = "beside UmaDB, at the worst number of writers";
const TIMES_EVENTSOURCING: &str = "beside eventsourcing, 64 writers";
const TIMES_POSTGRES_ES: &str = "beside postgres-es, which has no order of all, 64 writers";
const TWO_PROCESSES: &str = "two processes, of one, 64 writers";
const HELD: &str = "kept under a snapshot held for a minute";
const VIOLATIONS: &str = "missed by a reader that tails the log";
const CONTROL: &str = "missed by a reader that tails a bigserial (control)";
const LONE: &str = "p99 of a lone append, beside that of an empty commit";

const WRITERS: [usize; 4] = [1, 8, 64, 256];
/// Both sizes of an event's data, in bytes.
const SMALL: usize = 200;
const LARGE: usize = 2_048;
const ZIPF: Workload = Workload::Zipf {
    streams: 10_000,
    wrong: 0.05,
};

/// Who takes part at every number of writers.
#[derive(Clone, Copy)]
enum Contestant {
    Ours,
    Plain,
    Peer(Peer),
}

/// How much of everything.
struct Effort {
    length: Duration,
    repeats: usize,
    phases: Phases,
    lone: Duration,
}

/// Figures of every repeat, by contestant and case.
#[derive(Default)]
struct Table(BTreeMap<(String, String), [Repeats; 3]>);

impl Contestant {
    const ALL: [Self; 7] = [
        Self::Ours,
        Self::Plain,
        Self::Peer(Peer::UmaDb),
        Self::Peer(Peer::MessageDb),
        Self::Peer(Peer::Emmett),
        Self::Peer(Peer::Eventsourcing),
        Self::Peer(Peer::PostgresEs),
    ];
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                length: Duration::from_millis(500),
                repeats: 1,
                phases: Phases {
                    before: 2,
                    held: 3,
                    after: 1,
                },
                lone: Duration::from_secs(1),
            };
        }
        Self {
            length: Duration::from_secs(2),
            repeats: 3,
            phases: Phases {
                before: 6,
                held: 60,
                after: 4,
            },
            lone: Duration::from_secs(5),
        }
    }
}

impl Table {
    fn add(&mut self, contestant: &str, case: &str, figures: Figures) {
        let key = (contestant.to_owned(), case.to_owned());
        let [rate, p50, p99] = self.0.entry(key).or_default();
        rate.push(figures.events_per_second);
        p50.push(figures.p50_ms);
        p99.push(figures.p99_ms);
    }

    /// The median of events a second; NaN if it was not measured.
    fn rate(&self, contestant: &str, case: &str) -> f64 {
        let key = (contestant.to_owned(), case.to_owned());
        self.0
            .get(&key)
            .map_or(f64::NAN, |[rate, ..]| rate.median())
    }

    fn to_json(&self) -> Value {
        let mut contestants: Map<String, Value> = Map::new();
        for ((contestant, case), [rate, p50, p99]) in &self.0 {
            let cases = contestants
                .entry(contestant.clone())
                .or_insert_with(|| json!({}));
            cases[case] = json!({
                "events_per_second": rate.to_json(),
                "p50_ms": p50.to_json(),
                "p99_ms": p99.to_json(),
            });
        }
        contestants.into()
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("append", AIMS);
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let effort = Effort::of(options);
    let database = Database::start(folder, clock, entropy).await?;
    let nats = folder.nats(clock, entropy).await?;
    let postgres = super::conditions::postgres_settings(&mut database.connect().await?).await?;
    report.condition("postgres", postgres);
    report.condition(
        "nats_server",
        connect(&nats.url().into()).await?.server_info().version,
    );
    report.condition("repeats", effort.repeats);
    report.condition("seconds_each", effort.length.as_secs_f64());
    let mut contest = Contest::new(setting, database, options.peer_dir.clone(), nats.url());

    // Not counted: the server makes the files of its log, which later runs use again.
    contest.ours(Run::new(64, effort.length)).await?;
    let mut table = Table::default();
    for repeat in 0..effort.repeats {
        options.step("append: side by side", repeat, effort.repeats);
        side_by_side(&mut contest, &effort, repeat, &mut table, &mut report).await?;
        alone(&mut contest, &effort, &mut table, &mut report).await?;
    }
    report.condition("peers", contest.peer_versions());
    report.result("appends", table.to_json());
    judge(&table, &mut report);

    order(options, &mut contest, &effort, clock, &mut report).await?;
    lone(options, &mut contest, &effort, setting, &mut report).await?;
    held(options, &mut contest, &effort, clock, &mut report).await?;

    report.not_done("Marten and commanded/eventstore are not measured beside it");
    report.not_done("one machine: clients, servers and disk share its cores");
    nats.shut_down().await.map_err(BenchError::Server)?;
    contest.database.shut_down().await?;
    Ok(report)
}

async fn order(
    options: &Options,
    contest: &mut Contest<'_>,
    effort: &Effort,
    clock: &Clock,
    report: &mut Report,
) -> Result<(), BenchError> {
    let run = Run {
        processes: 2,
        ..Run::new(64, effort.length)
    };
    let (mut runs, mut ours, mut control) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..effort.repeats {
        options.step(
            "append: order, as a tailing reader sees it",
            repeat,
            effort.repeats,
        );
        let seen = order::ours(contest, run, clock).await?;
        let seen_of_control = order::control(contest, effort.length, clock).await?;
        runs.push(json!({ "ours": seen.to_json(), "control": seen_of_control.to_json() }));
        ours.push(seen.violations());
        control.push(seen_of_control.violations());
    }
    report.result("order", runs);
    // None in any run of ours, and some in every run of the control.
    let (most, least) = (ours.into_iter().max(), control.into_iter().min());
    report.reached(VIOLATIONS, most.map_or(f64::NAN, float));
    report.reached(CONTROL, least.map_or(f64::NAN, float));
    Ok(())
}

async fn lone(
    options: &Options,
    contest: &mut Contest<'_>,
    effort: &Effort,
    setting: &Setting,
    report: &mut Report,
) -> Result<(), BenchError> {
    let (mut runs, mut p50, mut p99) = (Vec::new(), Repeats::default(), Repeats::default());
    for repeat in 0..effort.repeats {
        options.step("append: alone", repeat, effort.repeats);
        let url = contest.database.ours().await?;
        let lone = lone::run(&url, effort.lone, &setting.clock, &setting.entropy).await?;
        contest.database.drop(&url).await?;
        runs.push(json!({
            "append": lone.append.to_json(),
            "empty_commit": lone.commit.to_json(),
        }));
        let ratio = |q| lone.append.millis(q) / lone.commit.millis(q);
        p50.push(ratio(0.5));
        p99.push(ratio(0.99));
    }
    report.result("lone_append", runs);
    report.result(
        "p99_of_a_lone_append_by_that_of_an_empty_commit",
        p99.to_json(),
    );
    report.reached(LONE, p99.median());
    report.ratio("p50 of a lone append / of an empty commit", p50.median());
    Ok(())
}

/// In turn with a snapshot and without: what is lost without one has other causes.
async fn held(
    options: &Options,
    contest: &mut Contest<'_>,
    effort: &Effort,
    clock: &Clock,
    report: &mut Report,
) -> Result<(), BenchError> {
    let run = Run::new(64, effort.length);
    let (mut runs, mut kept, mut control) = (Vec::new(), Repeats::default(), Repeats::default());
    for repeat in 0..effort.repeats {
        options.step(
            "append: under a held snapshot, and without",
            repeat,
            effort.repeats,
        );
        let mut turns = [Holding::Snapshot, Holding::Nothing];
        turns.rotate_left(repeat % 2);
        for holding in turns {
            let found = snapshot::run(contest, run, effort.phases, holding, clock).await?;
            let figures = match holding {
                Holding::Snapshot => &mut kept,
                Holding::Nothing => &mut control,
            };
            figures.push(found.kept());
            runs.push(json!({ "holding": holding, "found": found.to_json() }));
        }
    }
    report.result("held_snapshot", runs);
    report.result("kept_under_a_held_snapshot", kept.to_json());
    report.result("kept_for_as_long_without_one", control.to_json());
    report.ratio(
        "kept under a held snapshot / kept for as long without one",
        kept.median() / control.median(),
    );
    report.reached(HELD, kept.median());
    Ok(())
}

/// Every contestant at every number of writers, one after the other, each time in another order.
async fn side_by_side(
    contest: &mut Contest<'_>,
    effort: &Effort,
    repeat: usize,
    table: &mut Table,
    report: &mut Report,
) -> Result<(), BenchError> {
    let cases = WRITERS
        .map(|writers| (writers, SMALL))
        .into_iter()
        .chain([(64, LARGE)]);
    for (writers, bytes) in cases {
        let case = case(writers, bytes);
        let mut contestants = Contestant::ALL;
        contestants.rotate_left(repeat % Contestant::ALL.len());
        for contestant in contestants {
            match contestant {
                Contestant::Ours => {
                    let run = Run {
                        payload_bytes: bytes,
                        ..Run::new(writers, effort.length)
                    };
                    let appends = contest.ours(run).await?;
                    table.add("ours", &case, Figures::from(&appends));
                }
                Contestant::Plain => plain(contest, effort, writers, bytes, table).await?,
                Contestant::Peer(peer) => {
                    match contest.peer_run(peer, writers, bytes, effort.length).await {
                        Ok(Some(figures)) => table.add(peer.name(), &case, figures),
                        Ok(None) => report.left_out(peer.name(), "it is not in the peers' folder"),
                        // A peer's own failure does not keep us from measuring the others.
                        Err(BenchError::Child { reason, .. }) => {
                            report.left_out(&format!("{} ({case})", peer.name()), &reason);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    Ok(())
}

/// The ceiling: as many rows at once as there are writers, over one connection and over two.
async fn plain(
    contest: &mut Contest<'_>,
    effort: &Effort,
    writers: usize,
    bytes: usize,
    table: &mut Table,
) -> Result<(), BenchError> {
    let case = case(writers, bytes);
    let one = contest.plain(writers, 1, bytes, effort.length).await?;
    table.add("plain_insert", &case, Figures::from(&one));
    if writers > 1 {
        let two = contest.plain(writers, 2, bytes, effort.length).await?;
        table.add("plain_insert_two_connections", &case, Figures::from(&two));
    }
    Ok(())
}

/// What only we are measured at.
async fn alone(
    contest: &mut Contest<'_>,
    effort: &Effort,
    table: &mut Table,
    report: &mut Report,
) -> Result<(), BenchError> {
    for processes in [2, 3] {
        let run = Run {
            processes,
            ..Run::new(64, effort.length)
        };
        let appends = contest.ours(run).await?;
        table.add("ours", &processes_case(processes), Figures::from(&appends));
    }
    let run = Run {
        mirrored: true,
        ..Run::new(64, effort.length)
    };
    let appends = contest.ours(run).await?;
    table.add(
        "ours",
        "writers_64_bytes_200_mirrored",
        Figures::from(&appends),
    );
    for (processes, bytes) in [(1, SMALL), (1, LARGE), (2, SMALL)] {
        let run = Run {
            workload: ZIPF,
            processes,
            payload_bytes: bytes,
            ..Run::new(64, effort.length)
        };
        let appends = contest.ours(run).await?;
        let case = format!("zipf_writers_64_bytes_{bytes}_processes_{processes}");
        table.add("ours", &case, Figures::from(&appends));
        report.result(&format!("conflicts_{case}"), conflicts(&appends));
        if appends.accepted_wrongly > 0 {
            let text = format!("{} appends on a wrong version", appends.accepted_wrongly);
            return Err(BenchError::Wrong(text));
        }
    }
    Ok(())
}

fn conflicts(appends: &Appends) -> Value {
    json!({
        "appended": appends.events,
        "refused_on_purpose": appends.refused_on_purpose,
        "lost_races": appends.lost_races,
        "accepted_wrongly": appends.accepted_wrongly,
    })
}

fn judge(table: &Table, report: &mut Report) {
    let rate = |contestant: &str, writers| table.rate(contestant, &case(writers, SMALL));
    report.reached(FIGURE_64, rate("ours", 64));
    let ceiling = |writers| {
        let two = rate("plain_insert_two_connections", writers);
        rate("plain_insert", writers).max(two)
    };
    report.reached(OF_PLAIN, rate("ours", 256) / ceiling(256));
    report.reached(TIMES_MESSAGE_DB, rate("ours", 64) / rate("message-db", 64));
    report.reached(TIMES_EMMETT, rate("ours", 64) / rate("emmett", 64));
    for (aim, peer) in [
        (TIMES_EVENTSOURCING, Peer::Eventsourcing),
        (TIMES_POSTGRES_ES, Peer::PostgresEs),
    ] {
        report.reached(aim, rate("ours", 64) / rate(peer.name(), 64));
    }
    let beside_umadb = WRITERS.map(|writers| rate("ours", writers) / rate("umadb", writers));
    let worst = beside_umadb.into_iter().fold(f64::INFINITY, f64::min);
    report.reached(TIMES_UMADB, worst);
    let two = table.rate("ours", &processes_case(2));
    report.reached(TWO_PROCESSES, two / rate("ours", 64));
    let three = table.rate("ours", &processes_case(3));
    report.ratio(
        "three processes / one, 64 writers",
        three / rate("ours", 64),
    );
    let mirrored = table.rate("ours", "writers_64_bytes_200_mirrored");
    report.ratio("mirrored / not, 64 writers", mirrored / rate("ours", 64));
    for writers in WRITERS {
        report.ratio(
            &format!("ours / plain inserts, {writers} writers"),
            rate("ours", writers) / ceiling(writers),
        );
        for peer in Peer::ALL.map(Peer::name) {
            let ratio = rate("ours", writers) / rate(peer, writers);
            report.ratio(&format!("ours / {peer}, {writers} writers"), ratio);
        }
    }
}

fn case(writers: usize, bytes: usize) -> String {
    format!("writers_{writers}_bytes_{bytes}")
}

fn processes_case(processes: usize) -> String {
    format!("{}_processes_{processes}", case(64, SMALL))
}
