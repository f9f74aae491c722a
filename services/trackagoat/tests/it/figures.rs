//! Analytics of a real list against an independent computation straight from its rows, written
//! from section 15 of the contract and sharing no code with the service.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::dev::Dev;

const METRICS: [&str; 11] = [
    "views",
    "likes",
    "comments",
    "shares",
    "saves",
    "posts",
    "engagement_rate_by_views",
    "posts_per_week",
    "avg_views_per_post",
    "growth_rate_pop&base_metric=views",
    "growth_rate_pop&base_metric=posts",
];
const ZONES: [&str; 6] = [
    "UTC",
    "Pacific/Auckland",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
];
const GRANULARITIES: [&str; 5] = [
    "granularity=day",
    "granularity=week",
    "granularity=month",
    "granularity=custom&bucket_days=5",
    "granularity=custom&bucket_days=90",
];
/// Ranges that begin before, inside and after the list's first day.
const RANGES: [(&str, &str); 3] = [
    ("2025-11-20", "2026-08-31"),
    ("2026-03-08", "2026-04-20"),
    ("2026-08-20", "2026-08-25"),
];

/// A list that stands beside the checkout on some machines, or where `TGA_REAL_DATA` says.
/// `deploy/test` tells in its table where it is missing.
pub fn real_list(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("TGA_REAL_DATA").map_or(beside, PathBuf::from);
    let file = folder.join(name);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: {name} is not beside this checkout");
    None
}

#[derive(Default)]
struct Video {
    channel: String,
    posted_at: Option<DateTime<Utc>>,
    /// views, likes, comments.
    readings: [Vec<(DateTime<Utc>, i128)>; 3],
}

fn instant(text: &str) -> DateTime<Utc> {
    let text = text.replacen(' ', "T", 1).replace(' ', "");
    DateTime::parse_from_rfc3339(&text).unwrap().to_utc()
}

fn videos(list: &Path) -> BTreeMap<String, Video> {
    let reader = zstd::Decoder::new(File::open(list).unwrap()).unwrap();
    let mut reader = csv::Reader::from_reader(reader);
    let mut rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().unwrap();
    rows.sort_by_key(|row| instant(&row["fetched_at"]));
    let mut videos = BTreeMap::<String, Video>::new();
    for row in rows {
        let at = instant(&row["fetched_at"]);
        let video = videos.entry(row["video_id"].clone()).or_default();
        if video.channel.is_empty() {
            video.channel.clone_from(&row["channel_id"]);
        }
        if !row["published_at"].is_empty() {
            video.posted_at = Some(instant(&row["published_at"]));
        }
        for (readings, column) in video
            .readings
            .iter_mut()
            .zip(["views", "likes", "comments"])
        {
            if !row[column].is_empty() {
                #[expect(clippy::cast_possible_truncation, reason = "counts in these files")]
                readings.push((at, row[column].parse::<f64>().unwrap() as i128));
            }
        }
    }
    videos
}

/// Bucket edges: the first days of buckets, the last one after the range.
fn edges(from: NaiveDate, to: NaiveDate, granularity: &str) -> Vec<NaiveDate> {
    let next = |date: NaiveDate| match granularity {
        "granularity=day" => date + Days::new(1),
        "granularity=week" => {
            date + Days::new(7 - u64::from(date.weekday().num_days_from_monday()))
        }
        "granularity=month" => {
            let first = date.with_day(1).unwrap();
            first.checked_add_months(chrono::Months::new(1)).unwrap()
        }
        custom => date + Days::new(custom.rsplit('=').next().unwrap().parse().unwrap()),
    };
    let end = to + Days::new(1);
    let mut dates = vec![from];
    while *dates.last().unwrap() < end {
        dates.push(next(*dates.last().unwrap()).min(end));
    }
    dates
}

fn first_instant(tz: Tz, date: NaiveDate) -> DateTime<Utc> {
    let mut time = date.and_time(NaiveTime::MIN);
    loop {
        if let Some(instant) = tz.from_local_datetime(&time).earliest() {
            return instant.to_utc();
        }
        time += chrono::TimeDelta::minutes(15);
    }
}

struct Series {
    new: Vec<Option<i128>>,
    cumulative: Vec<Option<i128>>,
    start: Option<i128>,
    baseline: Vec<bool>,
}

