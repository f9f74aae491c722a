//! What the write side shows after a command, from the log, and what the read side shows at the
//! same position, from the projection, are the same: in whatever order and however often corrected
//! the readings come.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::event::{
    Actor, CreatorProfile, Event, MediaType, ObservationRecorded, Reading, VideoDetails, VideoStats,
};
use domain::ids::{CreatorId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use domain::sealed::{Sealed, SubjectKey};
use domain::time::Timestamp;
use event_log::{AppendRequest, Config, EventLog};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use read_model::{Creator, ReadModel, SubjectKeyring, Video};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use sqlx::PgPool;

use crate::support::{Journal, apply_with, id, instant, projection, read_model, sample};

/// One line of an ingest: at one of few instants, with few of its fields.
#[derive(Debug, Clone)]
enum Line {
    Video(i64, [Option<u8>; 5]),
    Stats(i64, [Option<u8>; 5]),
    Profile(i64, [Option<u8>; 6]),
}

/// Appends of events of lines.
type Lines = Vec<Vec<Vec<Line>>>;

fn lines() -> impl Strategy<Value = Lines> {
    let field = || prop::option::weighted(0.4, 0_u8..200);
    let video = prop::array::uniform5(field());
    let profile = prop::array::uniform6(field());
    let stats = prop::array::uniform5(field()).prop_map(|mut counts| {
        // A line without any count is refused.
        if counts.iter().all(Option::is_none) {
            counts[0] = Some(0);
        }
        counts
    });
    let line = prop_oneof![
        (0_i64..3, video).prop_map(|(at, fields)| Line::Video(at, fields)),
        (0_i64..3, stats).prop_map(|(at, counts)| Line::Stats(at, counts)),
        (0_i64..3, profile).prop_map(|(at, fields)| Line::Profile(at, fields)),
    ];
    let event = prop::collection::vec(line, 1..5);
    prop::collection::vec(prop::collection::vec(event, 1..4), 1..6)
}

/// A video and its creator on both sides.
struct Sides {
    log: EventLog,
    pool: PgPool,
    model: ReadModel,
    journal: Journal,
    key: SubjectKey,
    creator: CreatorId,
    video: VideoId,
}

#[test]
fn both_sides_show_the_same_whatever_was_read_and_corrected() {
    static CASE: AtomicU64 = AtomicU64::new(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let database = runtime.block_on(projection());
    let clock = Clock::system();
    let (log, appender) = EventLog::new(
        database.pool().clone(),
        clock.clone(),
        Entropy::os(),
        Config::default(),
    );
    let lifecycle = Lifecycle::new(clock);
    let tasks = lifecycle.handle();
    runtime.block_on(async {
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
    });
    let cases = Cases {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Cases::default()
    };
    let held = TestRunner::new(cases).run(&lines(), |lines| {
        let case = CASE.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(async {
            let model = read_model(&database);
            let pool = database.pool().clone();
            let mut sides = Sides::new(log.clone(), pool, model, case).await;
            for events in &lines {
                sides.append(events).await;
                prop_assert_eq!(sides.video_written().await, sides.video_read().await);
                prop_assert_eq!(sides.creator_written().await, sides.creator_read().await);
            }
            Ok(())
        })
    });
    runtime.block_on(lifecycle.shutdown(ShutdownPolicy::default()));
    held.unwrap();
}

/// What is shown of a video besides what was decided.
#[derive(Debug, Default, PartialEq)]
struct ShownVideo {
    url: Option<String>,
    title: Option<String>,
    posted_at: Option<Timestamp>,
    media_type: Option<MediaType>,
    thumbnail_url: Option<String>,
    counts: [Option<u64>; 5],
    stats_at: Option<Timestamp>,
}

/// What is shown of a creator besides what was decided.
#[derive(Debug, Default, PartialEq)]
struct ShownCreator {
    display_name: Option<String>,
    avatar_url: Option<String>,
    counts: [Option<u64>; 4],
    profile_at: Option<Timestamp>,
}

impl Sides {
    async fn new(log: EventLog, pool: PgPool, model: ReadModel, case: u64) -> Self {
        let project = ProjectId::from_uuid(id(2, case, 0));
        let creator = CreatorId::from_uuid(id(3, case, 0));
        let video = VideoId::from_uuid(id(4, case, 0));
        let mut journal = Journal::new(OrgId::from_uuid(id(1, case, 0)));
        journal.record(sample::org(Plan::Ultra));
        journal.record(sample::project(project, "One"));
        journal.record(sample::creator(project, creator, "one"));
        journal.record(sample::video(project, creator, video, 17));
        let mut sides = Self {
            log,
            pool,
            model,
            journal,
            key: SubjectKey::from_bytes([7; 32]),
            creator,
            video,
        };
        sides.project().await;
        sides
    }

    /// Appends to the log and brings the projection there.
    async fn append(&mut self, events: &[Vec<Line>]) {
        let events: Vec<Event> = events
            .iter()
            .map(|lines| {
                let readings = lines.iter().map(|line| self.reading(line)).collect();
                ObservationRecorded { readings }.into()
            })
            .collect();
        let request = AppendRequest {
            org_id: self.journal.org,
            expected: None,
            events: events.clone(),
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        self.log.append(request).await.unwrap();
        for event in events {
            self.journal.record(event);
        }
        self.project().await;
    }

    async fn project(&mut self) {
        let subject = self.creator.as_uuid();
        let keys = [(self.journal.org, subject, self.key.clone())];
        let keys = SubjectKeyring::from_iter(keys);
        apply_with(&self.pool, &self.journal.events, &keys).await;
        self.journal.events.clear();
    }

    fn reading(&self, line: &Line) -> Reading {
        let at =
            |second: i64| instant("2026-01-02T00:00:00Z").plus(chrono::TimeDelta::seconds(second));
        let text = |field: Option<u8>| field.map(|n| format!("https://goat.test/{n}"));
        let seal = |name, field: Option<u8>| Some(self.key.seal(name, &text(field)?));
        match line {
            Line::Video(second, [url, title, posted, media, thumbnail]) => {
                let photo = |n| {
                    if n % 2 == 0 {
                        MediaType::Photo
                    } else {
                        MediaType::Video
                    }
                };
                Reading::Video(VideoDetails {
                    video_id: self.video,
                    observed_at: at(*second),
                    url: text(*url),
                    title: text(*title),
                    posted_at: posted.map(|n| at(i64::from(n))),
                    media_type: media.map(photo),
                    thumbnail_url: text(*thumbnail),
                })
            }
            Line::Stats(second, counts) => {
                let [views, likes, comments, shares, saves] = counts.map(|n| n.map(u64::from));
                Reading::VideoStats(VideoStats {
                    video_id: self.video,
                    observed_at: at(*second),
                    view_count: views,
                    like_count: likes,
                    comment_count: comments,
                    share_count: shares,
                    save_count: saves,
                })
            }
            Line::Profile(second, [name, avatar, counts @ ..]) => {
                let [followers, following, likes, videos] = counts.map(|n| n.map(u64::from));
                Reading::CreatorProfile(CreatorProfile {
                    creator_id: self.creator,
                    observed_at: at(*second),
                    display_name: seal("display_name", *name),
                    avatar_url: seal("avatar_url", *avatar),
                    follower_count: followers,
                    following_count: following,
                    like_count: likes,
                    video_count: videos,
                })
            }
        }
    }

    async fn latest(&self, kind: i16, subject: uuid::Uuid) -> Option<Reading> {
        let subjects = [subject];
        let latest = self.log.latest_readings(self.journal.org, kind, &subjects);
        latest.await.unwrap().remove(&subject)
    }

    async fn video_written(&self) -> ShownVideo {
        let subject = self.video.as_uuid();
        let mut shown = ShownVideo::default();
        if let Some(Reading::Video(details)) = self.latest(2, subject).await {
            shown.url = details.url;
            shown.title = details.title;
            shown.posted_at = details.posted_at;
            shown.media_type = details.media_type;
            shown.thumbnail_url = details.thumbnail_url;
        }
        if let Some(Reading::VideoStats(stats)) = self.latest(1, subject).await {
            shown.counts = [
                stats.view_count,
                stats.like_count,
                stats.comment_count,
                stats.share_count,
                stats.save_count,
            ];
            shown.stats_at = Some(stats.observed_at);
        }
        // What was said when it was found stands in for what nobody reported.
        let found = sample::video(
            ProjectId::from_uuid(id(2, 0, 0)),
            self.creator,
            self.video,
            17,
        );
        shown.url.get_or_insert(found.url);
        shown.media_type.get_or_insert(found.media_type);
        shown
    }

    async fn video_read(&self) -> ShownVideo {
        let mut reader = self.model.org(self.journal.org).await.unwrap();
        let video: Video = reader.video(self.video).await.unwrap().unwrap();
        ShownVideo {
            url: Some(video.url),
            title: video.title,
            posted_at: video.posted_at,
            media_type: Some(video.media_type),
            thumbnail_url: video.thumbnail_url,
            counts: [
                video.view_count,
                video.like_count,
                video.comment_count,
                video.share_count,
                video.save_count,
            ],
            stats_at: video.stats_at,
        }
    }

    async fn creator_written(&self) -> ShownCreator {
        let Some(Reading::CreatorProfile(profile)) = self.latest(3, self.creator.as_uuid()).await
        else {
            return ShownCreator::default();
        };
        let open = |field, sealed: Option<Sealed>| self.key.open(field, &sealed?).ok();
        ShownCreator {
            display_name: open("display_name", profile.display_name),
            avatar_url: open("avatar_url", profile.avatar_url),
            counts: [
                profile.follower_count,
                profile.following_count,
                profile.like_count,
                profile.video_count,
            ],
            profile_at: Some(profile.observed_at),
        }
    }

    async fn creator_read(&self) -> ShownCreator {
        let mut reader = self.model.org(self.journal.org).await.unwrap();
        let creator: Creator = reader.creator(self.creator).await.unwrap().unwrap();
        ShownCreator {
            display_name: creator.display_name,
            avatar_url: creator.avatar_url,
            counts: [
                creator.follower_count,
                creator.following_count,
                creator.like_count,
                creator.video_count,
            ],
            profile_at: creator.profile_at,
        }
    }
}
