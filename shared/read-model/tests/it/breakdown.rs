//! A creator's figures by video: they add up to the series, and the ten highest stand first.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use domain::event::{ObservationRecorded, Reading, VideoStats};
use domain::ids::{CreatorId, OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use read_model::analytics::{
    Calendar, EntityKind, Granularity, Measure, Metric, Mode, Point, Value,
};
use read_model::{AnalyticsAnswer, AnalyticsRequest, EntitySeries, OrgReader, Source};
use uuid::Uuid;

use crate::support::{Journal, apply, id, instant, projection, read_model, sample};

const METRICS: [Metric; 6] = [
    Metric::Views,
    Metric::Likes,
    Metric::Comments,
    Metric::Shares,
    Metric::Saves,
    Metric::EngagementRateByViews,
];

fn creator() -> CreatorId {
    CreatorId::from_uuid(id(3, 0, 0))
}

fn video(number: u64) -> VideoId {
    VideoId::from_uuid(id(4, 0, number))
}

/// Videos of which the one with the number n gains 10 n views a day and n likes, read at noon from
/// the day n % 3 on; the last two are never read. Comments are never reported, shares once.
fn journal(videos: u64) -> Journal {
    let mut journal = Journal::new(OrgId::from_uuid(id(1, 0, 0)));
    let project = ProjectId::from_uuid(id(2, 0, 0));
    journal.record(sample::org(Plan::Ultra));
    journal.record(sample::project(project, "Project"));
    journal.record(sample::creator(project, creator(), "creator"));
    for number in 0..videos {
        journal.record(sample::video(project, creator(), video(number), number));
    }
    for day in 1..=6 {
        let read = (0..videos - 2).filter(|number| number % 3 < day);
        let readings = read.map(|number| {
            Reading::VideoStats(VideoStats {
                video_id: video(number),
                observed_at: instant(&format!("2026-01-0{day}T12:00:00Z")),
                view_count: Some(1_000 - number + 10 * number * day),
                like_count: Some(50 + number * day),
                comment_count: None,
                share_count: (number == 5 && day == 3).then_some(7),
                save_count: (day != 4).then_some(day),
            })
        });
        journal.record(ObservationRecorded {
            readings: readings.collect(),
        });
    }
    journal
}

fn request(metric: Metric, mode: Mode) -> AnalyticsRequest {
    let day = |text: &str| text.parse().unwrap();
    let (from, to) = (day("2026-01-02"), day("2026-01-08"));
    AnalyticsRequest {
        entity: EntityKind::Creator,
        ids: vec![creator().as_uuid()],
        measure: Measure::new(metric, None).unwrap(),
        mode,
        calendar: Calendar::try_new(from, to, Tz::Asia__Kathmandu, Granularity::Day).unwrap(),
        now: instant("2026-01-05T13:00:00Z"),
        known_from: None,
        with_prior: false,
        by_video: true,
    }
}

async fn ask(
    reader: &mut OrgReader,
    request: &AnalyticsRequest,
    source: Source,
) -> AnalyticsAnswer {
    reader.analytics(request, source).await.unwrap().unwrap()
}

fn count(value: Option<Value>) -> i64 {
    match value {
        Some(Value::Count(count)) => count,
        None => 0,
        Some(Value::Decimal(_)) => panic!("a count is expected"),
    }
}

fn sums(points: &[Point]) -> Vec<i64> {
    points.iter().map(|point| count(point.value)).collect()
}

/// Bucket by bucket, null as 0; so do totals and start values.
fn adds_up(answer: &AnalyticsAnswer) {
    let whole = &answer.series[0].series;
    let mut points = vec![0; whole.points.len()];
    let (mut total, mut start) = (0, 0);
    for entry in &answer.breakdown {
        for (sum, value) in points.iter_mut().zip(sums(&entry.series.points)) {
            *sum += value;
        }
        total += count(entry.series.total);
        start += entry.series.start_value.unwrap_or(0);
    }
    assert_eq!(points, sums(&whole.points));
    assert_eq!(total, count(whole.total));
    assert_eq!(start, whole.start_value.unwrap_or(0));
}

/// The highest total first, null last, ties by id.
fn is_in_order(entries: &[EntitySeries]) {
    let places = entries.iter().filter(|entry| entry.entity.id.is_some());
    let places: Vec<_> = places
        .map(|entry| (std::cmp::Reverse(entry.series.total), entry.entity.id))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test]
async fn the_entries_add_up_to_the_series_and_the_highest_stand_first() {
    for videos in [3, 10, 11, 14, 24] {
        let database = projection().await;
        apply(database.pool(), &journal(videos).events).await;
        let mut reader = read_model(&database)
            .org(OrgId::from_uuid(id(1, 0, 0)))
            .await
            .unwrap();
        for metric in METRICS {
            for mode in Mode::ALL {
                let request = request(metric, mode);
                let answer = ask(&mut reader, &request, Source::RollUps).await;
                assert_eq!(answer, ask(&mut reader, &request, Source::Raw).await);
                if !metric.is_derived() {
                    adds_up(&answer);
                }
                is_in_order(&answer.breakdown);
                let named = usize::try_from(videos).unwrap().min(10);
                let has_others = usize::from(videos > 10);
                assert_eq!(answer.breakdown.len(), named + has_others, "{metric}");
                let last = &answer.breakdown.last().unwrap().entity;
                assert_eq!(last.id.is_none(), videos > 10);
                the_ten_are_the_highest(&mut reader, &request, &answer, videos).await;
            }
        }
    }
}

/// Against each video asked for alone.
async fn the_ten_are_the_highest(
    reader: &mut OrgReader,
    request: &AnalyticsRequest,
    answer: &AnalyticsAnswer,
    videos: u64,
) {
    let mut alone = BTreeMap::new();
    for number in 0..videos {
        let request = AnalyticsRequest {
            entity: EntityKind::Video,
            ids: vec![video(number).as_uuid()],
            by_video: false,
            ..request.clone()
        };
        let found = ask(reader, &request, Source::RollUps).await;
        alone.insert(video(number).as_uuid(), found.series[0].series.clone());
    }
    let mut order: Vec<Uuid> = alone.keys().copied().collect();
    order.sort_by_key(|id| (std::cmp::Reverse(alone[id].total), *id));
    let named = answer.breakdown.iter().filter_map(|entry| {
        let id = entry.entity.id?;
        assert_eq!(entry.series, alone[&id]);
        Some(id)
    });
    let named: Vec<Uuid> = named.collect();
    assert_eq!(named, order[..named.len()]);
}
