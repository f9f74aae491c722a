//! The calendar in every zone, and series by example.

#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::{Days, NaiveDate, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use domain::time::Timestamp;
use proptest::prelude::*;

use super::{
    Asked, BaseMetric, BucketDays, Calendar, CalendarError, Changes, Counter, Edges, Granularity,
    Level, Levels, Measure, Metric, Mode, Series, Value, day_of, day_start, edge_after,
    next_day_start,
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn calendar(from: &str, to: &str, tz: Tz, granularity: Granularity) -> Calendar {
    Calendar::try_new(day(from), day(to), tz, granularity).unwrap()
}

#[test]
fn days_begin_at_midnight_or_where_clocks_jump_over_it() {
    for (zone, date, expected) in [
        (Tz::UTC, "2026-01-05", "2026-01-05T00:00:00Z"),
        (Tz::Asia__Kathmandu, "2026-01-05", "2026-01-04T18:15:00Z"),
        (Tz::Pacific__Chatham, "2026-01-05", "2026-01-04T10:15:00Z"),
        // Midnight does not exist: 00:00 became 01:00.
        (Tz::America__Sao_Paulo, "2018-11-04", "2018-11-04T03:00:00Z"),
        // 23:00 to 24:00 of the day before came twice.
        (Tz::America__Sao_Paulo, "2018-02-18", "2018-02-18T03:00:00Z"),
        (Tz::America__Sao_Paulo, "2018-02-17", "2018-02-17T02:00:00Z"),
        // Midnight came twice: the day begins with the first.
        (Tz::America__Havana, "2025-11-02", "2025-11-02T04:00:00Z"),
        // Half an hour of daylight saving.
        (
            Tz::Australia__Lord_Howe,
            "2026-01-05",
            "2026-01-04T13:00:00Z",
        ),
        (
            Tz::Australia__Lord_Howe,
            "2026-07-05",
            "2026-07-04T13:30:00Z",
        ),
        // The 30th never was; it begins and ends where the 31st begins.
        (Tz::Pacific__Apia, "2011-12-30", "2011-12-30T10:00:00Z"),
        (Tz::Pacific__Apia, "2011-12-31", "2011-12-30T10:00:00Z"),
    ] {
        assert_eq!(
            day_start(zone, day(date)),
            instant(expected),
            "{zone} {date}"
        );
    }
}

/// Roll-ups rest on this: since 2005 every day of every zone begins on a quarter hour.
#[test]
fn every_day_of_every_zone_begins_on_a_quarter_hour() {
    const STRIDE: u64 = 6;
    let quarter = 15 * 60 * 1_000_000;
    for zone in TZ_VARIANTS {
        let mut date = day("2005-01-01");
        let mut offset = None;
        while date < day("2038-01-01") {
            let noon = zone.offset_from_utc_datetime(&date.and_hms_opt(12, 0, 0).unwrap());
            let before = offset.replace(noon.fix());
            // Midnights between two noons of the same offset are as far from them as any.
            if before != offset {
                for back in 0..=STRIDE + 1 {
                    let near = date + Days::new(1) - Days::new(back);
                    let start = day_start(zone, near);
                    assert_eq!(start.micros() % quarter, 0, "{zone} {near}");
                    let before = start.minus(chrono::TimeDelta::microseconds(1));
                    assert!(day_of(zone, before) < near, "{zone} {near}");
                    assert!(day_of(zone, start) >= near, "{zone} {near}");
                }
            }
            date = date + Days::new(STRIDE);
        }
    }
}

#[test]
fn weeks_and_months_are_clipped_to_the_range() {
    let weeks = calendar("2026-01-07", "2026-01-20", Tz::UTC, Granularity::Week);
    let spans: Vec<_> = weeks
        .buckets()
        .iter()
        .map(|b| (b.first_day, b.last_day, b.is_clipped))
        .collect();
    assert_eq!(
        spans,
        [
            (day("2026-01-07"), day("2026-01-11"), true),
            (day("2026-01-12"), day("2026-01-18"), false),
            (day("2026-01-19"), day("2026-01-20"), true),
        ]
    );
    let months = calendar("2024-02-01", "2024-03-31", Tz::UTC, Granularity::Month);
    assert!(months.buckets().iter().all(|bucket| !bucket.is_clipped));
    assert_eq!(months.buckets()[0].last_day, day("2024-02-29"));
    let custom = Granularity::Custom(BucketDays::new(10).unwrap());
    let custom = calendar("2026-01-01", "2026-01-25", Tz::UTC, custom);
    let clipped: Vec<_> = custom.buckets().iter().map(|b| b.is_clipped).collect();
    assert_eq!(clipped, [false, false, true]);
    assert_eq!(custom.buckets()[2].first_day, day("2026-01-21"));
}

#[test]
fn a_range_has_an_end_and_a_bound() {
    let try_new = |from, to, granularity| {
        Calendar::try_new(day(from), day(to), Tz::Asia__Kathmandu, granularity)
    };
    assert!(matches!(
        try_new("2026-01-02", "2026-01-01", Granularity::Day),
        Err(CalendarError::Backwards { .. })
    ));
    assert_eq!(
        try_new("2023-01-01", "2026-01-05", Granularity::Day),
        Err(CalendarError::TooManyBuckets { count: 1_101 })
    );
    assert_eq!(
        try_new("2023-01-01", "2026-01-04", Granularity::Day)
            .unwrap()
            .buckets()
            .len(),
        1_100
    );
    assert!(try_new("0001-01-01", "9999-12-31", Granularity::Month).is_err());
    assert!(try_new("9999-12-01", "9999-12-31", Granularity::Day).is_ok());
    assert!(try_new("0000-01-01", "0000-12-31", Granularity::Week).is_ok());
    assert_eq!(BucketDays::new(0), None);
    assert_eq!(BucketDays::new(91), None);
}

#[test]
fn an_answer_holds_until_the_next_bucket_begins_or_is_over() {
    let weeks = calendar("2026-01-07", "2026-01-20", Tz::UTC, Granularity::Week);
    for (now, expected, begun) in [
        ("2026-01-01T00:00:00Z", Some("2026-01-07T00:00:00Z"), 0),
        ("2026-01-07T00:00:00Z", Some("2026-01-12T00:00:00Z"), 1),
        ("2026-01-19T12:00:00Z", Some("2026-01-21T00:00:00Z"), 3),
        ("2026-01-21T00:00:00Z", None, 3),
    ] {
        let now = instant(now);
        assert_eq!(weeks.valid_until(now), expected.map(instant), "{now}");
        assert_eq!(weeks.begun(now).len(), begun, "{now}");
    }
    let now = instant("2018-11-03T12:00:00Z");
    let midnight = next_day_start(Tz::America__Sao_Paulo, now);
    assert_eq!(midnight, instant("2018-11-04T03:00:00Z"));
}

proptest! {
    #[test]
    fn buckets_cover_the_range_without_gaps(
        zone in prop::sample::select(&TZ_VARIANTS[..]),
        first in 0_u64..7_000,
        length in 0_u64..900,
        granularity in 0_u16..100,
    ) {
        let from = day("2006-01-01") + Days::new(first);
        let to = from + Days::new(length);
        let granularity = match granularity {
            0..=3 => Granularity::Day,
            4..=6 => Granularity::Week,
            7..=9 => Granularity::Month,
            days => Granularity::Custom(BucketDays::new(days - 9).unwrap()),
        };
        let calendar = Calendar::try_new(from, to, zone, granularity).unwrap();
        let buckets = calendar.buckets();
        prop_assert_eq!(buckets[0].first_day, from);
        prop_assert_eq!(buckets.last().unwrap().last_day, to);
        prop_assert_eq!(buckets[0].start, day_start(zone, from));
        prop_assert_eq!(buckets.last().unwrap().end, day_start(zone, to + Days::new(1)));
        for pair in buckets.windows(2) {
            prop_assert_eq!(pair[0].last_day + Days::new(1), pair[1].first_day);
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        prop_assert_eq!(calendar.edges().len(), buckets.len() + 1);
    }
}

fn series(
    metric: Metric,
    mode: Mode,
    calendar: &Calendar,
    levels: &Levels,
    now: Timestamp,
) -> Series {
    let asked = Asked {
        measure: Measure::new(metric, None).unwrap(),
        mode,
        calendar,
        now,
        known_from: None,
    };
    super::series(&asked, &Edges::of(calendar.edges()), levels)
}

/// Readings of one video: (instant, views, likes).
fn levels(calendar: &Calendar, readings: &[(&str, i128, i128)]) -> super::Levels {
    let edges = calendar.edges();
    let mut changes = Changes::none(edges.len());
    let mut last: Option<(i128, i128)> = None;
    for (at, views, likes) in readings {
        let edge = edge_after(&edges, instant(at));
        let before = last.replace((*views, *likes));
        for (counter, value, before) in [
            (Counter::Views, *views, before.map(|(views, _)| views)),
            (Counter::Likes, *likes, before.map(|(_, likes)| likes)),
        ] {
            let change = Level {
                value: value - before.unwrap_or(0),
                base: if before.is_none() { value } else { 0 },
                units: i64::from(before.is_none()),
            };
            changes.add(edge, counter, change);
        }
    }
    changes.into_levels()
}

#[test]
fn a_first_reading_is_a_baseline_a_drop_stays_and_silence_is_carried_forward() {
    let days = calendar("2026-01-01", "2026-01-05", Tz::UTC, Granularity::Day);
    let readings = [
        ("2026-01-02T10:00:00Z", 100, 10),
        ("2026-01-02T12:00:00Z", 150, 11),
        ("2026-01-04T10:00:00Z", 120, 15),
    ];
    let levels = levels(&days, &readings);
    let now = instant("2026-01-05T06:00:00Z");
    let values = |metric, mode| -> Vec<Option<i64>> {
        let points = series(metric, mode, &days, &levels, now).points;
        let count = |value| match value {
            Value::Count(count) => count,
            Value::Decimal(_) => panic!("a count is expected"),
        };
        points.iter().map(|point| point.value.map(count)).collect()
    };
    assert_eq!(
        values(Metric::Views, Mode::New),
        [None, Some(50), Some(0), Some(-30), Some(0)]
    );
    assert_eq!(
        values(Metric::Views, Mode::Cumulative),
        [None, Some(150), Some(150), Some(120), Some(120)]
    );
    assert_eq!(values(Metric::Shares, Mode::Cumulative), [None; 5]);
    let gained = series(Metric::Views, Mode::New, &days, &levels, now);
    assert_eq!(gained.total, Some(Value::Count(20)));
    assert_eq!(gained.start_value, Some(100));
    let baselines: Vec<_> = gained
        .points
        .iter()
        .map(|point| point.is_baseline)
        .collect();
    assert_eq!(baselines, [false, true, false, false, false]);
    let partial: Vec<_> = gained.points.iter().map(|point| point.is_partial).collect();
    assert_eq!(partial, [false, false, false, false, true]);
    let shares = series(Metric::Shares, Mode::New, &days, &levels, now);
    assert_eq!((shares.total, shares.start_value), (None, None));
}

#[test]
fn a_rate_is_of_the_sums_and_null_without_views_gained() {
    let days = calendar("2026-01-01", "2026-01-04", Tz::UTC, Granularity::Day);
    let readings = [
        ("2026-01-01T10:00:00Z", 100, 10),
        ("2026-01-02T10:00:00Z", 160, 12),
        ("2026-01-03T10:00:00Z", 150, 13),
        ("2026-01-04T10:00:00Z", 190, 15),
    ];
    let levels = levels(&days, &readings);
    let now = instant("2026-02-01T00:00:00Z");
    let rate = series(
        Metric::EngagementRateByViews,
        Mode::Cumulative,
        &days,
        &levels,
        now,
    );
    let shown = |value: Option<Value>| match value {
        Some(Value::Decimal(value)) => value.to_string(),
        Some(Value::Count(_)) => "count".to_owned(),
        None => "null".to_owned(),
    };
    let points: Vec<_> = rate.points.iter().map(|point| shown(point.value)).collect();
    assert_eq!(points, ["null", "3.3333", "null", "5"]);
    assert_eq!(shown(rate.total), "5.5556");
    assert_eq!(rate.start_value, None);
}

#[test]
fn the_period_before_is_cut_at_the_same_lengths() {
    let months = calendar(
        "2026-01-15",
        "2026-03-10",
        Tz::Europe__Berlin,
        Granularity::Month,
    );
    let prior = months.prior();
    assert_eq!(
        (prior.from(), prior.to()),
        (day("2025-11-21"), day("2026-01-14"))
    );
    let shape = |calendar: &Calendar| -> Vec<_> {
        let buckets = calendar.buckets().iter();
        buckets
            .map(|bucket| (bucket.days(), bucket.is_clipped))
            .collect()
    };
    assert_eq!(shape(&prior), shape(&months));
    assert_eq!(shape(&prior), [(17, true), (28, false), (10, true)]);
    for pair in prior.buckets().windows(2) {
        assert_eq!(
            (pair[0].end, next_day(pair[0].last_day)),
            (pair[1].start, pair[1].first_day)
        );
    }
    let last = prior.buckets().last().unwrap();
    assert_eq!(
        (last.end, last.last_day),
        (months.buckets()[0].start, prior.to())
    );
}

fn next_day(day: NaiveDate) -> NaiveDate {
    day + Days::new(1)
}

/// Everything that is derived, of one video read once a day, its creator's followers, and posts.
#[test]
fn derived_figures_are_computed_from_sums_and_rounded_once() {
    let weeks = calendar("2026-01-05", "2026-01-15", Tz::UTC, Granularity::Week);
    let asked = |metric, base| Asked {
        measure: Measure::new(metric, base).unwrap(),
        mode: Mode::New,
        calendar: &weeks,
        now: instant("2026-01-13T06:00:00Z"),
        known_from: None,
    };
    let shown = |metric, base| {
        let asked = asked(metric, base);
        let edges = asked.edges();
        let mut changes = Changes::none(edges.as_slice().len());
        let mut add = |at: &str, counter, value: i128, first: bool| {
            let level = Level {
                value,
                base: if first { value } else { 0 },
                units: first.into(),
            };
            changes.add(edge_after(edges.as_slice(), instant(at)), counter, level);
        };
        add("2025-12-28T12:00:00Z", Counter::Views, 100, true);
        add("2026-01-01T12:00:00Z", Counter::Views, 30, false);
        add("2026-01-06T12:00:00Z", Counter::Views, 200, false);
        add("2026-01-06T12:00:00Z", Counter::Likes, 10, true);
        add("2026-01-12T12:00:00Z", Counter::Views, -7, false);
        add("2026-01-12T12:00:00Z", Counter::Likes, 4, false);
        add("2026-01-07T12:00:00Z", Counter::Followers, 300, true);
        add("2026-01-12T12:00:00Z", Counter::Followers, 30, false);
        for at in [
            "2026-01-04T12:00:00Z",
            "2026-01-05T00:00:00Z",
            "2026-01-12T09:00:00Z",
        ] {
            changes.add_posts(edge_after(edges.as_slice(), instant(at)), 1);
        }
        let found = super::series(&asked, &edges, &changes.into_levels());
        assert_eq!(found.start_value, None);
        let text = |value: Option<Value>| match value {
            Some(Value::Decimal(value)) => value.to_string(),
            Some(Value::Count(_)) => "count".to_owned(),
            None => "null".to_owned(),
        };
        let mut values: Vec<_> = found.points.iter().map(|point| text(point.value)).collect();
        values.push(text(found.total));
        values.join(" ")
    };
    // The first likes are a baseline: known, and 0.
    assert_eq!(
        shown(Metric::EngagementRateByFollowers, None),
        "0 1.2121 1.2121"
    );
    // A week has seven days, the running one two so far, both together nine.
    assert_eq!(shown(Metric::PostsPerWeek, None), "1 3.5 1.5556");
    assert_eq!(shown(Metric::AvgViewsPerPost, None), "100 -2.3333 64.3333");
    let growth = |base| shown(Metric::GrowthRatePop, Some(base));
    // 200 after 30 in the week before; -7 after 200; 193 after 30 in the eleven days before.
    assert_eq!(growth(BaseMetric::Views), "566.6667 -103.5 543.3333");
    assert_eq!(growth(BaseMetric::Likes), "null null null");
    assert_eq!(growth(BaseMetric::Followers), "null 10 null");
    assert_eq!(growth(BaseMetric::Posts), "100 50 200");
}

#[test]
fn before_history_nothing_is_told_and_growth_has_nothing_to_compare_with() {
    let days = calendar("2026-01-01", "2026-01-04", Tz::UTC, Granularity::Day);
    let readings: Vec<_> = (1..=4)
        .map(|n| (format!("2026-01-0{n}T10:00:00Z"), 100 * n, n))
        .collect();
    let readings: Vec<_> = readings
        .iter()
        .map(|(at, views, likes)| (at.as_str(), *views, *likes))
        .collect();
    let asked = |metric, base| Asked {
        measure: Measure::new(metric, base).unwrap(),
        mode: Mode::New,
        calendar: &days,
        now: instant("2026-02-01T00:00:00Z"),
        known_from: Some(day("2026-01-03")),
    };
    let plain = asked(Metric::Views, None);
    let found = super::series(&plain, &plain.edges(), &levels(&days, &readings));
    let known: Vec<_> = found
        .points
        .iter()
        .map(|point| point.value.is_some())
        .collect();
    assert_eq!(known, [false, false, true, true]);
    assert_eq!(
        (found.total, found.start_value),
        (Some(Value::Count(200)), Some(200))
    );
    assert!(!found.points[0].is_baseline, "nothing is told of it");
    let growth = asked(Metric::GrowthRatePop, Some(BaseMetric::Views));
    let edges = growth.edges();
    let found = super::series(
        &growth,
        &edges,
        &super::Changes::none(edges.as_slice().len()).into_levels(),
    );
    assert_eq!(found.total, None);
    let nowhere = Asked {
        known_from: Some(day("2026-01-05")),
        ..plain
    };
    let found = super::series(&nowhere, &nowhere.edges(), &levels(&days, &readings));
    assert_eq!((found.total, found.start_value), (None, None));
}
