//! `replay`: how fast the whole log is told again, beside what Postgres needs to hand out the same
//! rows, and beside other event stores that read all they hold.

mod others;
mod ours;

use domain::ids::GlobalPosition;
use event_log::EventLog;
use runtime::clock::Clock;
use serde_json::{Map, Value, json};
use sqlx::{Connection, Executor, PgConnection};

use self::others::Filled;
use self::ours::Means;
use super::aim::{Aim, Report};
use super::copy::copy_out;
use super::error::BenchError;
use super::folder::Database;
use super::open_log::OpenLog;
use super::peer::{Peer, Peers};
use super::stats::{Repeats, per_second};
use super::zipf::Random;
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_least(OF_COPY, "of it", 0.5),
    Aim::at_least(CHECKED, "events/s", 150_000.0),
    Aim::at_least(BESIDE_PEERS, "times", 1.0),
];
const OF_COPY: &str = "of COPY of the same rows, a million events";
const CHECKED: &str = "events told again with the chain checked";
const BESIDE_PEERS: &str = "beside the fastest other event store";

const PAYLOAD_BYTES: usize = 200;
/// Those that hold everything in Postgres, as we do.
const PEERS: [Peer; 4] = [
    Peer::MessageDb,
    Peer::Emmett,
    Peer::Eventsourcing,
    Peer::PostgresEs,
];

/// How much of everything.
struct Effort {
    repeats: usize,
    events: u64,
    /// For us and for Postgres alone.
    many: Option<u64>,
}

/// Events a second of everyone, in every repeat.
#[derive(Default)]
struct Found {
    copied: Repeats,
    told: Repeats,
    checked: Repeats,
    peers: [Repeats; PEERS.len()],
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                repeats: 1,
                events: 20_000,
                many: options.large.then_some(40_000),
            };
        }
        Self {
            repeats: 3,
            events: 1_000_000,
            many: options.large.then_some(5_000_000),
        }
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("replay", AIMS);
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let effort = Effort::of(options);
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    let means = Means::of_this_build().await?;
    report.condition("postgres", settings);
    report.condition("payload_bytes", PAYLOAD_BYTES);
    report.condition("repeats", effort.repeats);
    report.condition("told_by", means.name());
    if means == Means::Library {
        report.not_done("this build has no `log replay`: the same is done by the benchmark itself");
    }

    options.say("replay: filling everyone");
    let peers = fill_peers(options, &effort, &mut database, setting, &mut report).await?;
    let found = measure(options, &effort, &mut database, means, &peers, setting).await;
    let (found, left_out) = found?;
    for (who, why) in left_out {
        report.left_out(&who, &why);
    }
    found.judge(&peers, &mut report);
    for peer in peers {
        database.drop(&peer.url).await?;
    }
    if let Some(events) = effort.many {
        let effort = Effort { events, ..effort };
        let (found, _) = measure(options, &effort, &mut database, means, &[], setting).await?;
        found.report_many(events, &mut report);
    } else {
        report.not_done("five million events are not told (--large or TGA_BENCH_LARGE)");
    }
    report.not_done("one machine: readers and the server share its cores, and no network between");
    database.shut_down().await?;
    Ok(report)
}

/// Those that are there, each with as many events.
async fn fill_peers(
    options: &Options,
    effort: &Effort,
    database: &mut Database,
    setting: &Setting,
    report: &mut Report,
) -> Result<Vec<Filled>, BenchError> {
    let folders = Peers::new(options.peer_dir.clone());
    let (mut filled, mut versions) = (Vec::new(), Map::new());
    for peer in PEERS {
        options.say(&format!("replay: filling {}", peer.name()));
        let amount = (effort.events, PAYLOAD_BYTES);
        match Filled::make(peer, &folders, database, amount, &setting.clock).await {
            Ok(Some(one)) => {
                tidy_up(&one.url).await?;
                let holds = json!({ "version": one.version, "events": one.events });
                versions.insert(peer.name().to_owned(), holds);
                filled.push(one);
            }
            Ok(None) => report.left_out(peer.name(), "it is not in the peers' folder"),
            // A peer's own failure does not keep us from measuring the others.
            Err(BenchError::Child { reason, .. }) => report.left_out(peer.name(), &reason),
            Err(error) => return Err(error),
        }
    }
    report.condition("peers", Value::from(versions));
    Ok(filled)
}

