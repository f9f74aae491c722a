//! `console`: how long the console's pages take at the server, and what they weigh, on the demo org.

mod browser;
mod pages;

use serde_json::{Map, Value, json};

use self::browser::Browser;
use self::pages::Page;
use super::aim::{Aim, Report, rounded};
use super::error::BenchError;
use super::product::Product;
use super::stats::{Histogram, float};
use super::{Options, Setting};

const AIMS: &[Aim] = &[
    Aim::at_most(SLOWEST, "ms", 100.0),
    Aim::at_most(HEAVIEST, "kB", 150.0),
];
const SLOWEST: &str = "a page at the server, p99 of the slowest one";
const HEAVIEST: &str = "all that a browser loads for a page, compressed, of the heaviest one";

/// Sessions that take turns: each may ask the API 600 times a minute, and a person has no more of them.
const SESSIONS: usize = 20;

/// What a page took and weighed.
struct Measured {
    path: String,
    took: Histogram,
    /// Itself and what it names, in bytes as sent.
    bytes: u64,
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting { folder, clock, .. } = setting;
    let mut report = Report::new("console", AIMS);
    let (sessions, loads) = if options.quick {
        (3, 3)
    } else {
        (SESSIONS, 100)
    };
    options.say("console: the product with its demo");
    let product = Product::start(folder.path(), 1, clock).await?;
    let browser = Browser::new(&product.ready.console, clock)?;
    let demo = &product.ready.demo;
    let mut signed = Vec::new();
    for _ in 0..sessions {
        signed.push(
            browser
                .sign_in(&demo.admin_email, &demo.admin_password)
                .await?,
        );
    }
    let mut measured = Vec::new();
    for page in pages::find(&browser, &signed[0]).await? {
        options.say(&format!("console: {}", page.path));
        measured.push(measure(&browser, &signed, page, loads).await?);
    }
    product.stop().await?;
    report.condition("sessions", sessions);
    report.condition("loads_of_each_page", loads);
    report.condition("at_once", 1);
    judge(&measured, &mut report);
    report.not_done("the client shares the cores with the service and with Postgres");
    Ok(report)
}

async fn measure(
    browser: &Browser,
    signed: &[String],
    page: Page,
    loads: usize,
) -> Result<Measured, BenchError> {
    let Page { path, assets } = page;
    // Not counted: what is read for the first time.
    let mut bytes = browser.load(&path, &signed[0]).await?.bytes;
    for asset in &assets {
        bytes += browser.load(asset, &signed[0]).await?.bytes;
    }
    let mut took = Histogram::default();
    for load in 0..loads {
        let loaded = browser.load(&path, &signed[load % signed.len()]).await?;
        took.record(loaded.nanos);
    }
    Ok(Measured { path, took, bytes })
}

fn judge(measured: &[Measured], report: &mut Report) {
    let table: Map<_, _> = measured
        .iter()
        .map(|page| (pages::kind(&page.path), page.to_json()))
        .collect();
    report.result("pages", Value::Object(table));
    let slowest = measured.iter().map(|page| page.took.millis(0.99));
    report.reached(SLOWEST, slowest.fold(0.0, f64::max));
    let heaviest = measured.iter().map(|page| page.bytes).max();
    report.reached(HEAVIEST, float(heaviest.unwrap_or(0)) / 1_000.0);
}

impl Measured {
    fn to_json(&self) -> Value {
        json!({
            "p50_ms": rounded(self.took.millis(0.5)),
            "p99_ms": rounded(self.took.millis(0.99)),
            "kilobytes": rounded(float(self.bytes) / 1_000.0),
        })
    }
}
