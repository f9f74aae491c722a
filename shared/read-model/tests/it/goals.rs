//! What is reached of goals, and marks on the time axis.

use chrono_tz::Tz;
use domain::event::{
    CreatorAutoDisabled, CreatorChanged, CreatorProfile, CreatorRemoved, CreatorRenamed, EntityRef,
    GoalChanged, GoalMetric, ObservationRecorded, Reading, TrackingDisabledReason, TrackingMode,
    VideoDetails, VideoStats, VideoTrackingDisabled,
};
use domain::ids::{AnnotationId, CreatorId, GoalId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use domain::platform::{Handle, Platform};
use read_model::analytics::EntityKind;
use read_model::{AnnotationFilter, ComplianceFilter, CreatorCompliance, GoalFilter, Page};
use testkit::TestDatabase;

use crate::support::{Journal, apply, id, instant, projection, read_model, sample};

fn org() -> OrgId {
    OrgId::from_uuid(id(1, 2, 0))
}

fn project() -> ProjectId {
    ProjectId::from_uuid(id(2, 2, 0))
}

fn creator(number: u64) -> CreatorId {
    CreatorId::from_uuid(id(3, 2, number))
}

fn video(number: u64) -> VideoId {
    VideoId::from_uuid(id(4, 2, number))
}

fn goal(number: u64) -> GoalId {
    GoalId::from_uuid(id(7, 2, number))
}

fn furnished() -> Journal {
    let mut journal = Journal::new(org());
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(), "Project"));
    for (number, handle) in [(0, "b.goat"), (1, "A.goat"), (2, "c.goat")] {
        journal.record(sample::creator(project(), creator(number), handle));
    }
    journal
}

fn stats(number: u64, at: &str, views: u64, likes: u64) -> Reading {
    let stats = sample::views(video(number), at, views);
    Reading::VideoStats(VideoStats {
        like_count: Some(likes),
        ..stats
    })
}

fn posted(number: u64, at: &str) -> Reading {
    Reading::Video(VideoDetails {
        video_id: video(number),
        observed_at: instant("2026-03-01T00:00:00Z"),
        url: None,
        title: None,
        posted_at: Some(instant(at)),
        media_type: None,
        thumbnail_url: None,
    })
}

fn followers(at: &str, followers: u64) -> Reading {
    Reading::CreatorProfile(CreatorProfile {
        creator_id: creator(0),
        observed_at: instant(at),
        display_name: None,
        avatar_url: None,
        follower_count: Some(followers),
        following_count: None,
        like_count: None,
        video_count: None,
    })
}

async fn compliance(database: &TestDatabase, with_goals_only: bool) -> Vec<CreatorCompliance> {
    let model = read_model(database);
    let mut reader = model.org(org()).await.unwrap();
    let filter = ComplianceFilter {
        project_id: project(),
        creator_id: None,
        period: None,
        reference_date: "2026-03-04".parse().unwrap(),
        tz: Tz::UTC,
        with_goals_only,
    };
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = reader.compliance(&filter, 1, after.as_ref()).await.unwrap();
        assert!(page.len() <= 1);
        all.extend(page);
        after = next;
        if after.is_none() {
            return all;
        }
    }
}

