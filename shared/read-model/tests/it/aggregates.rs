//! Summaries of a project: gains equal the totals of analytics, the rest what is computed by hand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{Datelike, Days, NaiveDate, TimeDelta, Timelike};
use chrono_tz::Tz;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use read_model::analytics::{
    Calendar, Decimal4, Direction, EntityKind, Granularity, Measure, Metric, Mode, Period, Scale,
    Threshold, Value, day_start,
};
use read_model::{
    AnalyticsRequest, CreatorFigure, OrgReader, OutlierQuestion, OutlierScope, Rows, Source,
    VideoOrder,
};
use uuid::Uuid;

use crate::history::{Video, World, steps};
use crate::support::{apply, instant, projection, read_model};

const ALL: Rows = Rows {
    limit: 1_000,
    offset: 0,
};
const ZONES: [Tz; 4] = [
    Tz::UTC,
    Tz::Asia__Kathmandu,
    Tz::America__Sao_Paulo,
    Tz::Pacific__Chatham,
];

fn period() -> impl Strategy<Value = Period> {
    let zone = prop::sample::select(&ZONES[..]);
    (zone, 0_u64..12, 0_u64..14, 0_i64..20).prop_map(|(zone, first, length, now)| {
        let from: NaiveDate = "2018-10-28".parse().unwrap();
        let from = from + Days::new(first);
        let now = instant("2018-10-29T01:07:00Z").plus(TimeDelta::hours(25 * now));
        Period::new(from, from + Days::new(length), zone, now)
    })
}

