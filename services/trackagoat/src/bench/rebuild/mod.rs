//! `rebuild`: how fast a projection is built anew from the log, and how that grows with the log.

pub mod build;
mod history;

use serde_json::json;

use self::history::History;
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::folder::Database;
use super::open_log::OpenLog;
use super::stats::{Repeats, exponent, float, per_second};
use super::{Options, Setting, conditions};

const AIMS: &[Aim] = &[
    Aim::at_least(REBUILT, "readings/s", 100_000.0),
    Aim::at_most(EXPONENT, "", 1.1),
];
const REBUILT: &str = "readings of a projection that is built anew, of ten times the log";
const EXPONENT: &str = "exponent by which the time grows with the log, from once to ten times it";

/// Times the least log.
const SIZES: [usize; 2] = [1, 10];

/// A log of its own, and what building from it took.
struct Case {
    times: usize,
    url: String,
    readings: u64,
    seconds: Repeats,
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let mut report = Report::new("rebuild", AIMS);
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let (repeats, creators, days) = if options.quick {
        (1, 2, 20)
    } else {
        (3, 20, 200)
    };
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    let mut cases = Vec::new();
    for times in SIZES {
        let history = History {
            creators: creators * times,
            days,
        };
        options.say(&format!("rebuild: {} readings", history.readings()));
        let url = database.ours().await?;
        let open_log = OpenLog::open(&url, clock, entropy).await?;
        history.write(&open_log, setting).await?;
        open_log.close().await;
        let readings = build::count_readings(&url).await?;
        cases.push(Case {
            times,
            url,
            readings,
            seconds: Repeats::default(),
        });
    }
    for repeat in 0..repeats {
        options.step("rebuild", repeat, repeats);
        // Not while one is built: what the one before has left to be written out.
        for turn in 0..cases.len() {
            let index = (turn + repeat) % cases.len();
            database.checkpoint().await?;
            let seconds = build::run(&cases[index].url, clock, entropy).await?;
            cases[index].seconds.push(seconds);
        }
    }
    report.condition("postgres", settings);
    report.condition("repeats", repeats);
    report.condition("days_of_readings", days);
    judge(&cases, &mut report);
    report.not_done("readings alone: no campaigns, comments or profiles");
    database.shut_down().await?;
    Ok(report)
}

fn judge(cases: &[Case], report: &mut Report) {
    for case in cases {
        let rate = per_second(case.readings, case.seconds.median());
        let figures = json!({
            "readings": case.readings,
            "seconds": case.seconds.to_json(),
            "readings_per_second": rounded(rate),
        });
        report.result(&format!("{}x", case.times), figures);
    }
    if let [small, large] = cases {
        report.reached(REBUILT, per_second(large.readings, large.seconds.median()));
        let longer = large.seconds.median() / small.seconds.median();
        let growth = float(large.readings) / float(small.readings);
        report.reached(EXPONENT, exponent(longer, growth));
    }
}