/// The week of 2 March: one video posted before it, one in it, one whose tracking ended.
#[tokio::test]
async fn each_metric_is_reached_as_the_contract_says() {
    let database = projection().await;
    let mut journal = furnished();
    for number in 0..3 {
        journal.record(sample::video(project(), creator(0), video(number), number));
    }
    let metrics = [
        GoalMetric::Posts,
        GoalMetric::Views,
        GoalMetric::Engagement,
        GoalMetric::Followers,
    ];
    for (number, metric) in (0..).zip(metrics) {
        journal.record(sample::goal(creator(0), goal(number), metric));
    }
    journal.record(ObservationRecorded {
        readings: vec![
            posted(0, "2026-02-20T00:00:00Z"),
            posted(1, "2026-03-03T00:00:00Z"),
            posted(2, "2026-03-03T00:00:00Z"),
            stats(0, "2026-02-21T00:00:00Z", 100, 10),
            stats(0, "2026-03-04T00:00:00Z", 150, 12),
            stats(0, "2026-03-09T00:00:00Z", 999, 99),
            stats(1, "2026-03-03T06:00:00Z", 40, 4),
            stats(1, "2026-03-05T00:00:00Z", 70, 5),
            stats(2, "2026-03-05T00:00:00Z", 10_000, 1_000),
            followers("2026-02-01T00:00:00Z", 500),
            followers("2026-03-03T00:00:00Z", 530),
            followers("2026-03-07T00:00:00Z", 525),
        ],
    });
    journal.record(VideoTrackingDisabled {
        video_id: video(2),
        reason: TrackingDisabledReason::Manual,
    });
    apply(database.pool(), &journal.events).await;
    let all = compliance(&database, false).await;
    let handles: Vec<_> = all.iter().map(|one| one.creator.handle.as_str()).collect();
    assert_eq!(handles, ["A.goat", "b.goat", "c.goat"]);
    let reached: Vec<_> = all[1].goals.iter().map(|one| one.actual).collect();
    // 50 of what was there before, and all 70 of what was posted inside.
    assert_eq!(reached, [1, 50 + 70, 2 + 5, 25]);
    assert_eq!(all[1].last_stats_at, Some(instant("2026-03-09T00:00:00Z")));
    assert!(all[0].goals.is_empty());
    let with_goals = compliance(&database, true).await;
    assert_eq!(with_goals, all[1..2]);
}

#[tokio::test]
async fn only_days_of_the_goals_own_range_count() {
    let database = projection().await;
    let mut journal = furnished();
    journal.record(sample::video(project(), creator(0), video(0), 0));
    journal.record(sample::goal(creator(0), goal(0), GoalMetric::Views));
    journal.record(ObservationRecorded {
        readings: vec![
            posted(0, "2026-02-20T00:00:00Z"),
            stats(0, "2026-03-01T00:00:00Z", 100, 0),
            stats(0, "2026-03-02T12:00:00Z", 120, 0),
            stats(0, "2026-03-03T12:00:00Z", 150, 0),
            stats(0, "2026-03-05T12:00:00Z", 190, 0),
        ],
    });
    let change = |start: Option<&str>, end: Option<&str>| GoalChanged {
        goal_id: goal(0),
        target_value: None,
        start_date: Some(start.map(|day| day.parse().unwrap())),
        end_date: Some(end.map(|day| day.parse().unwrap())),
        is_active: None,
    };
    apply(database.pool(), &journal.events).await;
    for (start, end, expected) in [
        (None, None, Some(90)),
        (Some("2026-03-03"), Some("2026-03-04"), Some(30)),
        (Some("2026-03-03"), None, Some(70)),
        (Some("2026-03-20"), None, Some(0)),
        (None, Some("2026-03-01"), None),
    ] {
        let before = journal.events.len();
        journal.record(change(start, end));
        apply(database.pool(), &journal.events[before..]).await;
        let all = compliance(&database, false).await;
        let reached = all[1].goals.first().map(|one| one.actual);
        assert_eq!(reached, expected, "{start:?} to {end:?}");
    }
}