/// Fills our log and has everyone tell what they hold, in turn; and who could not, with why.
async fn measure(
    options: &Options,
    effort: &Effort,
    database: &mut Database,
    means: Means,
    peers: &[Filled],
    setting: &Setting,
) -> Result<(Found, Vec<(String, String)>), BenchError> {
    let Setting { clock, entropy, .. } = setting;
    let url = database.ours().await?;
    let open_log = OpenLog::open(&url, clock, entropy).await?;
    options.say(&format!("replay: filling our log with {}", effort.events));
    let mut random = Random::new(entropy.u64());
    let head = open_log
        .fill(effort.events, PAYLOAD_BYTES, clock, &mut random)
        .await?;
    tidy_up(&url).await?;
    database.checkpoint().await?;
    means.prove(&url, effort.events, clock).await?;
    let us = Us {
        log: &open_log.log,
        url: &url,
        head,
        means,
        clock,
    };
    let (mut found, mut left_out) = (Found::default(), Vec::new());
    let turns = 3 + peers.len();
    for repeat in 0..effort.repeats {
        options.step("replay", repeat, effort.repeats);
        for turn in 0..turns {
            match (turn + repeat) % turns {
                number @ 0..3 => us.measure(number, effort.events, &mut found).await?,
                number => {
                    let peer = &peers[number - 3];
                    match peer.read(clock).await {
                        Ok(seconds) => {
                            let rate = per_second(peer.events, seconds);
                            found.of_peer(peer.peer).push(rate);
                        }
                        Err(error @ (BenchError::Child { .. } | BenchError::Late { .. })) => {
                            left_out.push((peer.peer.name().to_owned(), error.to_string()));
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    open_log.close().await;
    database.drop(&url).await?;
    Ok((found, left_out))
}

/// Our log, and how it is told.
struct Us<'a> {
    log: &'a EventLog,
    url: &'a str,
    head: GlobalPosition,
    means: Means,
    clock: &'a Clock,
}

impl Us<'_> {
    async fn measure(
        &self,
        number: usize,
        events: u64,
        found: &mut Found,
    ) -> Result<(), BenchError> {
        let Self {
            log, head, clock, ..
        } = *self;
        let (figures, seconds) = match number {
            0 => (
                &mut found.told,
                self.means.tell(log, self.url, head, clock).await?,
            ),
            1 => (
                &mut found.checked,
                ours::tell_checked(log, head, clock).await?,
            ),
            _ => {
                let copied = copy_out(self.url, None, clock).await?;
                if copied.rows != events {
                    let text = format!("{} rows were copied in place of {events}", copied.rows);
                    return Err(BenchError::Wrong(text));
                }
                (&mut found.copied, copied.seconds)
            }
        };
        figures.push(per_second(events, seconds));
        Ok(())
    }
}

impl Found {
    fn of_peer(&mut self, peer: Peer) -> &mut Repeats {
        let index = PEERS.iter().position(|one| *one == peer);
        &mut self.peers[index.unwrap_or_default()]
    }

    fn judge(mut self, peers: &[Filled], report: &mut Report) {
        let (told, checked) = (self.told.median(), self.checked.median());
        let copied = self.copied.median();
        report.reached(OF_COPY, told / copied);
        report.reached(CHECKED, checked);
        report.ratio("told / COPY", told / copied);
        report.ratio("told with the chain checked / COPY", checked / copied);
        report.result("copied_per_second", self.copied.to_json());
        report.result("told_per_second", self.told.to_json());
        report.result("told_and_chain_checked_per_second", self.checked.to_json());
        let mut fastest = f64::NAN;
        for peer in peers.iter().map(|one| one.peer) {
            let figures = self.of_peer(peer);
            fastest = fastest.max(figures.median());
            let name = peer.name();
            report.ratio(&format!("told / {name}"), told / figures.median());
            report.result(&format!("{name}_read_per_second"), figures.to_json());
        }
        report.reached(BESIDE_PEERS, told / fastest);
    }

    fn report_many(&self, events: u64, report: &mut Report) {
        let (told, copied) = (self.told.median(), self.copied.median());
        report.ratio(&format!("told / COPY, {events} events"), told / copied);
        for (what, figures) in [
            ("copied", &self.copied),
            ("told", &self.told),
            ("told_and_chain_checked", &self.checked),
        ] {
            let name = format!("{what}_per_second_of_{events}");
            report.result(&name, figures.to_json());
        }
    }
}

/// Leaves nothing for the first reader to tidy up.
async fn tidy_up(url: &str) -> Result<(), BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute("vacuum analyze").await?;
    connection.close().await?;
    Ok(())
}
