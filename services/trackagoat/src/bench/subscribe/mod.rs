//! `subscribe`: how fast a feed catches up, and how long an append takes to reach a subscriber.

pub mod job;

use std::time::Duration;

use domain::ids::GlobalPosition;
use event_log::{EventLog, FeedConfig};
use futures_util::TryStreamExt;
use runtime::clock::Clock;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row};

use self::job::{Phase, Sent, Servers};
use super::aim::{Aim, Report};
use super::error::BenchError;
use super::folder::Database;
use super::open_log::OpenLog;
use super::stats::{Histogram, Repeats, per_second};
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
/// Events of one page, as the feed's.
const PAGE: i64 = 1_024;
const EMPTY_COMMIT: &str = "select pg_logical_emit_message(true, 'trackagoat bench', '')";

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
    let servers = Servers {
        database_url: database.ours().await?,
        nats_url: nats.url(),
    };
    rates(options, clock, servers, &mut report).await?;
    report.not_done("LISTEN/NOTIFY and polling are not measured beside it");
    report.not_done("one machine: no network between the two ends");
    nats.shut_down().await.map_err(BenchError::Server)?;
    database.shut_down().await?;
    Ok(report)
}

/// Appends at each rate, seen from both ends.
async fn rates(
    options: &Options,
    clock: &Clock,
    servers: Servers,
    report: &mut Report,
) -> Result<(), BenchError> {
    let (repeats, length) = if options.quick {
        (1, Duration::from_millis(500))
    } else {
        (3, Duration::from_secs(5))
    };
    report.condition("repeats", repeats);
    report.condition("seconds_each", length.as_secs_f64());
    let url = servers.database_url.clone();
    let mut ends = [
        Worker::start(&Job::Publish(servers.clone()), clock).await?,
        Worker::start(&Job::Follow(servers), clock).await?,
    ];
    begin_together(&mut ends).await?;
    // Not counted: connections open, plans are made, the stream is found.
    measure(
        &mut ends,
        Phase {
            rate: 200.0,
            length: length / 2,
        },
    )
    .await?;
    let mut all: [Latencies; RATES.len()] = Default::default();
    let mut commits = Histogram::default();
    for repeat in 0..repeats {
        options.say(&format!("subscribe: repeat {} of {repeats}", repeat + 1));
        for ((rate, ..), latencies) in RATES.iter().zip(&mut all) {
            let phase = Phase {
                rate: *rate,
                length,
            };
            let (from_due, from_commit) = measure(&mut ends, phase).await?;
            latencies.p50.push(from_due.millis(0.5));
            latencies.p99.push(from_due.millis(0.99));
            latencies.from_due.merge(&from_due);
            latencies.from_commit.merge(&from_commit);
        }
        commits.merge(&empty_commits(&url, clock).await?);
    }
    for worker in ends {
        worker.finish().await?;
    }
    report.result("empty_commit", commits.to_json());
    for ((rate, p50, p99), latencies) in RATES.iter().zip(&all) {
        report.result(
            &format!("append_to_subscriber_at_{rate}"),
            latencies.to_json(),
        );
        report.reached(p50, latencies.p50.median());
        report.reached(p99, latencies.p99.median());
        let name = format!("p50 at {rate}/s / p50 of an empty commit");
        report.ratio(&name, latencies.p50.median() / commits.millis(0.5));
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
        (500_000, 3)
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
        options.say(&format!(
            "subscribe: catching up, {} of {repeats}",
            repeat + 1
        ));
        fed.push(per_second(
            events,
            follow(&open_log.log, head, false, clock).await?,
        ));
        checked.push(per_second(
            events,
            follow(&open_log.log, head, true, clock).await?,
        ));
        plain.push(per_second(events, read_plainly(&url, head, clock).await?));
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
        let mut rows = sqlx::query(
            "select position, event_id, org_id, stream, version, type, schema_version, subject,
                 actor, correlation_id, recorded_at, auth_prev, prev_hash, hash, data::text
             from log.events where position > $1 and position <= $1 + $2 order by position",
        )
        .bind(last)
        .bind(PAGE)
        .fetch(&mut connection);
        while let Some(row) = rows.try_next().await? {
            bytes += row.len();
        }
        last += PAGE;
    }
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    connection.close().await?;
    if bytes == 0 {
        return Err(BenchError::Wrong("no rows were read".into()));
    }
    Ok(seconds)
}

/// One phase at a rate: latencies from when appends were due, and from when they were committed.
async fn measure(
    ends: &mut [Worker; 2],
    phase: Phase,
) -> Result<(Histogram, Histogram), BenchError> {
    let [publisher, follower] = ends;
    publisher.tell(&phase).await?;
    let sent: Vec<Sent> = publisher.hear().await?;
    let last = sent.last().map_or(0, |(position, ..)| *position);
    follower.tell(&last).await?;
    let arrived: Vec<u64> = follower.hear().await?;
    latencies(&sent, &arrived)
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
