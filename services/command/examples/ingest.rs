//! Readings a second through the router, gate and all: `cargo run --release -p command --example
//! ingest -- [requests in flight] [requests]`. Every request brings 5,000 new readings of known
//! videos. The server is that of tests, without fsync; a request is one commit of 100 ms or more,
//! so an fsync hardly counts.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, run by hand"
)]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "made for tests")]
mod support;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use futures_util::future::join_all;
use runtime::clock::Clock;
use serde_json::json;

use crate::support::{Org, TestApp, ingest_line};

const LINES: u16 = 5_000;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().unwrap());
    let in_flight = arguments.next().unwrap_or(4);
    let requests = arguments.next().unwrap_or(24);
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    app.creator(&org, project, "charli", "auto").await;
    let clock = Clock::system();

    let began = clock.monotonic();
    let answer = app.ingest(&org, videos()).await;
    assert_eq!(answer.data(200)["accepted"], LINES);
    let took = clock.monotonic().saturating_since(began).as_secs_f64();
    println!("{:.0} discoveries/s, one request", f64::from(LINES) / took);

    let bodies: Vec<_> = (0..requests).map(readings).collect();
    let next = AtomicU64::new(0);
    let began = clock.monotonic();
    join_all((0..in_flight).map(|_| sender(&app, &org, &bodies, &next))).await;
    let took = clock.monotonic().saturating_since(began).as_secs_f64();
    let count = f64::from(u32::try_from(bodies.len() * usize::from(LINES)).unwrap());
    println!(
        "{:.0} new readings/s, {in_flight} requests in flight",
        count / took
    );

    next.store(0, Ordering::Relaxed);
    let began = clock.monotonic();
    join_all((0..in_flight).map(|_| sender(&app, &org, &bodies, &next))).await;
    let took = clock.monotonic().saturating_since(began).as_secs_f64();
    println!(
        "{:.0} duplicates/s, {in_flight} requests in flight",
        count / took
    );
}

/// Sends what is left until nothing is.
async fn sender(app: &TestApp, org: &Org, bodies: &[String], next: &AtomicU64) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = usize::try_from(index)
            .ok()
            .and_then(|index| bodies.get(index))
        else {
            return;
        };
        let answer = app.ingest(org, body.clone()).await;
        assert_eq!(answer.data(200)["rejected"], 0);
    }
}

fn videos() -> String {
    let line = |id: u16| {
        ingest_line(
            &json!({"kind": "video", "platform": "tiktok", "creator_handle": "charli",
            "platform_video_id": (1_000_000 + u32::from(id)).to_string(), "title": "A title of a usual length",
            "observed_at": "2026-01-05T05:00:00Z", "posted_at": "2026-01-04T05:00:00Z"}),
        )
    };
    (0..LINES).map(line).collect()
}

fn readings(number: u64) -> String {
    let start = domain::time::Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let minutes = TimeDelta::minutes(i64::try_from(number).unwrap());
    let at = start.plus(minutes);
    let mut body = String::new();
    for id in 0..LINES {
        writeln!(
            body,
            r#"{{"kind":"video_stats","platform":"tiktok","platform_video_id":"{}","observed_at":"{at}","view_count":{},"like_count":{},"comment_count":{}}}"#,
            1_000_000 + u32::from(id),
            148_419 + number,
            9_120 + number,
            311
        )
        .unwrap();
    }
    body
}