#[test]
fn summaries_equal_analytics_and_what_is_computed_by_hand() {
    static CASE: AtomicU64 = AtomicU64::new(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let database = runtime.block_on(projection());
    let model = read_model(&database);
    let config = Config {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let cases = (steps(), prop::collection::vec(period(), 1..3));
    TestRunner::new(config)
        .run(&cases, |(steps, periods)| {
            let mut world = World::new(CASE.fetch_add(1, Ordering::Relaxed));
            world.run(&steps);
            runtime.block_on(async {
                apply(database.pool(), &world.journal.events).await;
                let mut reader = model.org(world.journal.org).await.unwrap();
                for period in &periods {
                    creators_are_those_of_analytics(&mut reader, &world, period).await?;
                    posts_are_those_of_the_history(&mut reader, &world, period).await?;
                    views_are_spread_as_by_hand(&mut reader, &world, period).await?;
                    outliers_are_those_by_hand(&mut reader, &world, period).await?;
                }
                Ok(())
            })
        })
        .unwrap();
}

/// The total that analytics answer for one creator.
async fn total(
    reader: &mut OrgReader,
    period: &Period,
    now: Timestamp,
    creator: Uuid,
    (metric, mode): (Metric, Mode),
) -> Option<Value> {
    let calendar = Calendar::try_new(period.from(), period.to(), period.tz(), Granularity::Day);
    let request = AnalyticsRequest {
        entity: EntityKind::Creator,
        ids: vec![creator],
        measure: Measure::new(metric, None).unwrap(),
        mode,
        calendar: calendar.unwrap(),
        now,
        known_from: None,
        with_prior: false,
        by_video: false,
    };
    let answer = reader.analytics(&request, Source::RollUps).await.unwrap();
    answer.unwrap().series[0].series.total
}

/// The instant that the period is of: inside the last day it tells of.
fn now_of(period: &Period) -> Timestamp {
    period
        .end()
        .max(period.start())
        .minus(TimeDelta::microseconds(1))
}

async fn creators_are_those_of_analytics(
    reader: &mut OrgReader,
    world: &World,
    period: &Period,
) -> Result<(), TestCaseError> {
    if period.end() == period.start() {
        return Ok(());
    }
    let now = now_of(period);
    let of = |figure: CreatorFigure| {
        let metric: Metric = figure.name().parse().unwrap();
        let mode = if figure == CreatorFigure::Followers {
            Mode::Cumulative
        } else {
            Mode::New
        };
        (metric, mode)
    };
    let live = world
        .creators
        .iter()
        .filter(|creator| !creator.is_removed)
        .count();
    for order in CreatorFigure::OF_LEADERBOARD {
        let found = reader
            .creator_leaderboard(world.project, period, order, ALL)
            .await
            .unwrap();
        prop_assert_eq!((found.total_count, found.rows.len()), (live as u64, live));
        let mut places = Vec::new();
        for row in &found.rows {
            let id = row.creator.id.as_uuid();
            let count = |count: Option<i64>| count.map(Value::Count);
            for (figure, value) in [
                (CreatorFigure::Views, count(row.gains.views)),
                (CreatorFigure::Likes, count(row.gains.likes)),
                (CreatorFigure::Comments, count(row.gains.comments)),
                (CreatorFigure::Shares, count(row.gains.shares)),
                (CreatorFigure::Saves, count(row.gains.saves)),
                (CreatorFigure::Posts, count(Some(row.gains.posts))),
                (CreatorFigure::Followers, row.followers),
                (
                    CreatorFigure::EngagementRateByViews,
                    row.gains.engagement_rate_by_views,
                ),
            ] {
                let expected = total(reader, period, now, id, of(figure)).await;
                prop_assert_eq!(value, expected, "{:?}", figure);
                if figure == order {
                    places.push((Reverse(expected), id));
                }
            }
            let gained = (Metric::Followers, Mode::New);
            let expected = total(reader, period, now, id, gained).await;
            prop_assert_eq!(count(row.followers_gained), expected);
        }
        prop_assert!(places.is_sorted(), "{:?}", places);
    }
    pages_are_parts_of_the_whole(reader, world, period).await?;
    for [x, y] in [
        [CreatorFigure::Followers, CreatorFigure::Views],
        [
            CreatorFigure::AvgViewsPerPost,
            CreatorFigure::EngagementRateByViews,
        ],
        [CreatorFigure::Views, CreatorFigure::AvgViewsPerPost],
    ] {
        let found = reader
            .creator_scatter(world.project, period, [x, y], ALL)
            .await
            .unwrap();
        prop_assert_eq!((found.total_count, found.rows.len()), (live as u64, live));
        let places = found
            .rows
            .iter()
            .map(|row| (Reverse(row.y), row.creator.id));
        prop_assert!(places.is_sorted());
        for row in &found.rows {
            let id = row.creator.id.as_uuid();
            prop_assert_eq!(row.x, total(reader, period, now, id, of(x)).await);
            prop_assert_eq!(row.y, total(reader, period, now, id, of(y)).await);
            let posts = total(reader, period, now, id, of(CreatorFigure::Posts)).await;
            prop_assert_eq!(Some(Value::Count(row.posts)), posts);
        }
    }
    Ok(())
}

/// However rows are cut, they are the same rows.
async fn pages_are_parts_of_the_whole(
    reader: &mut OrgReader,
    world: &World,
    period: &Period,
) -> Result<(), TestCaseError> {
    let order = CreatorFigure::Views;
    let whole = reader
        .creator_leaderboard(world.project, period, order, ALL)
        .await
        .unwrap();
    let mut parts = Vec::new();
    for offset in 0..=whole.total_count {
        let one = Rows { limit: 1, offset };
        let part = reader
            .creator_leaderboard(world.project, period, order, one)
            .await
            .unwrap();
        prop_assert_eq!(part.total_count, whole.total_count);
        parts.extend(part.rows);
    }
    prop_assert_eq!(parts, whole.rows);
    Ok(())
}

/// The counted videos posted in the period, with their numbers.
fn posted<'a>(world: &'a World, period: &Period) -> Vec<&'a Video> {
    let (start, end) = (period.start(), period.end());
    let counted = world.videos.iter();
    counted
        .filter(|video| world.is_counted_in_project(video))
        .filter(|video| start <= video.posted && video.posted < end)
        .collect()
}

/// The last count that was ever read.
fn last_known(video: &Video, count: usize) -> Option<u64> {
    video
        .readings
        .values()
        .rev()
        .find_map(|counts| counts[count])
}

fn local(period: &Period, at: Timestamp) -> chrono::DateTime<Tz> {
    at.datetime().with_timezone(&period.tz())
}

