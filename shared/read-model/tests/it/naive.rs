//! The formulas of v1-contract.md 15.2 and 15.3 word by word, as slow as they read.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use read_model::analytics::{Bucket, Calendar, Metric, Mode};

use crate::history::World;

/// Whose figures.
#[derive(Debug, Clone, Copy)]
pub enum Entity {
    Project,
    Creator(usize),
    Video(usize),
}

/// A point as text, so that nothing of the code under test stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub t: String,
    pub value: String,
    pub is_partial: bool,
    pub is_baseline: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub points: Vec<Point>,
    pub total: String,
    pub start_value: String,
}

/// Readings of one unit that are not null.
type Unit = BTreeMap<Timestamp, i128>;

/// The units of each metric.
struct Units {
    counters: BTreeMap<&'static str, Vec<Unit>>,
    posts: Vec<Timestamp>,
}

const OF_VIDEOS: [&str; 5] = ["views", "likes", "comments", "shares", "saves"];

pub fn series(
    world: &World,
    entity: Entity,
    metric: Metric,
    mode: Mode,
    calendar: &Calendar,
    now: Timestamp,
) -> Series {
    let units = units(world, entity);
    let shown: Vec<&Bucket> = calendar
        .buckets()
        .iter()
        .filter(|bucket| bucket.start <= now)
        .collect();
    let range_start = calendar.buckets()[0].start;
    let range_end = shown.last().map_or(range_start, |bucket| bucket.end);
    let value = |start, end, mode| value(&units, metric.name(), mode, start, end);
    let points: Vec<Point> = shown
        .iter()
        .map(|bucket| Point {
            t: bucket.first_day.to_string(),
            value: value(bucket.start, bucket.end, mode),
            is_partial: bucket.is_clipped || bucket.end > now,
            is_baseline: inputs(metric.name()).into_iter().any(|input| {
                let first = |unit: &Unit| unit.keys().next().copied();
                let baselines = units.counters.get(input).into_iter().flatten();
                baselines
                    .filter_map(first)
                    .any(|first| bucket.start <= first && first < bucket.end)
            }),
        })
        .collect();
    let total = if metric.is_derived() || mode == Mode::New {
        value(range_start, range_end, Mode::New)
    } else {
        let known = points.iter().rev().find(|point| point.value != "null");
        known.map_or_else(null, |point| point.value.clone())
    };
    let start_value = match metric.name() {
        "posts" => value(range_start, range_start, Mode::Cumulative),
        "engagement_rate_by_views" => null(),
        counter => {
            let read = units.counters[counter].iter();
            let read: Vec<i128> = read
                .filter(|unit| first_at(unit).is_some_and(|first| first < range_end))
                .map(|unit| base_at(unit, range_start))
                .collect();
            sum(&read)
        }
    };
    Series {
        points,
        total,
        start_value,
    }
}

fn units(world: &World, entity: Entity) -> Units {
    let videos = world
        .videos
        .iter()
        .enumerate()
        .filter(|(number, video)| match entity {
            Entity::Video(wanted) => *number == wanted,
            Entity::Creator(creator) => video.creator == Some(creator) && video.is_counted(),
            Entity::Project => world.is_counted_in_project(video),
        });
    let videos: Vec<_> = videos.map(|(_, video)| video).collect();
    let mut counters = BTreeMap::new();
    for (index, name) in OF_VIDEOS.into_iter().enumerate() {
        let carried = videos.iter().map(|video| {
            let readings = video.readings.iter();
            readings
                .filter_map(|(at, counts)| Some((*at, i128::from(counts[index]?))))
                .collect()
        });
        counters.insert(name, carried.collect());
    }
    let creators = world.creators.iter().enumerate();
    let creators = creators.filter(|(number, creator)| match entity {
        Entity::Video(_) => false,
        Entity::Creator(wanted) => *number == wanted,
        Entity::Project => !creator.is_removed,
    });
    let followers = creators.map(|(_, creator)| {
        let readings = creator.followers.iter();
        readings
            .filter_map(|(at, followers)| Some((*at, i128::from((*followers)?))))
            .collect()
    });
    counters.insert("followers", followers.collect());
    Units {
        counters,
        posts: videos.iter().map(|video| video.posted).collect(),
    }
}

fn value(units: &Units, metric: &str, mode: Mode, start: Timestamp, end: Timestamp) -> String {
    match metric {
        "posts" => {
            let from = if mode == Mode::New { Some(start) } else { None };
            let posted = |at: &&Timestamp| from.is_none_or(|from| **at >= from) && **at < end;
            units.posts.iter().filter(posted).count().to_string()
        }
        "engagement_rate_by_views" => rate(units, start, end),
        counter => match mode {
            Mode::New => {
                gained(&units.counters[counter], start, end).map_or_else(null, |n| n.to_string())
            }
            Mode::Cumulative => {
                let last = |unit| reading_at(unit, end);
                let last: Vec<_> = units.counters[counter].iter().filter_map(last).collect();
                sum(&last)
            }
        },
    }
}

/// N(s, e).
fn gained(units: &[Unit], start: Timestamp, end: Timestamp) -> Option<i128> {
    let read: Vec<&Unit> = units
        .iter()
        .filter(|unit| first_at(unit).is_some_and(|first| first < end))
        .collect();
    let differences = read
        .iter()
        .map(|unit| reading_at(unit, end).unwrap() - base_at(unit, start));
    (!read.is_empty()).then(|| differences.sum())
}

fn rate(units: &Units, start: Timestamp, end: Timestamp) -> String {
    let gained = |counter| gained(&units.counters[counter], start, end);
    let engaged: Vec<_> = ["likes", "comments", "shares", "saves"].map(gained).into();
    let Some(views) = gained("views").filter(|views| *views > 0) else {
        return null();
    };
    if engaged.iter().all(Option::is_none) {
        return null();
    }
    let engagement: i128 = engaged.into_iter().flatten().sum();
    // Ten-thousandths of a percent: floor(2n / 2d + 1/2) of the magnitude, then the sign.
    let scaled = engagement.abs() * 100 * 10_000;
    let rounded = (2 * scaled + views) / (2 * views);
    let sign = if engagement < 0 && rounded > 0 {
        "-"
    } else {
        ""
    };
    let text = format!("{sign}{}.{:04}", rounded / 10_000, rounded % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// r(u, x)
fn reading_at(unit: &Unit, at: Timestamp) -> Option<i128> {
    unit.range(..at).next_back().map(|(_, value)| *value)
}

/// t0(u)
fn first_at(unit: &Unit) -> Option<Timestamp> {
    unit.keys().next().copied()
}

/// B(u, x)
fn base_at(unit: &Unit, at: Timestamp) -> i128 {
    let baseline = || *unit.values().next().unwrap();
    reading_at(unit, at).unwrap_or_else(baseline)
}

fn inputs(metric: &str) -> Vec<&str> {
    match metric {
        "posts" => vec![],
        "engagement_rate_by_views" => OF_VIDEOS.to_vec(),
        counter => vec![counter],
    }
}

fn sum(values: &[i128]) -> String {
    if values.is_empty() {
        null()
    } else {
        values.iter().sum::<i128>().to_string()
    }
}

fn null() -> String {
    "null".to_owned()
}
