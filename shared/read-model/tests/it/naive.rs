//! The formulas of v1-contract.md 15.2 and 15.3 word by word, as slow as they read.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use domain::time::Timestamp;
use read_model::analytics::{Bucket, Calendar, Measure, Mode, day_of, day_start};

use crate::history::World;

/// Whose figures.
#[derive(Debug, Clone, Copy)]
pub enum Entity {
    Project,
    Creator(usize),
    Campaign(usize),
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

/// What is asked, in words.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub measure: Measure,
    pub mode: Mode,
    pub calendar: &'a Calendar,
    pub now: Timestamp,
    pub known_from: Option<NaiveDate>,
}

/// A bucket, or several as one.
#[derive(Clone, Copy)]
struct Span {
    start: Timestamp,
    end: Timestamp,
    days: i128,
    /// When the span before it begins.
    before: Timestamp,
}

pub fn series(world: &World, entity: Entity, question: &Question<'_>) -> Series {
    let Question {
        measure,
        mode,
        calendar,
        now,
        known_from,
    } = *question;
    let metric = measure.metric();
    let tz = calendar.tz();
    let units = units(world, entity);
    let shown: Vec<&Bucket> = calendar
        .buckets()
        .iter()
        .filter(|bucket| bucket.start <= now)
        .collect();
    let is_known = |at: Timestamp| known_from.is_none_or(|day| day_start(tz, day) <= at);
    let days = |first: NaiveDate, last: NaiveDate| {
        let so_far = last.min(day_of(tz, now)).max(first);
        i128::from((so_far - first).num_days() + 1)
    };
    let length = |first: NaiveDate, last: NaiveDate| (last - first).num_days().unsigned_abs() + 1;
    let value = |span: Span, mode| {
        if is_known(span.start) {
            let is_before_known = is_known(span.before);
            value(&units, measure, mode, span, is_before_known)
        } else {
            null()
        }
    };
    let points: Vec<Point> = shown
        .iter()
        .enumerate()
        .map(|(number, bucket)| {
            let before = match number.checked_sub(1) {
                Some(before) => shown[before].start,
                None => {
                    let days = length(bucket.first_day, bucket.last_day);
                    day_start(tz, calendar.from() - Days::new(days))
                }
            };
            let span = Span {
                start: bucket.start,
                end: bucket.end,
                days: days(bucket.first_day, bucket.last_day),
                before,
            };
            let holds_first = inputs(measure).into_iter().any(|input| {
                let baselines = units.counters.get(input).into_iter().flatten();
                baselines
                    .filter_map(first_at)
                    .any(|first| bucket.start <= first && first < bucket.end)
            });
            Point {
                t: bucket.first_day.to_string(),
                value: value(span, mode),
                is_partial: bucket.is_clipped || bucket.end > now,
                is_baseline: holds_first && is_known(bucket.start),
            }
        })
        .collect();
    let known: Vec<&&Bucket> = shown.iter().filter(|one| is_known(one.start)).collect();
    let whole = match (known.first(), known.last()) {
        (Some(first), Some(last)) => Span {
            start: first.start,
            end: last.end,
            days: days(first.first_day, last.last_day),
            before: day_start(
                tz,
                calendar.from() - Days::new(length(calendar.from(), calendar.to())),
            ),
        },
        _ if shown.is_empty() && !metric.is_derived() && is_known(calendar.buckets()[0].start) => {
            Span {
                start: calendar.buckets()[0].start,
                end: calendar.buckets()[0].start,
                days: 0,
                before: calendar.buckets()[0].start,
            }
        }
        _ => {
            return Series {
                points,
                total: null(),
                start_value: null(),
            };
        }
    };
    let total = if metric.is_derived() || mode == Mode::New {
        value(whole, Mode::New)
    } else {
        let known = points.iter().rev().find(|point| point.value != "null");
        known.map_or_else(null, |point| point.value.clone())
    };
    let start_value = match metric.name() {
        "posts" => posts(&units, None, whole.start).to_string(),
        _ if metric.is_derived() => null(),
        counter => {
            let read = units.counters[counter].iter();
            let read: Vec<i128> = read
                .filter(|unit| first_at(unit).is_some_and(|first| first < whole.end))
                .map(|unit| base_at(unit, whole.start))
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
    let (mut followed, within) = match entity {
        Entity::Campaign(campaign) => world.within(campaign),
        _ => Default::default(),
    };
    let videos = world
        .videos
        .iter()
        .enumerate()
        .filter(|(number, video)| match entity {
            Entity::Video(wanted) => *number == wanted,
            Entity::Creator(creator) => video.creator == Some(creator) && video.is_counted(),
            Entity::Campaign(_) => within.contains(number) && video.is_counted(),
            Entity::Project => world.is_counted_in_project(video),
        });
    let videos: Vec<_> = videos.map(|(_, video)| video).collect();
    followed.extend(videos.iter().filter_map(|video| video.creator));
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
        Entity::Campaign(_) => followed.contains(number),
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

fn value(units: &Units, measure: Measure, mode: Mode, span: Span, is_before_known: bool) -> String {
    let Span {
        start,
        end,
        days,
        before,
    } = span;
    let counter = |name: &str| &units.counters[name];
    let gain = |name, start, end| gained(counter(name), start, end);
    match measure.metric().name() {
        "posts" => {
            let from = (mode == Mode::New).then_some(start);
            posts(units, from, end).to_string()
        }
        "engagement_rate_by_views" => match gain("views", start, end) {
            Some(views) if views > 0 => engagement(units, start, end)
                .map_or_else(null, |engaged| rounded(engaged * 100, views)),
            _ => null(),
        },
        "engagement_rate_by_followers" => {
            let followers = total(counter("followers"), end).filter(|count| *count != 0);
            followers
                .zip(engagement(units, start, end))
                .map_or_else(null, |(followers, engaged)| {
                    rounded(engaged * 100, followers)
                })
        }
        "posts_per_week" => rounded(7 * posts(units, Some(start), end), days),
        "avg_views_per_post" => match (gain("views", start, end), posts(units, None, end)) {
            (None, _) | (_, 0) => null(),
            (Some(views), posted) => rounded(views, posted),
        },
        "growth_rate_pop" => {
            let (now, then) = match measure.base().unwrap().name() {
                "posts" => (
                    Some(posts(units, None, end)),
                    Some(posts(units, None, start)),
                ),
                "followers" => (
                    total(counter("followers"), end),
                    total(counter("followers"), start),
                ),
                base => (
                    gain(base, start, end),
                    gain(base, before, start).filter(|_| is_before_known),
                ),
            };
            match (now, then) {
                (Some(now), Some(then)) if then > 0 => rounded((now - then) * 100, then),
                _ => null(),
            }
        }
        name => match mode {
            Mode::New => gain(name, start, end).map_or_else(null, |n| n.to_string()),
            Mode::Cumulative => total(counter(name), end).map_or_else(null, |n| n.to_string()),
        },
    }
}

/// Counted videos posted in [from, end), or by the end.
fn posts(units: &Units, from: Option<Timestamp>, end: Timestamp) -> i128 {
    let posted = |at: &&Timestamp| from.is_none_or(|from| **at >= from) && **at < end;
    i128::try_from(units.posts.iter().filter(posted).count()).unwrap()
}

/// C(x).
fn total(units: &[Unit], at: Timestamp) -> Option<i128> {
    let last: Vec<i128> = units
        .iter()
        .filter_map(|unit| reading_at(unit, at))
        .collect();
    (!last.is_empty()).then(|| last.iter().sum())
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

/// I: null is 0 unless all four are null.
fn engagement(units: &Units, start: Timestamp, end: Timestamp) -> Option<i128> {
    let gained = |counter| gained(&units.counters[counter], start, end);
    let engaged: Vec<_> = ["likes", "comments", "shares", "saves"].map(gained).into();
    let is_known = engaged.iter().any(Option::is_some);
    is_known.then(|| engaged.into_iter().flatten().sum())
}

/// Ten-thousandths of n / d, d > 0: floor(2n / 2d + 1/2) of the magnitude, then the sign.
fn rounded(numerator: i128, denominator: i128) -> String {
    let scaled = numerator.abs() * 10_000;
    let rounded = (2 * scaled + denominator) / (2 * denominator);
    let sign = if numerator < 0 && rounded > 0 {
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

fn inputs(measure: Measure) -> Vec<&'static str> {
    match measure.metric().name() {
        "posts" | "posts_per_week" => vec![],
        "engagement_rate_by_views" => OF_VIDEOS.to_vec(),
        "engagement_rate_by_followers" => vec!["likes", "comments", "shares", "saves", "followers"],
        "avg_views_per_post" => vec!["views"],
        "growth_rate_pop" => match measure.base().unwrap().name() {
            "posts" => vec![],
            base => vec![base],
        },
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