async fn posts_are_those_of_the_history(
    reader: &mut OrgReader,
    world: &World,
    period: &Period,
) -> Result<(), TestCaseError> {
    let posted = posted(world, period);
    for (order, count) in [
        (VideoOrder::Views, 0),
        (VideoOrder::Likes, 1),
        (VideoOrder::Saves, 4),
    ] {
        let found = reader
            .video_leaderboard(world.project, period, order, ALL)
            .await
            .unwrap();
        let mut expected: Vec<_> = posted
            .iter()
            .map(|video| (Reverse(last_known(video, count)), video.id))
            .collect();
        expected.sort_unstable();
        let found = found.rows.iter().map(|row| {
            let counts = [row.view_count, row.like_count, None, None, row.save_count];
            (Reverse(counts[count]), row.id)
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    let mut cells: BTreeMap<(u32, u32), (u64, Vec<u64>)> = BTreeMap::new();
    for video in &posted {
        let at = local(period, video.posted);
        let cell = cells
            .entry((at.weekday().num_days_from_sunday(), at.hour()))
            .or_default();
        cell.0 += 1;
        cell.1.extend(last_known(video, 0));
    }
    let found = reader.posting_heatmap(world.project, period).await.unwrap();
    let found = found.iter().map(|cell| {
        let place = (u32::from(cell.day_of_week), u32::from(cell.hour));
        (place, (cell.posts, cell.average_views.map(hundredths)))
    });
    let mean = |views: &[u64]| {
        let (sum, count) = (views.iter().sum::<u64>(), views.len() as u64);
        (count > 0).then(|| (200 * sum + count) / (2 * count))
    };
    let expected = cells
        .iter()
        .map(|(place, (posts, views))| (*place, (*posts, mean(views))));
    prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());

    let found = reader
        .posting_consistency(world.project, period, ALL)
        .await
        .unwrap();
    let places = found
        .rows
        .iter()
        .map(|(card, found)| (Reverse(found.share), card.id));
    prop_assert!(places.is_sorted());
    for (card, found) in &found.rows {
        let mut own: Vec<Timestamp> = posted
            .iter()
            .filter(|video| {
                video
                    .creator
                    .is_some_and(|number| world.creators[number].id == card.id)
            })
            .map(|video| video.posted)
            .collect();
        own.sort_unstable();
        let days: BTreeSet<NaiveDate> = own
            .iter()
            .map(|at| local(period, *at).date_naive())
            .collect();
        let week = |day: &NaiveDate| (day.iso_week().year(), day.iso_week().week());
        let weeks: BTreeSet<_> = days.iter().map(week).collect();
        let all = period
            .from()
            .iter_days()
            .take_while(|day| *day <= period.to());
        let all: Vec<NaiveDate> = all.collect();
        let touched: BTreeSet<_> = all.iter().map(week).collect();
        let counts = [
            found.posts,
            found.active_days,
            found.days,
            found.weeks_with_posts,
            found.weeks,
        ];
        let expected = [own.len(), days.len(), all.len(), weeks.len(), touched.len()];
        prop_assert_eq!(counts, expected.map(|count| count as u64));
        let mut gaps: Vec<i64> = own
            .windows(2)
            .map(|two| two[1].micros() - two[0].micros())
            .collect();
        gaps.sort_unstable();
        prop_assert_eq!(found.longest_gap_days.is_some(), own.len() > 1);
        if let (Some(longest), Some(median)) = (found.longest_gap_days, found.median_gap_hours) {
            let middle = i64::midpoint(gaps[gaps.len() / 2], gaps[(gaps.len() - 1) / 2]);
            is_about(longest, as_float(*gaps.last().unwrap()) / 86.4e9)?;
            is_about(median, as_float(middle) / 3.6e9)?;
        }
    }
    Ok(())
}

async fn views_are_spread_as_by_hand(
    reader: &mut OrgReader,
    world: &World,
    period: &Period,
) -> Result<(), TestCaseError> {
    let posted = posted(world, period);
    let mut views: Vec<i64> = posted
        .iter()
        .filter_map(|video| last_known(video, 0)?.try_into().ok())
        .collect();
    views.sort_unstable();
    let found = reader
        .view_distribution(world.project, period, Scale::Log)
        .await
        .unwrap();
    prop_assert_eq!(found.count, views.len() as u64);
    prop_assert_eq!(found.bins.len(), 11);
    prop_assert_eq!(
        found.bins.iter().map(|bin| bin.count).sum::<u64>(),
        found.count
    );
    for bin in &found.bins {
        let inside = views.iter().filter(|views| {
            let scaled = i128::from(**views) * 10_000;
            bin.from.scaled() <= scaled && bin.to.is_none_or(|to| scaled < to.scaled())
        });
        prop_assert_eq!(bin.count, inside.count() as u64);
    }
    for (percent, found) in [10, 25, 50, 75, 90, 95, 99]
        .into_iter()
        .zip(found.percentiles)
    {
        // The smallest that so many of a hundred do not exceed.
        let expected = views.iter().copied().find(|one| {
            let below = views.iter().filter(|other| *other <= one).count();
            below * 100 >= percent * views.len()
        });
        prop_assert_eq!(found, expected);
    }
    let found = reader
        .view_distribution(world.project, period, Scale::Linear(7))
        .await
        .unwrap();
    prop_assert_eq!(
        found.bins.iter().map(|bin| bin.count).sum::<u64>(),
        found.count
    );
    prop_assert_eq!(
        (found.min, found.max),
        (views.first().copied(), views.last().copied())
    );
    Ok(())
}

async fn outliers_are_those_by_hand(
    reader: &mut OrgReader,
    world: &World,
    period: &Period,
) -> Result<(), TestCaseError> {
    let posted = posted(world, period);
    for scope in OutlierScope::ALL {
        let mut groups: BTreeMap<Option<usize>, Vec<&Video>> = BTreeMap::new();
        for video in &posted {
            match (scope, video.creator) {
                (OutlierScope::Project, _) => groups.entry(None).or_default().push(video),
                (OutlierScope::Creator, Some(creator)) => {
                    groups.entry(Some(creator)).or_default().push(video);
                }
                (OutlierScope::Creator, None) => {}
            }
        }
        let question = OutlierQuestion {
            scope,
            threshold: Threshold::parse("1").unwrap(),
            direction: Direction::Both,
        };
        let found = reader
            .outliers(world.project, period, question, ALL)
            .await
            .unwrap();
        let (mut expected, mut skipped) = (BTreeMap::new(), 0);
        for videos in groups.values() {
            let read = videos
                .iter()
                .filter_map(|video| Some((video.id, last_known(video, 0)?)));
            match scores(&read.collect::<Vec<_>>()) {
                Some(scores) => expected.extend(scores),
                None => skipped += 1,
            }
        }
        expected.retain(|_, score| score.abs() >= 1.0);
        prop_assert_eq!(found.skipped_groups, skipped);
        prop_assert_eq!(found.ranked.rows.len(), expected.len());
        for row in &found.ranked.rows {
            is_about(row.score, expected[&row.video.id])?;
        }
        let places = found.ranked.rows.iter();
        let places = places.map(|row| (Reverse(row.score.magnitude()), row.video.id));
        prop_assert!(places.is_sorted());
    }
    Ok(())
}

/// 0.6745 (x - median) / MAD, as the article has it.
fn scores<I: Copy>(views: &[(I, u64)]) -> Option<Vec<(I, f64)>> {
    let median = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        let half = numbers.len() / 2;
        if numbers.len() % 2 == 1 {
            numbers[half]
        } else {
            f64::midpoint(numbers[half - 1], numbers[half])
        }
    };
    if views.len() < 5 {
        return None;
    }
    let x = |views: u64| as_float(i64::try_from(views).unwrap() + 1).log10();
    let center = median(views.iter().map(|(_, views)| x(*views)).collect());
    let mad = median(
        views
            .iter()
            .map(|(_, views)| (x(*views) - center).abs())
            .collect(),
    );
    let score = |(id, views): &(I, u64)| (*id, 0.6745 * (x(*views) - center) / mad);
    (mad > 0.0).then(|| views.iter().map(score).collect())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn as_float(number: i64) -> f64 {
    number as f64
}

fn hundredths(decimal: Decimal4) -> u64 {
    assert_eq!(decimal.scaled() % 100, 0);
    u64::try_from(decimal.scaled() / 100).unwrap()
}

fn is_about(found: Decimal4, expected: f64) -> Result<(), TestCaseError> {
    let found: f64 = found.to_string().parse().unwrap();
    prop_assert!(
        (found - expected).abs() < 0.000_06,
        "{} {}",
        found,
        expected
    );
    Ok(())
}

#[test]
fn of_days_to_come_nothing_is_told() {
    let day = |text: &str| -> NaiveDate { text.parse().unwrap() };
    let tz = Tz::Asia__Kathmandu;
    let now = instant("2026-01-05T20:00:00Z");
    let running = Period::new(day("2026-01-01"), day("2026-01-31"), tz, now);
    assert_eq!(running.end(), day_start(tz, day("2026-01-07")));
    assert_eq!(running.days(), 31);
    let past = Period::new(day("2026-01-01"), day("2026-01-03"), tz, now);
    assert_eq!(past.end(), day_start(tz, day("2026-01-04")));
    let future = Period::new(day("2026-02-01"), day("2026-02-03"), tz, now);
    assert_eq!(future.end(), future.start());
}
