//! How fast batches are applied: readings of videos a second, as in a rebuild.
//!
//! `cargo run --release -p read-model --example rebuild -- [videos] [days] [events a batch] [late]`
//!
//! With `late` the days come in reverse, as in an import of older and older history. Every video of a project is read once a day, 500 readings an event, three or four videos a
//! creator, over an hour of each day. A private Postgres is started (fsync off, as in tests; the
//! projector commits asynchronously in any case).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement by hand"
)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

use chrono::TimeDelta;
use domain::event::{
    Actor, ChainHash, CreatorAdded, Event, MediaType, ObservationRecorded, OrgCreated,
    ProjectAdded, Reading, RecordedEvent, TrackingMode, TrackingStatus, VideoDiscovered,
    VideoStats,
};
use domain::ids::{CreatorId, EventId, GlobalPosition, OrgId, ProjectId, StreamVersion, VideoId};
use domain::plan::Plan;
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::text::{Metadata, Name, ProjectName};
use domain::time::Timestamp;
use read_model::SubjectKeyring;
use read_model::projection::apply_in_tx;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::{Connection, PgConnection, Row};

struct Log {
    entropy: Entropy,
    org: OrgId,
    at: Timestamp,
    events: Vec<RecordedEvent>,
}

impl Log {
    fn record(&mut self, event: impl Into<Event>) {
        let number = self.events.len() as u64 + 1;
        self.events.push(RecordedEvent {
            position: GlobalPosition::new(number),
            event_id: EventId::generate(self.at, self.entropy.bytes()),
            org_id: self.org,
            version: StreamVersion::new(number),
            event: event.into(),
            actor: Actor::System,
            correlation_id: String::new(),
            recorded_at: self.at,
            auth_prev: None,
            prev_hash: ChainHash::ZERO,
            hash: ChainHash::ZERO,
        });
    }

    fn things(&mut self, videos: u64) -> Vec<VideoId> {
        let (at, entropy) = (self.at, self.entropy.clone());
        let project_id = ProjectId::generate(at, entropy.bytes());
        self.record(OrgCreated {
            name: Name::parse("Org").unwrap(),
            plan: Plan::Ultra,
            timezone: "UTC".to_owned(),
        });
        self.record(ProjectAdded {
            project_id,
            name: ProjectName::parse("Project").unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        });
        let creators: Vec<_> = (0..videos * 3 / 10)
            .map(|number| {
                let creator_id = CreatorId::generate(at, entropy.bytes());
                self.record(CreatorAdded {
                    creator_id,
                    project_id,
                    platform: Platform::Tiktok,
                    handle: Handle::parse(Platform::Tiktok, &format!("c{number}")).unwrap(),
                    tracking_mode: TrackingMode::Auto,
                    tracking_start_date: None,
                    display_name: None,
                    readme: None,
                    metadata: Metadata::empty(),
                });
                creator_id
            })
            .collect();
        (0..videos)
            .map(|number| {
                let video_id = VideoId::generate(at, entropy.bytes());
                let id = PlatformVideoId::parse(Platform::Tiktok, &number.to_string()).unwrap();
                let chosen = usize::try_from(entropy.u64() >> 1).unwrap() % creators.len();
                self.record(VideoDiscovered {
                    video_id,
                    project_id,
                    creator_id: creators[chosen],
                    platform: Platform::Tiktok,
                    url: id.url(Platform::Tiktok, None),
                    platform_video_id: id,
                    media_type: MediaType::Video,
                    tracking_status: TrackingStatus::AutoTracked,
                    posted_at: Some(at),
                });
                video_id
            })
            .collect()
    }

    fn readings(&mut self, videos: &[VideoId], day: i64) {
        let scrapes = videos.len().div_ceil(500) as i64;
        for (scrape, some) in videos.chunks(500).enumerate() {
            let minutes = day * 24 * 60 + 60 * scrape as i64 / scrapes;
            let observed_at = self.at.plus(TimeDelta::minutes(minutes));
            let readings = some.iter().map(|video_id| {
                let grown = (day as u64 + 1) * (1_000 + self.entropy.u64() % 100);
                Reading::VideoStats(VideoStats {
                    video_id: *video_id,
                    observed_at,
                    view_count: Some(20 * grown),
                    like_count: Some(grown),
                    comment_count: Some(grown / 10),
                    share_count: None,
                    save_count: None,
                })
            });
            let readings = readings.collect();
            self.record(ObservationRecorded { readings });
        }
    }
}

#[tokio::main]
async fn main() {
    let is_late = std::env::args().next_back().as_deref() == Some("late");
    let mut arguments = std::env::args()
        .skip(1)
        .map_while(|text| text.parse::<u64>().ok());
    let videos = arguments.next().unwrap_or(20_000);
    let days = i64::try_from(arguments.next().unwrap_or(30)).unwrap();
    let batch = usize::try_from(arguments.next().unwrap_or(160)).unwrap();

    let clock = Clock::system();
    let entropy = Entropy::seeded(7);
    let at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let org = OrgId::generate(at, entropy.bytes());
    let mut log = Log {
        entropy,
        org,
        at,
        events: Vec::new(),
    };
    let ids = log.things(videos);
    let things = log.events.len();
    for day in 0..days {
        log.readings(&ids, if is_late { days - day } else { day });
    }

    let database = testkit::postgres().await;
    let options = read_model::ProjectionVersion::CURRENT.in_schema(database.options().clone());
    let options = options.options([
        ("synchronous_commit", "off"),
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let began = clock.monotonic();
    for events in log.events[..things].chunks(20_000) {
        apply(&mut connection, events).await;
    }
    let decided = clock.monotonic().saturating_since(began).as_secs_f64();
    println!("{things} decisions: {:.0}/s", things as f64 / decided);

    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let began = clock.monotonic();
    let cpu_before = (cpu_seconds(&backend.to_string()), cpu_seconds("self"));
    let mut last = began;
    for (number, events) in log.events[things..].chunks(batch).enumerate() {
        apply(&mut connection, events).await;
        let now = clock.monotonic();
        let took = now.saturating_since(last).as_secs_f64();
        last = now;
        if number % 5 == 0 {
            println!(
                "batch {number}: {:.0} readings/s",
                events.len() as f64 * 500.0 / took
            );
        }
    }
    let took = clock.monotonic().saturating_since(began).as_secs_f64();
    let count = videos as f64 * days as f64;
    println!("{count} readings in {took:.1} s: {:.0}/s", count / took);
    let cpu = (cpu_seconds(&backend.to_string()), cpu_seconds("self"));
    let each = |before: f64, after: f64| (after - before) * 1e6 / count;
    println!(
        "CPU for a reading: {:.1} us of Postgres, {:.1} us here",
        each(cpu_before.0, cpu.0),
        each(cpu_before.1, cpu.1)
    );
    for table in ["video_readings", "video_stats", "slots"] {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT count(*), pg_total_relation_size('{table}') FROM {table}"
        )))
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let (rows, bytes): (i64, i64) = (row.get(0), row.get(1));
        println!("{table}: {rows} rows, {} bytes each", bytes / rows.max(1));
    }
}

/// CPU time of a process so far; on a busy machine a better measure than time.
fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

async fn apply(connection: &mut PgConnection, events: &[RecordedEvent]) {
    let mut tx = connection.begin().await.unwrap();
    apply_in_tx(&mut tx, events, &SubjectKeyring::default())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
