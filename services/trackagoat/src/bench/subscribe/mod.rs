//! `subscribe`: how fast a feed catches up, and how long an append takes to reach a subscriber.

pub mod job;
mod naive;

use std::time::Duration;

use domain::ids::GlobalPosition;
use event_log::{EventLog, FeedConfig};
use futures_util::TryStreamExt;
use runtime::clock::Clock;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};

use self::job::{Following, Phase, Sent, Servers};
use super::aim::{Aim, Report};
use super::append::lone::EMPTY_COMMIT;
use super::error::BenchError;
use super::folder::Database;
use super::open_log::OpenLog;
use super::stats::{Histogram, Repeats, float, per_second};
use super::worker::{Job, Worker, begin_together};
use super::zipf::Random;
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_least(CAUGHT_UP, "events/s", 200_000.0),
    Aim::at_most("append to subscriber at 200/s, p50", "ms", 3.0),
    Aim::at_most("append to subscriber at 200/s, p99", "ms", 10.0),
    Aim::at_most("append to subscriber at 2,000/s, p50", "ms", 3.0),
    Aim::at_most("append to subscriber at 2,000/s, p99", "ms", 10.0),
    Aim::at_most("append to subscriber at 10,000/s, p50", "ms", 3.0),
    Aim::at_most("append to subscriber at 10,000/s, p99", "ms", 10.0),
];
const CAUGHT_UP: &str = "events by a feed that catches up";
/// Rate, and the names of its two aims.
const RATES: [(f64, &str, &str); 3] = [
    (200.0, AIMS[1].name(), AIMS[2].name()),
    (2_000.0, AIMS[3].name(), AIMS[4].name()),
    (10_000.0, AIMS[5].name(), AIMS[6].name()),
];

const PAYLOAD_BYTES: usize = 200;
const WARM_UP: Duration = Duration::from_secs(1);

/// From when an append was due, and from when it was committed, to its arrival.
#[derive(Default)]
struct Latencies {
    from_due: Histogram,
    from_commit: Histogram,
    /// Of each repeat, from when it was due.
    p50: Repeats,
    p99: Repeats,
}

impl Latencies {
    fn add(&mut self, (from_due, from_commit): &(Histogram, Histogram)) {
        self.p50.push(from_due.millis(0.5));
        self.p99.push(from_due.millis(0.99));
        self.from_due.merge(from_due);
        self.from_commit.merge(from_commit);
    }

