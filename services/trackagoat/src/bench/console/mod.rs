//! `console`: how long the console's pages take at the server, and what they weigh, on the demo org.

mod browser;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use self::browser::Browser;
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

/// Sessions that take turns: each may ask the API 600 times a minute.
const SESSIONS: usize = 10;

/// What a page took and weighed.
struct Page {
    path: String,
    took: Histogram,
    /// Itself and what it names, in bytes as sent.
    bytes: u64,
}

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting { folder, clock, .. } = setting;
    let mut report = Report::new("console", AIMS);
    let (sessions, loads) = if options.quick {
        (1, 3)
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
    let mut pages = Vec::new();
    for path in paths(&product).await? {
        options.say(&format!("console: {path}"));
        pages.push(measure(&browser, &signed, &path, loads).await?);
    }
    product.stop().await?;
    report.condition("sessions", sessions);
    report.condition("loads_of_each_page", loads);
    report.condition("at_once", 1);
    judge(&pages, &mut report);
    report.not_done("the client shares the cores with the service and with Postgres");
    Ok(report)
}

/// The console's pages of the demo org: whatever they link to stands in them.
async fn paths(product: &Product) -> Result<Vec<String>, BenchError> {
    let project = &product.ready.demo.project_id;
    let first = async |list: &str| -> Result<Option<String>, BenchError> {
        let found = product.get(&format!("/{list}?limit=1")).await?;
        Ok(found[0]["id"].as_str().map(ToOwned::to_owned))
    };
    let mut paths: Vec<String> = [
        "/settings/general",
        "/settings/api-keys",
        "/settings/api-keys/new",
        "/settings/api-keys/safety",
        "/settings/members",
        "/settings/limits",
        "/settings/sessions",
        "/settings/account",
        "/audit",
        "/audit/as-of",
        "/projects",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    for part in ["", "/creators", "/videos", "/campaigns", "/inbox"] {
        paths.push(format!("/projects/{project}{part}"));
    }
    for list in ["creators", "videos", "campaigns"] {
        paths.extend(first(list).await?.map(|id| format!("/{list}/{id}")));
    }
    let key = first("api-keys").await?;
    paths.extend(key.map(|id| format!("/settings/api-keys/{id}")));
    Ok(paths)
}

async fn measure(
    browser: &Browser,
    signed: &[String],
    path: &str,
    loads: usize,
) -> Result<Page, BenchError> {
    // Not counted: what is read for the first time.
    let first = browser.load(path, &signed[0]).await?;
    let mut bytes = first.bytes;
    for asset in first.assets.iter().collect::<BTreeSet<_>>() {
        bytes += browser.load(asset, &signed[0]).await?.bytes;
    }
    let mut took = Histogram::default();
    for load in 0..loads {
        let loaded = browser.load(path, &signed[load % signed.len()]).await?;
        took.record(loaded.nanos);
    }
    Ok(Page {
        path: path.to_owned(),
        took,
        bytes,
    })
}

fn judge(pages: &[Page], report: &mut Report) {
    let table: Map<_, _> = pages
        .iter()
        .map(|page| (page.name(), page.to_json()))
        .collect();
    report.result("pages", Value::Object(table));
    let slowest = pages.iter().map(|page| page.took.millis(0.99));
    report.reached(SLOWEST, slowest.fold(0.0, f64::max));
    let heaviest = pages.iter().map(|page| page.bytes).max();
    report.reached(HEAVIEST, float(heaviest.unwrap_or(0)) / 1_000.0);
}

impl Page {
    /// Without the ids of this run.
    fn name(&self) -> String {
        let parts = self.path.split('/');
        let parts = parts.map(|part| if part.len() == 36 { "{id}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    fn to_json(&self) -> Value {
        json!({
            "p50_ms": rounded(self.took.millis(0.5)),
            "p99_ms": rounded(self.took.millis(0.99)),
            "kilobytes": rounded(float(self.bytes) / 1_000.0),
        })
    }
}