#[tokio::test]
async fn goals_are_listed_the_newest_first_and_leave_with_their_creator() {
    let database = projection().await;
    let mut journal = furnished();
    journal.record(sample::goal(creator(0), goal(0), GoalMetric::Posts));
    journal.record(sample::goal(creator(1), goal(1), GoalMetric::Views));
    journal.record(sample::goal(creator(0), goal(2), GoalMetric::Views));
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let filter = GoalFilter {
        project_id: project(),
        creator_id: None,
        metric: None,
        period: None,
        is_active: None,
    };
    let list = async |filter: &GoalFilter| {
        let mut reader = model.org(org()).await.unwrap();
        let listed = reader.goals(filter, Page::default()).await.unwrap();
        listed.items.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&filter).await, [goal(2), goal(1), goal(0)]);
    let of_views = GoalFilter {
        metric: Some(GoalMetric::Views),
        creator_id: Some(creator(0)),
        ..filter.clone()
    };
    assert_eq!(list(&of_views).await, [goal(2)]);
    let before = journal.events.len();
    journal.record(CreatorRemoved {
        creator_id: creator(0),
    });
    apply(database.pool(), &journal.events[before..]).await;
    assert_eq!(list(&filter).await, [goal(1)]);
}

#[tokio::test]
async fn marks_of_people_and_of_the_system_are_listed_by_day() {
    let database = projection().await;
    let mut journal = furnished();
    let (mode, nothing) = (TrackingMode::Selective, None);
    let changed = |tracking_mode| CreatorChanged {
        creator_id: creator(0),
        tracking_mode,
        tracking_start_date: None,
        display_name: None,
        readme: Some(None),
        metadata: None,
    };
    journal.record(changed(nothing));
    journal.record(changed(Some(mode)));
    let handle = |text| Handle::parse(Platform::Tiktok, text).unwrap();
    journal.record(CreatorRenamed {
        creator_id: creator(0),
        handle: handle("ram"),
        previous: handle("b.goat"),
    });
    journal.record(CreatorAutoDisabled {
        creator_id: creator(1),
        reason: "account is gone".to_owned(),
    });
    let mark = |number| AnnotationId::from_uuid(id(8, 2, number));
    let about = Some(EntityRef::Creator(creator(0)));
    journal.record(sample::annotation(project(), mark(0), None, "2026-01-02"));
    journal.record(sample::annotation(project(), mark(1), about, "2025-12-31"));
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let mut reader = model.org(org()).await.unwrap();
    let all = AnnotationFilter::default();
    let mut kinds = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = reader.annotations(&all, 2, after).await.unwrap();
        kinds.extend(
            page.into_iter()
                .map(|mark| (mark.date.to_string(), mark.kind)),
        );
        after = next;
        if after.is_none() {
            break;
        }
    }
    let mut found: Vec<_> = kinds.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!((found[0], found[found.len() - 1]), ("launch", "launch"));
    assert!(
        kinds.windows(2).all(|two| two[0].0 >= two[1].0),
        "{kinds:?}"
    );
    found.sort_unstable();
    let expected = [
        "creator_added",
        "creator_added",
        "creator_added",
        "creator_auto_disabled",
        "handle_changed",
        "launch",
        "launch",
        "tracking_mode_changed",
    ];
    assert_eq!(found, expected);
    let (from, to) = ("2025-12-31".parse().unwrap(), "2026-01-01".parse().unwrap());
    let of_one = AnnotationFilter {
        entity: about,
        from: Some(from),
        to: Some(to),
        ..AnnotationFilter::default()
    };
    let (marks, _) = reader.annotations(&of_one, 50, None).await.unwrap();
    assert_eq!(marks.len(), 4);
    let renamed = marks
        .iter()
        .find(|mark| mark.kind == "handle_changed")
        .unwrap();
    assert_eq!(renamed.label, "Handle changed from b.goat to ram");
    assert_eq!(renamed.source, "system");

    let to = "2026-01-31".parse().unwrap();
    let beside = |kind, of| (kind, vec![of], from, to);
    for ((kind, ids, from, to), count) in [
        (beside(EntityKind::Project, project().as_uuid()), 1),
        (beside(EntityKind::Creator, creator(0).as_uuid()), 5),
        (beside(EntityKind::Creator, creator(1).as_uuid()), 3),
    ] {
        let marks = reader
            .annotations_beside(kind, &ids, from, to)
            .await
            .unwrap();
        assert_eq!(marks.len(), count, "{kind:?}");
    }
}