/// r(u, x), b(u) and t0(u) of 15.3, over one metric's readings of many videos.
fn series(units: &[&[(DateTime<Utc>, i128)]], edges: &[DateTime<Utc>]) -> Series {
    let read: Vec<_> = units
        .iter()
        .filter(|readings| !readings.is_empty())
        .collect();
    let last = |readings: &[(DateTime<Utc>, i128)], x| {
        readings
            .iter()
            .rev()
            .find(|(at, _)| *at < x)
            .map(|(_, value)| *value)
    };
    let base = |readings: &[(DateTime<Utc>, i128)], x| last(readings, x).unwrap_or(readings[0].1);
    let known = |x| read.iter().filter(move |readings| readings[0].0 < x);
    let some = |x, sum| known(x).next().map(|_| sum);
    let (first, end) = (edges[0], *edges.last().unwrap());
    let new = edges.windows(2).map(|edge| {
        let gained = known(edge[1])
            .map(|r| last(r, edge[1]).unwrap() - base(r, edge[0]))
            .sum();
        some(edge[1], gained)
    });
    let cumulative = edges[1..]
        .iter()
        .map(|x| some(*x, known(*x).map(|r| last(r, *x).unwrap()).sum()));
    let baseline = edges
        .windows(2)
        .map(|edge| read.iter().any(|r| r[0].0 >= edge[0] && r[0].0 < edge[1]));
    Series {
        new: new.collect(),
        cumulative: cumulative.collect(),
        start: some(end, known(end).map(|r| base(r, first)).sum()),
        baseline: baseline.collect(),
    }
}

struct Asked<'a> {
    metric: &'a str,
    mode: &'a str,
    tz: Tz,
    dates: Vec<NaiveDate>,
    edges: Vec<DateTime<Utc>>,
}

impl Asked<'_> {
    /// The first days of each bucket, of the one after it and of the one before it, and the same
    /// of the range as one bucket; before the first there are as many days.
    fn spans(&self) -> (Vec<[NaiveDate; 3]>, [NaiveDate; 3]) {
        let before = |first: NaiveDate, end: NaiveDate| first - (end - first);
        let mut spans: Vec<[NaiveDate; 3]> = Vec::new();
        for dates in self.dates.windows(2) {
            let last = spans.last().map(|[first, ..]| *first);
            let before = last.unwrap_or_else(|| before(dates[0], dates[1]));
            spans.push([dates[0], dates[1], before]);
        }
        let (first, end) = (self.dates[0], *self.dates.last().unwrap());
        (spans, [first, end, before(first, end)])
    }
}

/// What the answer must say: values, total, start value, baselines.
type Figures = (Vec<Value>, Value, Value, Vec<bool>);

fn expected(videos: &[&Video], asked: &Asked<'_>) -> Figures {
    let of = |metric: usize| -> Vec<&[(DateTime<Utc>, i128)]> {
        videos
            .iter()
            .map(|video| video.readings[metric].as_slice())
            .collect()
    };
    match asked.metric {
        "views" => counts(&series(&of(0), &asked.edges), asked.mode),
        "likes" => counts(&series(&of(1), &asked.edges), asked.mode),
        "comments" => counts(&series(&of(2), &asked.edges), asked.mode),
        "shares" | "saves" => counts(&series(&[], &asked.edges), asked.mode),
        "posts" => posts(videos, asked),
        "posts_per_week" | "growth_rate_pop&base_metric=posts" => {
            let none = vec![false; asked.edges.len() - 1];
            derived(asked, none, |span| of_posts(videos, asked, span))
        }
        "avg_views_per_post" | "growth_rate_pop&base_metric=views" => {
            let baseline = series(&of(0), &asked.edges).baseline;
            derived(asked, baseline, |span| {
                of_views(videos, &of(0), asked, span)
            })
        }
        _ => {
            let metrics = [0, 1, 2].map(|metric| series(&of(metric), &asked.edges));
            let whole = [asked.edges[0], *asked.edges.last().unwrap()];
            let total = [0, 1, 2].map(|metric| series(&of(metric), &whole));
            let baseline = (0..asked.edges.len() - 1)
                .map(|n| metrics.iter().any(|series| series.baseline[n]))
                .collect();
            let values = (0..asked.edges.len() - 1)
                .map(|n| rate(&metrics, n))
                .collect();
            (values, rate(&total, 0), Value::Null, baseline)
        }
    }
}

