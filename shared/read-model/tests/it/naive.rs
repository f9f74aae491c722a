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

/// One question about one entity's units.
struct View<'a> {
    units: Units,
    asked: Question<'a>,
}

pub fn series(world: &World, entity: Entity, question: &Question<'_>) -> Series {
    let view = View {
        units: units(world, entity),
        asked: *question,
    };
    let metric = question.measure.metric();
    let buckets = question.calendar.buckets().iter();
    let shown: Vec<&Bucket> = buckets.filter(|one| one.start <= question.now).collect();
    let points: Vec<Point> = (0..shown.len()).map(|n| view.point(&shown, n)).collect();
    let Some(whole) = view.whole(&shown) else {
        return Series {
            points,
            total: null(),
            start_value: null(),
        };
    };
    let total = if metric.is_derived() || question.mode == Mode::New {
        view.value(whole, Mode::New)
    } else {
        let known = points.iter().rev().find(|point| point.value != "null");
        known.map_or_else(null, |point| point.value.clone())
    };
    let start_value = match metric.name() {
        "posts" => posts(&view.units, None, whole.start).to_string(),
        _ if metric.is_derived() => null(),
        counter => {
            let read = view.units.counters[counter].iter();
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

impl View<'_> {
    fn start_of(&self, day: NaiveDate) -> Timestamp {
        day_start(self.asked.calendar.tz(), day)
    }

    fn is_known(&self, at: Timestamp) -> bool {
        let known = self.asked.known_from.map(|day| self.start_of(day));
        known.is_none_or(|known| known <= at)
    }

    fn value(&self, span: Span, mode: Mode) -> String {
        if !self.is_known(span.start) {
            return null();
        }
        let is_before_known = self.is_known(span.before);
        value(&self.units, self.asked.measure, mode, span, is_before_known)
    }

    /// From the start of a bucket to the end of another.
    fn span(&self, first: &Bucket, last: &Bucket, before: Timestamp) -> Span {
        let today = day_of(self.asked.calendar.tz(), self.asked.now);
        let so_far = last.last_day.min(today).max(first.first_day);
        Span {
            start: first.start,
            end: last.end,
            days: i128::from((so_far - first.first_day).num_days() + 1),
            before,
        }
    }

    /// As many days before the range as there are from one to another.
    fn days_before(&self, first: NaiveDate, last: NaiveDate) -> Timestamp {
        let days = (last - first).num_days().unsigned_abs() + 1;
        self.start_of(self.asked.calendar.from() - Days::new(days))
    }

    fn point(&self, shown: &[&Bucket], number: usize) -> Point {
        let bucket = shown[number];
        let before = if number == 0 {
            self.days_before(bucket.first_day, bucket.last_day)
        } else {
            shown[number - 1].start
        };
        let holds_first = inputs(self.asked.measure).into_iter().any(|input| {
            let baselines = self.units.counters.get(input).into_iter().flatten();
            baselines
                .filter_map(first_at)
                .any(|first| bucket.start <= first && first < bucket.end)
        });
        Point {
            t: bucket.first_day.to_string(),
            value: self.value(self.span(bucket, bucket, before), self.asked.mode),
            is_partial: bucket.is_clipped || bucket.end > self.asked.now,
            is_baseline: holds_first && self.is_known(bucket.start),
        }
    }

    /// What is shown as one bucket; where nothing has begun, the range's start.
    fn whole(&self, shown: &[&Bucket]) -> Option<Span> {
        let calendar = self.asked.calendar;
        let known: Vec<&&Bucket> = shown
            .iter()
            .filter(|one| self.is_known(one.start))
            .collect();
        if let (Some(first), Some(last)) = (known.first(), known.last()) {
            let before = self.days_before(calendar.from(), calendar.to());
            return Some(self.span(first, last, before));
        }
        let start = calendar.buckets()[0].start;
        let is_told =
            shown.is_empty() && !self.asked.measure.metric().is_derived() && self.is_known(start);
        is_told.then_some(Span {
            start,
            end: start,
            days: 0,
            before: start,
        })
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