    fn to_json(&self) -> Value {
        json!({
            "p50_ms": self.p50.to_json(),
            "p99_ms": self.p99.to_json(),
            "from_due": self.from_due.to_json(),
            "from_commit": self.from_commit.to_json(),
        })
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let mut report = Report::new("subscribe", AIMS);
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    report.condition("postgres", settings);
    report.condition("payload_bytes", PAYLOAD_BYTES);
    catch_up(options, setting, &mut database, &mut report).await?;

    let nats = folder.nats(clock, entropy).await?;
    let contestants = contestants(&mut database, nats.url(), clock).await?;
    rates(options, clock, &database, contestants, &mut report).await?;
    report.not_done("one machine: no network between the two ends");
    nats.shut_down().await.map_err(BenchError::Server)?;
    database.shut_down().await?;
    Ok(report)
}

/// One way to follow a log of its own: the two ends, and what was measured between them.
struct Contestant {
    name: &'static str,
    database_url: String,
    ends: [Worker; 2],
    /// By rate.
    latencies: [Latencies; RATES.len()],
}

/// Our feed first.
async fn contestants(
    database: &mut Database,
    nats_url: String,
    clock: &Clock,
) -> Result<[Contestant; 3], BenchError> {
    let ours = database.ours().await?;
    let notified = database.ours().await?;
    let mut connection = PgConnection::connect(&notified).await?;
    connection.execute(naive::NOTIFY).await?;
    connection.close().await?;
    let polling = database.ours().await?;
    Ok([
        Contestant::start("feed", ours, Following::Feed { nats_url }, clock).await?,
        Contestant::start("listen_notify", notified, Following::Notified, clock).await?,
        Contestant::start("polling_250_ms", polling, Following::Polling, clock).await?,
    ])
}

impl Contestant {
    async fn start(
        name: &'static str,
        database_url: String,
        following: Following,
        clock: &Clock,
    ) -> Result<Self, BenchError> {
        let servers = Servers {
            database_url: database_url.clone(),
            following,
        };
        let mut ends = [
            Worker::start(&Job::Publish(servers.clone()), clock).await?,
            Worker::start(&Job::Follow(servers), clock).await?,
        ];
        begin_together(&mut ends).await?;
        // Not counted: connections open, plans are made, the stream is found.
        let phase = Phase {
            rate: Some(200.0),
            length: WARM_UP,
        };
        measure(&mut ends, phase).await?;
        Ok(Self {
            name,
            database_url,
            ends,
            latencies: Default::default(),
        })
    }
}

/// Appends at each rate, seen from both ends; then as fast as they go, followed by our feed.
async fn rates(
    options: &Options,
    clock: &Clock,
    database: &Database,
    mut contestants: [Contestant; 3],
    report: &mut Report,
) -> Result<(), BenchError> {
    let (repeats, length) = if options.quick {
        (1, Duration::from_millis(500))
    } else {
        (3, Duration::from_secs(4))
    };
    report.condition("repeats", repeats);
    report.condition("seconds_each", length.as_secs_f64());
    report.condition("checkpoint", "before each repeat");
    let (mut commits, mut flat_out) = (Histogram::default(), FlatOut::default());
    for repeat in 0..repeats {
        options.step("subscribe", repeat, repeats);
        // Before the slowest rate: what a checkpoint costs afterwards is over when it is fast.
        database.checkpoint().await?;
        for (at, (rate, ..)) in RATES.iter().enumerate() {
            for turn in 0..contestants.len() {
                let turns = contestants.len();
                let contestant = &mut contestants[(turn + repeat) % turns];
                let rate = Some(*rate);
                let measured = measure(&mut contestant.ends, Phase { rate, length }).await?;
                contestant.latencies[at].add(&measured.latencies()?);
            }
        }
        let [feed, ..] = &mut contestants;
        let phase = Phase { rate: None, length };
        flat_out.add(&measure(&mut feed.ends, phase).await?)?;
        commits.merge(&empty_commits(&feed.database_url, clock).await?);
    }
    report.result("empty_commit", commits.to_json());
    flat_out.judge(report);
    for contestant in contestants {
        let (name, is_ours) = (contestant.name, contestant.name == "feed");
        for ((rate, p50, p99), latencies) in RATES.iter().zip(&contestant.latencies) {
            let figures = latencies.to_json();
            report.result(
                &format!("append_to_subscriber_by_{name}_at_{rate}"),
                figures,
            );
            let times = latencies.p50.median() / commits.millis(0.5);
            report.ratio(
                &format!("p50 by {name} at {rate}/s / p50 of an empty commit"),
                times,
            );
            if is_ours {
                report.reached(p50, latencies.p50.median());
                report.reached(p99, latencies.p99.median());
            }
        }
        for end in contestant.ends {
            end.finish().await?;
        }
    }
    Ok(())
}

/// A feed that begins at the beginning, beside reading the same rows page by page with nothing
/// made of them.
async fn catch_up(
    options: &Options,
    setting: &Setting,
    database: &mut Database,
    report: &mut Report,
) -> Result<(), BenchError> {
    let Setting { clock, entropy, .. } = setting;
    let (events, repeats) = if options.quick {
        (20_000, 1)
    } else {
        (400_000, 3)
    };
    let url = database.ours().await?;
    let open_log = OpenLog::open(&url, clock, entropy).await?;
    options.say("subscribe: filling the log");
    let mut random = Random::new(entropy.u64());
    let head = open_log
        .fill(events, PAYLOAD_BYTES, clock, &mut random)
        .await?;
    let [mut fed, mut checked, mut plain] = [(); 3].map(|()| Repeats::default());
    for repeat in 0..repeats {
        options.step("subscribe: catching up", repeat, repeats);
        for turn in 0..3 {
            let (figures, seconds) = match (turn + repeat) % 3 {
                0 => (&mut fed, follow(&open_log.log, head, false, clock).await?),
                1 => (
                    &mut checked,
                    follow(&open_log.log, head, true, clock).await?,
                ),
                _ => (&mut plain, read_plainly(&url, head, clock).await?),
            };
            figures.push(per_second(events, seconds));
        }
    }
    report.condition("events_caught_up_with", events);
    report.result("fed_per_second", fed.to_json());
    report.result("fed_and_chain_checked_per_second", checked.to_json());
    report.result("rows_read_plainly_per_second", plain.to_json());
    report.ratio("fed / rows read plainly", fed.median() / plain.median());
    report.reached(CAUGHT_UP, fed.median());
    open_log.close().await;
    database.drop(&url).await
}

/// Seconds until a feed has given out everything up to `head`.
async fn follow(
    log: &EventLog,
    head: GlobalPosition,
    check_chain: bool,
    clock: &Clock,
) -> Result<f64, BenchError> {
    let begun = clock.monotonic();
    let mut feed = log.subscribe(GlobalPosition::ZERO, FeedConfig::default());
    while feed.position() < head {
        let batch = feed.next_batch().await.map_err(BenchError::Feed)?;
        let altered = |event: &event_log::StoredEvent| event.computed_hash() != event.hash;
        if check_chain && batch.iter().any(altered) {
            return Err(BenchError::Wrong(
                "an event is not what its hash says".into(),
            ));
        }
    }
    Ok(clock.monotonic().saturating_since(begun).as_secs_f64())
}

/// Seconds to read the same columns as bytes.
async fn read_plainly(url: &str, head: GlobalPosition, clock: &Clock) -> Result<f64, BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let begun = clock.monotonic();
    let (mut last, mut bytes) = (0_i64, 0_usize);
    while last < head.as_i64() {
        let mut rows = sqlx::query(naive::PAGE)
            .bind(last)
            .bind(naive::PAGE_EVENTS)
            .fetch(&mut connection);
        while let Some(row) = rows.try_next().await? {
            bytes += row.len();
            last = row.try_get(0)?;
        }
    }
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    connection.close().await?;
    if bytes == 0 {
        return Err(BenchError::Wrong("no rows were read".into()));
    }
    Ok(seconds)
}

