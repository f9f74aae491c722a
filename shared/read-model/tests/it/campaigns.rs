//! Campaigns: what they hold, what is in them, and how their roll-ups follow.

use chrono_tz::Tz;
use domain::event::{
    CampaignItemsAdded, CampaignItemsRemoved, CampaignRemoved, CreatorRemoved, EntityRef,
    EntityType, ObservationRecorded, ProjectRemoved, Reading, TrackingStatus, VideoReviewed,
};
use domain::ids::{CampaignId, CreatorId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use read_model::analytics::{
    Calendar, EntityKind, Granularity, Inputs, Measure, Metric, Mode, Value,
};
use read_model::{AnalyticsRequest, MemberKind, OrgReader, Page, Source};
use sqlx::PgPool;

use crate::support::{Journal, apply, id, instant, projection, read_model, roll, roll_all, sample};

fn org() -> OrgId {
    OrgId::from_uuid(id(1, 1, 0))
}

fn project() -> ProjectId {
    ProjectId::from_uuid(id(2, 1, 0))
}

fn creator(number: u64) -> CreatorId {
    CreatorId::from_uuid(id(3, 1, number))
}

fn video(number: u64) -> VideoId {
    VideoId::from_uuid(id(4, 1, number))
}

fn campaign(number: u64) -> CampaignId {
    CampaignId::from_uuid(id(5, 1, number))
}

/// Two creators, and so many videos of the first.
fn furnished(videos: u64) -> Journal {
    let mut journal = Journal::new(org());
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project(), "Project"));
    for number in 0..2 {
        let handle = format!("creator{number}");
        journal.record(sample::creator(project(), creator(number), &handle));
    }
    for number in 0..videos {
        journal.record(sample::video(project(), creator(0), video(number), number));
        let (first, second) = (10 * number, 11 * number + 1);
        let readings = [
            ("2026-01-02T00:00:00Z", first),
            ("2026-01-03T00:00:00Z", second),
        ];
        let readings = readings.map(|(at, views)| sample::views(video(number), at, views));
        let readings = readings.map(Reading::VideoStats).to_vec();
        journal.record(ObservationRecorded { readings });
    }
    for number in 0..3 {
        let name = format!("Campaign {number}");
        journal.record(sample::campaign(project(), campaign(number), &name));
    }
    journal
}

fn put(number: u64, items: &[EntityRef]) -> CampaignItemsAdded {
    CampaignItemsAdded {
        campaign_id: campaign(number),
        items: items.to_vec(),
    }
}

async fn views_gained(reader: &mut OrgReader, number: u64) -> Option<Value> {
    let day = |text: &str| text.parse().unwrap();
    let (from, to) = (day("2026-01-01"), day("2026-01-05"));
    let request = AnalyticsRequest {
        entity: EntityKind::Campaign,
        ids: vec![campaign(number).as_uuid()],
        measure: Measure::new(Metric::Views, None).unwrap(),
        mode: Mode::New,
        calendar: Calendar::try_new(from, to, Tz::UTC, Granularity::Day).unwrap(),
        now: instant("2026-01-06T00:00:00Z"),
        known_from: None,
        with_prior: false,
        by_video: false,
    };
    let answer = reader.analytics(&request, Source::RollUps).await.unwrap();
    answer.unwrap().series[0].series.total
}

/// What the roll-ups alone say.
async fn rolled_gain(reader: &mut OrgReader, number: u64) -> i128 {
    let edges = [
        instant("2026-01-01T00:00:00Z"),
        instant("2026-01-06T00:00:00Z"),
    ];
    let unit = campaign(number).as_uuid();
    let levels = reader
        .rolled_up(&[unit], &edges, Inputs::ALL)
        .await
        .unwrap();
    let level = levels[&unit].counter(read_model::analytics::Counter::Views, 1);
    level.value - level.base
}

#[tokio::test]
async fn a_large_campaign_is_rolled_up_in_steps_and_answers_right_all_along() {
    const VIDEOS: u64 = 250;
    let database = projection().await;
    let model = read_model(&database);
    let mut journal = furnished(VIDEOS);
    apply(database.pool(), &journal.events).await;
    let before = journal.events.len();
    journal.record(put(0, &[EntityRef::Creator(creator(0))]));
    journal.record(put(
        1,
        &[EntityRef::Campaign(campaign(0)), EntityRef::Video(video(3))],
    ));
    let applied = apply(database.pool(), &journal.events[before..]).await;
    assert!(!applied.is_rolled, "a batch only marks the campaigns");
    assert_eq!(rolled(database.pool()).await, (0, 0, 1));

    let gain: u64 = (0..VIDEOS).map(|number| number + 1).sum();
    let expected = Some(Value::Count(gain.try_into().unwrap()));
    let mut steps = 0;
    loop {
        let mut reader = model.org(org()).await.unwrap();
        for number in [0, 1] {
            assert_eq!(views_gained(&mut reader, number).await, expected);
        }
        drop(reader);
        // Each video has two readings.
        let (before, ..) = rolled(database.pool()).await;
        if !roll(database.pool(), 100).await {
            break;
        }
        let (after, ..) = rolled(database.pool()).await;
        assert!(after - before <= 50, "a step is bounded in readings");
        steps += 1;
        assert!(steps < 20, "it comes to an end");
    }
    assert_eq!(rolled(database.pool()).await, (500, 2, 3));
    let mut reader = model.org(org()).await.unwrap();
    for number in [0, 1] {
        assert_eq!(views_gained(&mut reader, number).await, expected);
        assert_eq!(rolled_gain(&mut reader, number).await, gain.into());
    }
    drop(reader);

    // And back.
    let before = journal.events.len();
    journal.record(CampaignItemsRemoved {
        campaign_id: campaign(0),
        items: vec![EntityRef::Creator(creator(0))],
    });
    apply(database.pool(), &journal.events[before..]).await;
    let mut reader = model.org(org()).await.unwrap();
    assert_eq!(views_gained(&mut reader, 0).await, None);
    assert_eq!(views_gained(&mut reader, 1).await, Some(Value::Count(4)));
    drop(reader);
    roll_all(database.pool()).await;
    let mut reader = model.org(org()).await.unwrap();
    assert_eq!(rolled_gain(&mut reader, 0).await, 0);
    assert_eq!(rolled_gain(&mut reader, 1).await, 4);
}