fn counts(series: &Series, mode: &str) -> Figures {
    let number = |value: &Option<i128>| {
        value.map_or(Value::Null, |value| json!(i64::try_from(value).unwrap()))
    };
    let (values, total) = if mode == "new" {
        let known = series.new.iter().any(Option::is_some);
        let sum: i128 = series.new.iter().flatten().sum();
        (&series.new, known.then_some(sum))
    } else {
        (
            &series.cumulative,
            series.cumulative.iter().rev().find_map(|value| *value),
        )
    };
    let values = values.iter().map(number).collect();
    (
        values,
        number(&total),
        number(&series.start),
        series.baseline.clone(),
    )
}

fn posts(videos: &[&Video], asked: &Asked<'_>) -> Figures {
    let before = |x| {
        videos
            .iter()
            .filter(|video| video.posted_at.unwrap() < x)
            .count()
    };
    let first = before(asked.edges[0]);
    let ends = || {
        asked
            .edges
            .windows(2)
            .map(|edge| (before(edge[0]), before(edge[1])))
    };
    let last = before(*asked.edges.last().unwrap());
    let (values, total): (Vec<_>, _) = if asked.mode == "new" {
        (
            ends().map(|(start, end)| json!(end - start)).collect(),
            last - first,
        )
    } else {
        (ends().map(|(_, end)| json!(end)).collect(), last)
    };
    let baseline = vec![false; values.len()];
    (values, json!(total), json!(first), baseline)
}

/// Of each bucket and of the whole range.
fn derived(
    asked: &Asked<'_>,
    baseline: Vec<bool>,
    value: impl Fn([NaiveDate; 3]) -> Value,
) -> Figures {
    let (spans, whole) = asked.spans();
    let values = spans.into_iter().map(&value).collect();
    (values, value(whole), Value::Null, baseline)
}

fn posted_before(videos: &[&Video], at: DateTime<Utc>) -> i128 {
    let posted = videos.iter().filter(|video| video.posted_at.unwrap() < at);
    i128::try_from(posted.count()).unwrap()
}

fn of_posts(videos: &[&Video], asked: &Asked<'_>, [first, end, _]: [NaiveDate; 3]) -> Value {
    let [start, by_end] =
        [first, end].map(|day| posted_before(videos, first_instant(asked.tz, day)));
    if asked.metric == "posts_per_week" {
        return quotient((by_end - start) * 7, (end - first).num_days().into());
    }
    if start == 0 {
        return Value::Null;
    }
    quotient((by_end - start) * 100, start)
}

fn of_views(
    videos: &[&Video],
    readings: &[&[(DateTime<Utc>, i128)]],
    asked: &Asked<'_>,
    days: [NaiveDate; 3],
) -> Value {
    let [first, end, before] = days.map(|day| first_instant(asked.tz, day));
    let new = |from, to| series(readings, &[from, to]).new[0];
    let Some(gained) = new(first, end) else {
        return Value::Null;
    };
    if asked.metric == "avg_views_per_post" {
        return match posted_before(videos, end) {
            0 => Value::Null,
            posted => quotient(gained, posted),
        };
    }
    match new(before, first) {
        Some(then) if then > 0 => quotient((gained - then) * 100, then),
        _ => Value::Null,
    }
}

/// Interactions per hundred views.
fn rate(metrics: &[Series; 3], n: usize) -> Value {
    let [views, likes, comments] = metrics.each_ref().map(|series| series.new[n]);
    let Some(views) = views.filter(|views| *views > 0) else {
        return Value::Null;
    };
    if likes.or(comments).is_none() {
        return Value::Null;
    }
    quotient((likes.unwrap_or(0) + comments.unwrap_or(0)) * 100, views)
}

/// Rounded once to four decimals, half away from zero; the divisor is positive.
fn quotient(number: i128, divisor: i128) -> Value {
    let rounded = (2 * number * 10_000 + number.signum() * divisor) / (2 * divisor);
    #[expect(clippy::cast_precision_loss, reason = "four decimals")]
    let quotient = rounded as f64 / 10_000.0;
    json!(quotient)
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        _ => a == b,
    }
}