/// What both ends saw of one phase.
struct Measured {
    sent: Vec<Sent>,
    arrived: Vec<u64>,
}

async fn measure(ends: &mut [Worker; 2], phase: Phase) -> Result<Measured, BenchError> {
    let [publisher, follower] = ends;
    publisher.tell(&phase).await?;
    let sent: Vec<Sent> = publisher.hear().await?;
    let last = sent.last().map_or(0, |(position, ..)| *position);
    follower.tell(&last).await?;
    let arrived = follower.hear().await?;
    Ok(Measured { sent, arrived })
}

impl Measured {
    /// From when appends were due, and from when they were committed.
    fn latencies(&self) -> Result<(Histogram, Histogram), BenchError> {
        latencies(&self.sent, &self.arrived)
    }
}

/// Our feed while the writers do not pause.
#[derive(Default)]
struct FlatOut {
    appended: Repeats,
    fed: Repeats,
    latencies: Latencies,
}

impl FlatOut {
    fn add(&mut self, measured: &Measured) -> Result<(), BenchError> {
        let Measured { sent, arrived } = measured;
        let begun = sent.iter().map(|(_, due, _)| *due).min();
        let committed = sent.iter().map(|(.., committed)| *committed).max();
        let rate = |end: Option<u64>| {
            let nanos = end
                .unwrap_or_default()
                .saturating_sub(begun.unwrap_or_default());
            per_second(sent.len() as u64, float(nanos) / 1e9)
        };
        self.appended.push(rate(committed));
        self.fed.push(rate(arrived.iter().copied().max()));
        self.latencies.add(&measured.latencies()?);
        Ok(())
    }

    fn judge(&self, report: &mut Report) {
        let figures = json!({
            "appended_per_second": self.appended.to_json(),
            "fed_per_second": self.fed.to_json(),
            "append_to_subscriber": self.latencies.to_json(),
        });
        report.result("feed_while_writers_run_flat_out", figures);
        let ratio = self.fed.median() / self.appended.median();
        report.ratio("fed / appended, writers flat out", ratio);
    }
}

/// Both in order of position; the subscriber's without the positions, which have no gaps.
fn latencies(sent: &[Sent], arrived: &[u64]) -> Result<(Histogram, Histogram), BenchError> {
    if sent.len() != arrived.len() {
        let text = format!(
            "{} events were sent and {} arrived",
            sent.len(),
            arrived.len()
        );
        return Err(BenchError::Wrong(text));
    }
    let both = || sent.iter().zip(arrived);
    let from_due = both().map(|((_, due, _), at)| at.saturating_sub(*due));
    // The subscriber may have it before the answer has reached who appended.
    let from_commit = both().map(|((.., committed), at)| at.saturating_sub(*committed));
    Ok((from_due.collect(), from_commit.collect()))
}

/// What the least durable write costs meanwhile.
async fn empty_commits(url: &str, clock: &Clock) -> Result<Histogram, BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let mut commits = Histogram::default();
    for _ in 0..200 {
        let begun = clock.monotonic();
        sqlx::query(EMPTY_COMMIT).execute(&mut connection).await?;
        commits.record(clock.monotonic().as_nanos() - begun.as_nanos());
    }
    connection.close().await?;
    Ok(commits)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_lost_or_early_is_noticed() {
        let sent = [(7, 100, 150), (8, 110, 300)];
        let (from_due, from_commit) = latencies(&sent, &[200, 290]).unwrap();
        assert_eq!(from_due.quantile(1.0).unwrap().as_nanos(), 180);
        assert_eq!(from_commit.quantile(0.0).unwrap().as_nanos(), 0);
        assert!(latencies(&sent, &[200]).is_err());
    }
}