/// Rows of what is rolled up: videos in campaigns, creators in campaigns; then campaigns that do
/// not wait.
async fn rolled(pool: &PgPool) -> (i64, i64, i64) {
    let counts = "SELECT (SELECT count(*) FROM campaign_videos),
                         (SELECT count(*) FROM campaign_creators),
                         (SELECT count(*) FROM campaigns WHERE is_rolled)";
    sqlx::query_as(counts).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_step_looks_at_one_campaign_and_moves_one_thing_at_least() {
    let database = projection().await;
    let mut journal = furnished(2);
    // Two that hold it, and nothing to move for either.
    journal.record(put(1, &[EntityRef::Campaign(campaign(0))]));
    journal.record(put(2, &[EntityRef::Campaign(campaign(1))]));
    journal.record(put(0, &[EntityRef::Creator(creator(1))]));
    let applied = apply(database.pool(), &journal.events).await;
    assert!(!applied.is_rolled);
    let mut waiting = vec![rolled(database.pool()).await];
    while roll(database.pool(), 1).await {
        waiting.push(rolled(database.pool()).await);
    }
    // A creator each, in a step of its own, and a last look at each.
    assert_eq!(waiting.first(), Some(&(0, 0, 0)));
    assert_eq!((waiting.last(), waiting.len()), (Some(&(0, 3, 3)), 7));
    for pair in waiting.windows(2) {
        let ((_, before, rolled_before), (_, after, rolled_after)) = (pair[0], pair[1]);
        let done = (after - before) + (rolled_after - rolled_before);
        assert_eq!(done, 1, "{pair:?}");
    }
    let applied = apply(database.pool(), &[]).await;
    assert!(applied.is_rolled);
}

#[tokio::test]
async fn campaigns_and_what_they_hold_are_listed_the_newest_first() {
    let database = projection().await;
    let mut journal = furnished(1);
    let items = [
        EntityRef::Creator(creator(0)),
        EntityRef::Video(video(0)),
        EntityRef::Campaign(campaign(1)),
    ];
    for item in items {
        journal.record(put(0, &[item]));
    }
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let mut reader = model.org(org()).await.unwrap();
    let page = |limit, after| Page { limit, after };
    let first = reader.campaigns(None, None, page(2, None)).await.unwrap();
    let ids: Vec<_> = first.items.iter().map(|one| one.id).collect();
    assert_eq!(ids, [campaign(2), campaign(1)]);
    let second = reader
        .campaigns(Some(project()), Some("campaign"), page(2, first.next))
        .await
        .unwrap();
    assert_eq!((second.items[0].id, second.next), (campaign(0), None));
    assert_eq!(second.items[0].item_count, 3);

    let held = reader
        .campaign_items(campaign(0), None, page(2, None))
        .await;
    let held = held.unwrap();
    let labels: Vec<_> = held.items.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["Campaign 1", "0"]);
    let rest = reader
        .campaign_items(campaign(0), None, page(2, held.next))
        .await;
    let rest = rest.unwrap();
    assert_eq!(rest.items[0].item, EntityRef::Creator(creator(0)));
    assert_eq!(
        (rest.items[0].label.as_str(), rest.next),
        ("creator0", None)
    );
    let videos = reader
        .campaign_items(campaign(0), Some(EntityType::Video), page(50, None))
        .await;
    assert_eq!(videos.unwrap().items.len(), 1);
}