async fn ids(dev: &Dev, path: &str, name: &str) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = dev.get(&format!("{path}&limit=100{cursor}")).await;
        for item in page.body["data"].as_array().unwrap() {
            let text = |field: &str| item[field].as_str().unwrap().to_owned();
            ids.insert(text(name), text("id"));
        }
        match page.body["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// Every metric with every zone, granularity and mode.
const WAYS: usize = METRICS.len() * ZONES.len() * GRANULARITIES.len() * 2;

/// The digit of a mixed radix that counts through `items`; the rest stays in `way`.
fn pick<T: Copy>(way: &mut usize, items: &[T]) -> T {
    let item = items[*way % items.len()];
    *way /= items.len();
    item
}

/// Asks for one entity in one way and compares every figure; how many were compared.
async fn compare(dev: &Dev, entity: &str, id: &str, videos: &[&Video], way: usize) -> usize {
    let mut rest = way;
    let metric = pick(&mut rest, &METRICS);
    let zone = pick(&mut rest, &ZONES);
    let granularity = pick(&mut rest, &GRANULARITIES);
    let mode = pick(&mut rest, &["new", "cumulative"]);
    let (from, to) = RANGES[(way + way / METRICS.len()) % RANGES.len()];
    if entity == "video" && (metric.contains("post") && !metric.ends_with("=views")) {
        return 0;
    }
    let query = format!(
        "/analytics?entity={entity}&entity_id={id}&metric={metric}&mode={mode}&{granularity}\
         &from={from}&to={to}&tz={zone}"
    );
    let answer = dev.get(&query).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.body);
    let series = &answer.body["data"]["series"][0];
    let tz: Tz = zone.parse().unwrap();
    let dates = edges(from.parse().unwrap(), to.parse().unwrap(), granularity);
    let edges = dates.iter().map(|date| first_instant(tz, *date)).collect();
    let (values, total, start, baseline) = expected(
        videos,
        &Asked {
            metric,
            mode,
            tz,
            dates,
            edges,
        },
    );
    let points = series["points"].as_array().unwrap();
    assert_eq!(points.len(), values.len(), "{query}");
    for (n, point) in points.iter().enumerate() {
        assert!(
            same(&point["value"], &values[n]),
            "{query}: {point} is not {}",
            values[n]
        );
        assert_eq!(point["is_baseline"], baseline[n], "{query}: {point}");
    }
    assert!(
        same(&series["total"], &total),
        "{query}: {} is not {total}",
        series["total"]
    );
    assert!(
        same(&series["start_value"], &start),
        "{query}: start {}",
        series["start_value"]
    );
    values.len()
}

#[tokio::test]
async fn every_figure_of_a_real_list_equals_the_one_computed_from_its_rows() {
    let Some(list) = real_list("youtube_trending_NZ.csv.zst") else {
        return;
    };
    let dev = Dev::start(&[]).await;
    let project = dev.new_project().await;
    let mut import = dev.import(&project, std::slice::from_ref(&list));
    let done = tokio::task::spawn_blocking(move || import.output().unwrap())
        .await
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );

    let videos = videos(&list);
    let creators = ids(&dev, &format!("/creators?project_id={project}"), "handle").await;
    let tracked = ids(
        &dev,
        &format!("/videos?project_id={project}"),
        "platform_video_id",
    )
    .await;
    let all: Vec<&Video> = videos.values().collect();
    let mut compared = 0;
    for way in 0..WAYS {
        compared += compare(&dev, "project", &project, &all, way).await;
    }
    for (n, (handle, id)) in creators.iter().step_by(13).enumerate() {
        let own: Vec<&Video> = all
            .iter()
            .copied()
            .filter(|v| v.channel == *handle)
            .collect();
        for way in [n * 71, n * 113 + 3, n * 173 + 6] {
            compared += compare(&dev, "creator", id, &own, way).await;
        }
    }
    for (n, (name, id)) in tracked.iter().step_by(41).enumerate() {
        for way in [n * 53 + 1, n * 131 + 4] {
            compared += compare(&dev, "video", id, &[&videos[name]], way).await;
        }
    }
    println!("{compared} points compared");
    assert!(compared > 10_000);
}
