//! `analytics`: what an answer costs that no cache has, while what the org and the system hold beside
//! what is asked about grows a hundredfold.

mod lists;
mod measure;
mod questions;
mod subjects;
mod surroundings;

use std::fs;
use std::net::SocketAddr;
use std::str::FromStr;

use chrono::{NaiveDate, TimeDelta};
use domain::ids::{OrgId, ProjectId};
use domain::time::Timestamp;
use read_model::ProjectionVersion;
use serde::Deserialize;
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use self::measure::{Asker, Measured};
use self::questions::{
    CAMPAIGN_ENGAGEMENT, CAMPAIGN_VIEWS, CREATOR_DEAREST, CREATOR_VIEWS, CREATOR_VIEWS_BERLIN,
    QUESTIONS, SHIFTS,
};
use self::subjects::{DEPTH, Place, Subjects};
use self::surroundings::Surroundings;
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::product::Product;
use super::stats::exponent;
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_most(CREATOR, "ms", 20.0),
    Aim::at_most(DEAREST, "ms", 20.0),
    Aim::at_most(CAMPAIGN, "ms", 50.0),
    Aim::at_most(GROWTH, "exponent", 0.1),
];
const CREATOR: &str = "views of a creator with 1,000 videos over 365 days, p99";
const DEAREST: &str = "the dearest derived metric of that creator, p99";
const CAMPAIGN: &str = "a campaign nested five deep over 5,000 videos, 365 days, p99";
const GROWTH: &str = "growth of an answer's p50 with what else is held, 1x to 100x";

const SIZES: [usize; 3] = [1, 10, 100];

/// How much of everything.
pub struct Effort {
    /// Of each question at each size, after a warm-up.
    requests: usize,
    growing_requests: usize,
    warm_up: usize,
    /// Days that are asked about.
    days: usize,
    /// Of the creator.
    videos: usize,
    /// Creators in the campaign beside that one, and videos of each.
    others: usize,
    videos_each: usize,
    /// Creators around the subjects at 1x, videos of each, readings of each of these.
    around: usize,
    around_videos: usize,
    around_readings: usize,
}

/// More of what the ready-file says.
#[derive(Deserialize)]
struct Ready {
    admin: String,
    demo: Demo,
}

#[derive(Deserialize)]
struct Demo {
    org_id: OrgId,
}

impl Effort {
    fn of(options: &Options) -> Self {
        if options.quick {
            return Self {
                requests: 8,
                growing_requests: 2,
                warm_up: 1,
                days: 20,
                videos: 20,
                others: 8,
                videos_each: 10,
                around: 5,
                around_videos: 5,
                around_readings: 4,
            };
        }
        Self {
            requests: 320,
            growing_requests: 30,
            warm_up: 10,
            days: 365,
            videos: 1_000,
            others: 40,
            videos_each: 100,
            around: 50,
            around_videos: 100,
            around_readings: 8,
        }
    }

    /// So many that a range that ends earlier is as full.
    fn days_of_readings(&self) -> usize {
        self.days + SHIFTS
    }

    fn first_day(&self, last_day: NaiveDate) -> NaiveDate {
        let days = i64::try_from(self.days_of_readings()).unwrap_or(i64::MAX);
        last_day - TimeDelta::days(days - 1)
    }
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting { folder, clock, .. } = setting;
    let mut report = Report::new("analytics", AIMS);
    let effort = Effort::of(options);
    options.say("analytics: the product, with a demo");
    let product = Product::start(folder.path(), 1, clock).await?;
    let text =
        fs::read(&product.ready_file).map_err(BenchError::io("read", &product.ready_file))?;
    let ready: Ready = serde_json::from_slice(&text).map_err(BenchError::json)?;
    let url = &product.ready.database_url;
    let options_of_reader = PgConnectOptions::from_str(url)?;
    let options_of_reader = ProjectionVersion::CURRENT.in_schema(options_of_reader);
    let mut database = options_of_reader.connect().await?;
    let settings = conditions::postgres_settings(&mut database).await?;
    report.condition("postgres", settings);