#[tokio::test]
async fn figures_are_of_the_union_of_counted_videos() {
    let database = projection().await;
    let mut journal = furnished(3);
    journal.record(put(
        0,
        &[EntityRef::Campaign(campaign(1)), EntityRef::Video(video(0))],
    ));
    journal.record(put(
        1,
        &[
            EntityRef::Creator(creator(0)),
            EntityRef::Creator(creator(1)),
        ],
    ));
    let excluded = VideoReviewed {
        video_id: video(2),
        tracking_status: TrackingStatus::Excluded,
        previous: TrackingStatus::AutoTracked,
    };
    journal.record(excluded);
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let mut reader = model.org(org()).await.unwrap();
    let figures = reader.campaign_figures(campaign(0)).await.unwrap();
    assert_eq!(
        (figures.videos, figures.creators, figures.views),
        (2, 2, Some(1 + 12))
    );
    let empty = reader.campaign_figures(campaign(2)).await.unwrap();
    assert_eq!((empty.videos, empty.creators, empty.views), (0, 0, None));
}

#[tokio::test]
async fn absurd_views_are_cut_off_and_removed_creators_are_not_counted() {
    let database = projection().await;
    let mut journal = furnished(3);
    let items = [0, 1].map(|number| EntityRef::Creator(creator(number)));
    journal.record(put(0, &items));
    // As from a log that does not say that it left the campaign.
    journal.record(CreatorRemoved {
        creator_id: creator(1),
    });
    apply(database.pool(), &journal.events).await;
    sqlx::query("UPDATE video_stats SET views = 9223372036854775807")
        .execute(database.pool())
        .await
        .unwrap();
    let model = read_model(&database);
    let mut reader = model.org(org()).await.unwrap();
    let figures = reader.campaign_figures(campaign(0)).await.unwrap();
    assert_eq!((figures.videos, figures.creators), (3, 1));
    assert_eq!(figures.views, Some(i64::MAX));
}

#[tokio::test]
async fn what_campaigns_share_is_told_by_creator_and_by_video() {
    let database = projection().await;
    let mut journal = furnished(3);
    journal.record(put(0, &[EntityRef::Creator(creator(0))]));
    journal.record(put(
        1,
        &[EntityRef::Video(video(1)), EntityRef::Creator(creator(1))],
    ));
    apply(database.pool(), &journal.events).await;
    let model = read_model(&database);
    let mut reader = model.org(org()).await.unwrap();
    let videos = reader
        .member_overlap(project(), MemberKind::Video, None)
        .await
        .unwrap()
        .unwrap();
    let sizes: Vec<_> = videos
        .campaigns
        .iter()
        .map(|one| (one.id, one.size))
        .collect();
    assert_eq!(
        sizes,
        [(campaign(0), 3), (campaign(1), 1), (campaign(2), 0)]
    );
    assert_eq!((videos.pairs[0].shared, videos.pairs[0].either), (1, 3));
    assert_eq!(videos.pairs[0].jaccard().unwrap().to_string(), "0.3333");
    assert_eq!(videos.pairs[2].jaccard().unwrap().to_string(), "0");
    assert_eq!(videos.shared_members, 1);
    assert_eq!(videos.members[0].campaigns, [campaign(0), campaign(1)]);

    let named = [campaign(1), campaign(0)];
    let creators = reader
        .member_overlap(project(), MemberKind::Creator, Some(&named))
        .await
        .unwrap()
        .unwrap();
    let sizes: Vec<_> = creators
        .campaigns
        .iter()
        .map(|one| (one.id, one.size))
        .collect();
    assert_eq!(sizes, [(campaign(1), 2), (campaign(0), 1)]);
    assert_eq!(creators.members[0].label, "creator0");
    let unknown = [campaign(0), campaign(9)];
    let unknown = reader.member_overlap(project(), MemberKind::Video, Some(&unknown));
    assert_eq!(unknown.await.unwrap(), None);
}

#[tokio::test]
async fn removed_campaigns_leave_nothing_and_those_of_a_removed_project_are_not_there() {
    let database = projection().await;
    let mut journal = furnished(2);
    journal.record(put(0, &[EntityRef::Creator(creator(0))]));
    apply(database.pool(), &journal.events).await;
    roll_all(database.pool()).await;
    let rows = async || -> i64 {
        let count = "SELECT (SELECT count(*) FROM campaign_videos)
            + (SELECT count(*) FROM campaign_creators) + (SELECT count(*) FROM campaign_items)
            + (SELECT count(*) FROM slots WHERE unit_id = $1)";
        let count = sqlx::query_scalar(count).bind(campaign(0).as_uuid());
        count.fetch_one(database.pool()).await.unwrap()
    };
    assert!(rows().await > 0);
    let before = journal.events.len();
    journal.record(CampaignRemoved {
        campaign_id: campaign(0),
    });
    apply(database.pool(), &journal.events[before..]).await;
    assert_eq!(rows().await, 0);
    let model = read_model(&database);
    let mut reader = model.org(org()).await.unwrap();
    assert!(reader.campaign(campaign(0)).await.unwrap().is_none());
    assert!(reader.campaign(campaign(1)).await.unwrap().is_some());
    drop(reader);
    let before = journal.events.len();
    journal.record(ProjectRemoved {
        project_id: project(),
    });
    apply(database.pool(), &journal.events[before..]).await;
    let mut reader = model.org(org()).await.unwrap();
    assert!(reader.campaign(campaign(1)).await.unwrap().is_none());
    let listed = reader.campaigns(None, None, Page::default()).await.unwrap();
    assert!(listed.items.is_empty());
}
