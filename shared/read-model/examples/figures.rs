//! How long figures take, uncached: series of a creator and summaries of its project.
//!
//! `cargo run --release -p read-model --example figures -- [videos] [days] [scrapes] [creators]`
//!
//! Each creator has so many videos, each of which is read once a day, a part of them in each of so
//! many scrapes spread over the day: with 96 every quarter hour of the range has a slot. A private
//! Postgres is started and filled through the projection; every question is asked 200 times, of
//! another creator each time, through one pooled connection as the query service's role.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement by hand"
)]

use std::time::Duration;

use chrono::{Days, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use domain::event::{
    Actor, ChainHash, CreatorAdded, CreatorProfile, Event, MediaType, ObservationRecorded,
    OrgCreated, ProjectAdded, Reading, RecordedEvent, TrackingMode, TrackingStatus,
    VideoDiscovered, VideoStats,
};
use domain::ids::{CreatorId, EventId, GlobalPosition, OrgId, ProjectId, StreamVersion, VideoId};
use domain::plan::Plan;
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::text::{Metadata, Name, ProjectName};
use domain::time::Timestamp;
use read_model::analytics::{
    BaseMetric, Calendar, EntityKind, Granularity, Measure, Metric, Mode, Period, Scale,
};
use read_model::projection::apply_in_tx;
use read_model::{
    AnalyticsRequest, CreatorFigure, OrgReader, ProjectionVersion, ReadModel, Rows, Source,
    SubjectKeyring, VideoOrder,
};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

const ASKED: usize = 200;

struct Size {
    videos: u64,
    days: u64,
    scrapes: u64,
    creators: u64,
}

struct Scene {
    entropy: Entropy,
    org: OrgId,
    project: ProjectId,
    first_day: NaiveDate,
    at: Timestamp,
    creators: Vec<CreatorId>,
    videos: Vec<VideoId>,
    number: u64,
}

impl Scene {
    fn recorded(&mut self, event: impl Into<Event>) -> RecordedEvent {
        self.number += 1;
        RecordedEvent {
            position: GlobalPosition::new(self.number),
            event_id: EventId::generate(self.at, self.entropy.bytes()),
            org_id: self.org,
            version: StreamVersion::new(self.number),
            event: event.into(),
            actor: Actor::System,
            correlation_id: String::new(),
            recorded_at: self.at,
            auth_prev: None,
            prev_hash: ChainHash::ZERO,
            hash: ChainHash::ZERO,
        }
    }

    fn things(&mut self, size: &Size) -> Vec<RecordedEvent> {
        let (at, project_id) = (self.at, self.project);
        let mut events = vec![
            self.recorded(OrgCreated {
                name: Name::parse("Org").unwrap(),
                plan: Plan::Ultra,
                timezone: "UTC".to_owned(),
            }),
            self.recorded(ProjectAdded {
                project_id,
                name: ProjectName::parse("Project").unwrap(),
                readme: None,
                metadata: Metadata::empty(),
            }),
        ];
        for creator in 0..size.creators {
            let creator_id = CreatorId::generate(at, self.entropy.bytes());
            self.creators.push(creator_id);
            events.push(self.recorded(CreatorAdded {
                creator_id,
                project_id,
                platform: Platform::Tiktok,
                handle: Handle::parse(Platform::Tiktok, &format!("c{creator}")).unwrap(),
                tracking_mode: TrackingMode::Auto,
                tracking_start_date: None,
                display_name: None,
                readme: None,
                metadata: Metadata::empty(),
            }));
            for video in 0..size.videos {
                let number = creator * size.videos + video;
                let video_id = VideoId::generate(at, self.entropy.bytes());
                let name = PlatformVideoId::parse(Platform::Tiktok, &number.to_string()).unwrap();
                let hours = i64::try_from(video * size.days * 24 / size.videos).unwrap();
                self.videos.push(video_id);
                events.push(self.recorded(VideoDiscovered {
                    video_id,
                    project_id,
                    creator_id,
                    platform: Platform::Tiktok,
                    url: name.url(Platform::Tiktok, None),
                    platform_video_id: name,
                    media_type: MediaType::Video,
                    tracking_status: TrackingStatus::AutoTracked,
                    posted_at: Some(at.plus(TimeDelta::hours(hours))),
                }));
            }
        }
        events
    }

    /// Every video read once, in so many scrapes.
    fn readings(&mut self, day: u64, size: &Size) -> Vec<RecordedEvent> {
        let mut events = Vec::new();
        for scrape in 0..size.scrapes {
            let minutes = (day * size.scrapes + scrape) * 24 * 60 / size.scrapes;
            let observed_at = self
                .at
                .plus(TimeDelta::minutes(i64::try_from(minutes).unwrap()));
            let read = self.videos.iter().zip(0_u64..);
            let read = read.filter(|(_, number)| number % size.scrapes == scrape);
            let stats = read.map(|(video_id, _)| {
                let grown = (day + 1) * (1_000 + self.entropy.u64() % 100);
                Reading::VideoStats(VideoStats {
                    video_id: *video_id,
                    observed_at,
                    view_count: Some(20 * grown),
                    like_count: Some(grown),
                    comment_count: Some(grown / 10),
                    share_count: None,
                    save_count: Some(grown / 50),
                })
            });
            let mut readings: Vec<Reading> = stats.collect();
            if scrape == 0 {
                readings.extend(self.creators.iter().map(|creator_id| {
                    Reading::CreatorProfile(CreatorProfile {
                        creator_id: *creator_id,
                        observed_at,
                        display_name: None,
                        avatar_url: None,
                        follower_count: Some(10_000 + day),
                        following_count: None,
                        like_count: None,
                        video_count: None,
                    })
                }));
            }
            for some in readings.chunks(500) {
                let readings = some.to_vec();
                events.push(self.recorded(ObservationRecorded { readings }));
            }
        }
        events
    }

    fn request(&self, creator: Uuid, days: u64, tz: Tz, metric: Metric) -> AnalyticsRequest {
        let to = self.first_day + Days::new(days - 1);
        let base = (metric == Metric::GrowthRatePop).then_some(BaseMetric::Views);
        AnalyticsRequest {
            entity: EntityKind::Creator,
            ids: vec![creator],
            measure: Measure::new(metric, base).unwrap(),
            mode: Mode::New,
            calendar: Calendar::try_new(self.first_day, to, tz, Granularity::Day).unwrap(),
            now: self.at.plus(TimeDelta::days(10_000)),
            known_from: None,
            with_prior: false,
            by_video: false,
        }
    }
}

/// Asks again and again, of another creator each time; prints how long it took.
async fn measure(
    name: &str,
    model: &ReadModel,
    scene: &Scene,
    clock: &Clock,
    ask: impl AsyncFn(&mut OrgReader, Uuid),
) {
    let mut took: Vec<Duration> = Vec::with_capacity(ASKED);
    for number in 0..ASKED + 10 {
        let creator = scene.creators[number % scene.creators.len()].as_uuid();
        let began = clock.monotonic();
        let mut reader = model.org(scene.org).await.unwrap();
        ask(&mut reader, creator).await;
        drop(reader);
        // The first ones warm up plans and memory.
        if number >= 10 {
            took.push(clock.monotonic().saturating_since(began));
        }
    }
    took.sort_unstable();
    let [p50, p99] = [ASKED / 2, ASKED * 99 / 100].map(|place| took[place].as_secs_f64() * 1e3);
    println!("{name}: p50 {p50:.1} ms, p99 {p99:.1} ms");
}

async fn series(model: &ReadModel, scene: &Scene, clock: &Clock, days: u64) {
    for (name, tz, metric, part) in [
        ("views, days of UTC", Tz::UTC, Metric::Views, days),
        (
            "views, days of Berlin",
            Tz::Europe__Berlin,
            Metric::Views,
            days,
        ),
        (
            "views, the last 30 days",
            Tz::Europe__Berlin,
            Metric::Views,
            30,
        ),
        ("posts", Tz::Europe__Berlin, Metric::Posts, days),
        (
            "engagement by views",
            Tz::Europe__Berlin,
            Metric::EngagementRateByViews,
            days,
        ),
        (
            "engagement by followers",
            Tz::Europe__Berlin,
            Metric::EngagementRateByFollowers,
            days,
        ),
        (
            "views per post",
            Tz::Europe__Berlin,
            Metric::AvgViewsPerPost,
            days,
        ),
        (
            "growth of views",
            Tz::Europe__Berlin,
            Metric::GrowthRatePop,
            days,
        ),
    ] {
        measure(name, model, scene, clock, async |reader, creator| {
            let mut request = scene.request(creator, part, tz, metric);
            if part < days {
                let to = scene.first_day + Days::new(days - 1);
                let from = to - Days::new(part - 1);
                request.calendar = Calendar::try_new(from, to, tz, Granularity::Day).unwrap();
            }
            let answer = reader.analytics(&request, Source::RollUps).await.unwrap();
            assert!(answer.unwrap().series[0].series.total.is_some() || part == days);
        })
        .await;
    }
    for metric in [Metric::Views, Metric::EngagementRateByViews] {
        let name = format!("{metric} by video");
        measure(&name, model, scene, clock, async |reader, creator| {
            let mut request = scene.request(creator, days, Tz::Europe__Berlin, metric);
            request.by_video = true;
            let answer = reader.analytics(&request, Source::RollUps).await.unwrap();
            assert!(!answer.unwrap().breakdown.is_empty());
        })
        .await;
    }
}

async fn summaries(model: &ReadModel, scene: &Scene, clock: &Clock, days: u64) {
    let to = scene.first_day + Days::new(days - 1);
    let now = scene.at.plus(TimeDelta::days(10_000));
    let period = Period::new(to - Days::new(29), to, Tz::Europe__Berlin, now);
    let (project, rows) = (
        scene.project,
        Rows {
            limit: 50,
            offset: 0,
        },
    );
    measure(
        "creator-leaderboard, 30 days",
        model,
        scene,
        clock,
        async |reader, _| {
            let figure = CreatorFigure::Views;
            let found = reader.creator_leaderboard(project, &period, figure, rows);
            assert!(found.await.unwrap().total_count > 0);
        },
    )
    .await;
    measure(
        "video-leaderboard, 30 days",
        model,
        scene,
        clock,
        async |reader, _| {
            let found = reader.video_leaderboard(project, &period, VideoOrder::Views, rows);
            assert!(found.await.unwrap().total_count > 0);
        },
    )
    .await;
    measure(
        "posting-heatmap, 30 days",
        model,
        scene,
        clock,
        async |reader, _| {
            assert!(
                !reader
                    .posting_heatmap(project, &period)
                    .await
                    .unwrap()
                    .is_empty()
            );
        },
    )
    .await;
    measure(
        "view-distribution, 30 days",
        model,
        scene,
        clock,
        async |reader, _| {
            let found = reader.view_distribution(project, &period, Scale::Log);
            assert!(found.await.unwrap().count > 0);
        },
    )
    .await;
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().unwrap());
    let mut argument = |usual| arguments.next().unwrap_or(usual);
    let size = Size {
        videos: argument(1_000),
        days: argument(365),
        scrapes: argument(96),
        creators: argument(3),
    };
    let (clock, entropy) = (Clock::system(), Entropy::seeded(7));
    let at = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
    let mut scene = Scene {
        org: OrgId::generate(at, entropy.bytes()),
        project: ProjectId::generate(at, entropy.bytes()),
        entropy,
        first_day: at.date(),
        at,
        creators: Vec::new(),
        videos: Vec::new(),
        number: 0,
    };
    let database = testkit::postgres().await;
    let version = ProjectionVersion::CURRENT;
    let options = version.in_schema(database.options().clone());
    let options = options.options([("plan_cache_mode", "force_generic_plan")]);
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let things = scene.things(&size);
    apply(&mut connection, &things).await;
    for day in 0..size.days {
        let events = scene.readings(day, &size);
        apply(&mut connection, &events).await;
    }
    let ready = "INSERT INTO read.versions (version, position, started_at, caught_up_at)
                 VALUES (1, 1, now(), now())";
    sqlx::query(ready).execute(&mut connection).await.unwrap();
    sqlx::query("VACUUM ANALYZE")
        .execute(&mut connection)
        .await
        .unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM slots")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    println!(
        "{count} slots, {} readings",
        size.videos * size.creators * size.days
    );

    let reader = version.connect_options(database.url()).unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(reader.options([("role", "tga_query")]))
        .await
        .unwrap();
    let model = ReadModel::new(pool);
    series(&model, &scene, &clock, size.days).await;
    summaries(&model, &scene, &clock, size.days).await;
}

async fn apply(connection: &mut PgConnection, events: &[RecordedEvent]) {
    let mut tx = connection.begin().await.unwrap();
    apply_in_tx(&mut tx, events, &SubjectKeyring::default())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