    options.say("analytics: the subjects, as events");
    let place = Place {
        org: ready.demo.org_id,
        project: project(&product.make_project("bench analytics").await?)?,
        ranked: project(&product.ready.demo.project_id)?,
        last_day: Timestamp::from_datetime(clock.now()).date() - TimeDelta::days(1),
    };
    let subjects = Subjects::make(url, place, &effort, &mut database, setting).await?;
    report.result(
        "roll_up_of_all_campaigns_seconds",
        rounded(subjects.roll_up_seconds),
    );
    let addresses = (
        product.ready.query_replicas[0].address()?,
        address(&ready.admin)?,
    );
    let keys = product.make_keys(1).await?;
    let key = keys.first().map_or("", String::as_str);
    let mut asker = Asker::new(setting, &effort, &subjects, key, addresses);
    let mut surroundings = Surroundings::make(&mut database, place, &effort).await?;
    let mut found = Vec::new();
    for times in SIZES {
        options.say(&format!("analytics: {times}x"));
        let began = clock.monotonic();
        surroundings.grow(&mut database, times, &effort).await?;
        let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
        let measured = asker.measure(&mut database).await?;
        let mut json = measured.to_json();
        json["holds"] = surroundings.size(&mut database).await?;
        json["seconds_to_add_it"] = rounded(seconds);
        report.result(&format!("{times}x"), json);
        found.push(measured);
    }
    if let Some(data) = &options.data {
        options.say("analytics: the real lists");
        let found = lists::measure(&product, data, options.quick, &asker, &mut database).await?;
        report.result("real_lists", found);
    } else {
        report.not_done("no folder with lists was given (--data or TGA_BENCH_DATA)");
    }
    judge(&found, &mut report);
    describe(&effort, &subjects, &mut report);
    product.stop().await?;
    Ok(report)
}

fn judge(found: &[Measured], report: &mut Report) {
    let worst = |names: &[&str]| {
        let all = names.iter();
        let p99 = all.flat_map(|name| found.iter().map(|measured| measured.of(name).millis(0.99)));
        p99.fold(f64::NAN, f64::max)
    };
    report.reached(CREATOR, worst(&[CREATOR_VIEWS, CREATOR_VIEWS_BERLIN]));
    report.reached(DEAREST, worst(&[CREATOR_DEAREST]));
    report.reached(CAMPAIGN, worst(&[CAMPAIGN_VIEWS, CAMPAIGN_ENGAGEMENT]));
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let more = SIZES[SIZES.len() - 1] as f64 / SIZES[0] as f64;
    let mut exponents = serde_json::Map::new();
    let mut fixed = f64::NAN;
    for (place, question) in QUESTIONS.iter().enumerate() {
        let (before, after) = (&first.answers[place], &last.answers[place]);
        let exponent = exponent(after.millis(0.5) / before.millis(0.5), more);
        exponents.insert(question.name.to_owned(), rounded(exponent));
        if question.is_fixed {
            fixed = fixed.max(exponent);
        }
    }
    report.result("growth_exponents", exponents);
    report.reached(GROWTH, fixed);
    for (measured, times) in found.iter().zip(SIZES) {
        let ratio = measured.of(CREATOR_VIEWS).millis(0.5) / measured.bare.millis(0.5);
        let name =
            format!("{times}x: {CREATOR_VIEWS}, p50, beside a statement that reads its days");
        report.ratio(&name, ratio);
    }
}

fn describe(effort: &Effort, subjects: &Subjects, report: &mut Report) {
    report.condition("requests_of_each_question_at_each_size", effort.requests);
    report.condition("connections", 1);
    report.condition(
        "subjects",
        json!({
            "creator_videos": effort.videos,
            "campaign_videos": effort.videos + effort.others * effort.videos_each,
            "campaigns_in_one_another": DEPTH,
            "days": effort.days,
            "readings": subjects.readings,
            "layout": "each video of the creator is read once a day, the others every fourth day, each \
                       in a quarter hour of its own: the creator has a row in each of the 96 slots of \
                       a day, as has the campaign, which is the most there can be; followers are read \
                       four times a day",
        }),
    );
    report.condition(
        "1x",
        json!({
            "creators": effort.around,
            "videos_each": effort.around_videos,
            "readings_of_each_video": effort.around_readings,
            "slots_a_day_of_each": 4,
            "creators_to_a_campaign": 5,
            "days": effort.days_of_readings(),
            "where": "half in the subjects' project, a quarter in others of their org, a quarter in \
                      others' orgs",
        }),
    );
    report.condition(
        "uncached",
        "each request has another range of days or spells an id in another way (percent-encoded \
         digits), which the cache of answers takes for another question; its metrics count no hit",
    );
    report.not_done("what grows is written as rows of the read model, not appended as events");
    report.not_done(
        "the subjects' own rows are there at every size, so that all together grows less than a \
         hundredfold (`holds`)",
    );
    report.not_done("rows of the subjects lie together, as they were projected before what grows");
    report.not_done("each size is measured once, all questions in turn, not in three repeats");
}

fn project(id: &str) -> Result<ProjectId, BenchError> {
    let wrong = |_| BenchError::Wrong(format!("{id} is no id"));
    id.parse().map_err(wrong)
}

fn address(url: &str) -> Result<SocketAddr, BenchError> {
    let host = url.strip_prefix("http://").unwrap_or(url);
    let wrong = |_| BenchError::Wrong(format!("{url} is no address"));
    host.parse().map_err(wrong)
}
