//! Row 51: readings come in as fast as they can, while keys are revoked.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{REPLICAS, done};
use crate::client::{Key, Target, answer};
use crate::counters::{metrics, value};
use crate::limits::{QUERIES, VICTIMS};
use crate::rig::Rig;

/// Rounds of revocations before readings come, and while they do.
const CALM_ROUNDS: usize = 2;
const ROUNDS: usize = 6;
/// Requests under way to each command service, and readings of each: the next is sent once one is answered.
const AT_ONCE: usize = 1;
const LINES: usize = 200;
/// A request may take so long: it is not what is measured.
const INGEST_TIMEOUT: Duration = Duration::from_mins(1);
const CREATORS: usize = 50;
/// What a revocation may take beside waiting for replicas: its append above all.
const APPENDED_WITHIN: Duration = Duration::from_millis(100);
const GAPS: &str = "tga_gate_catch_ups_total{reason=\"gap\"";
const LOADS: &str = "tga_gate_loads_total";

/// Where readings go.
struct Flood {
    admin: Key,
    project: String,
    began: DateTime<Utc>,
    over: CancellationToken,
}

/// Row 51.
pub async fn bulk(rig: &mut Rig) {
    let flood = Flood::prepare(rig).await;
    let calm = appends(rig, CALM_ROUNDS).await;
    let commands: Vec<_> = ["c1", "c2"].map(|name| rig.target(name)).into();
    let senders = (0..AT_ONCE * commands.len())
        .map(|sender| flood.send(&commands[sender % commands.len()], sender));
    let before = reads_of_the_log(rig).await;
    let revoking = async {
        let appends = appends(rig, ROUNDS).await;
        flood.over.cancel();
        appends
    };
    let (appends, sent) = tokio::join!(revoking, join_all(senders));
    let after = reads_of_the_log(rig).await;
    let events: u64 = sent.iter().sum();
    rig.found
        .expect(events > 0, || "nothing was ingested".to_owned());
    judge(rig, &calm, &appends, events);
    // Keys are made and revoked; what is told of two such events may cross on its way, but readings
    // between them are no gap.
    let (gaps, loads) = (after.0 - before.0, after.1 - before.1);
    let most = (2 * ROUNDS * VICTIMS * QUERIES) as u64;
    rig.found.expect(gaps <= most && loads == 0, || {
        format!("{gaps} gaps between auth events, {loads} snapshots")
    });
}

/// What revocations took beside waiting for replicas.
async fn appends(rig: &mut Rig, rounds: usize) -> Vec<Duration> {
    let mut appends = Vec::new();
    for _ in 0..rounds {
        let watch = rig.round().await;
        let revoked = done(watch.revoke()).await;
        rig.end(watch, &[]).await;
        for one in &revoked {
            appends.push(one.took().saturating_sub(one.waited()));
            let acked = one.receipt.barrier.as_ref().map_or(0, |all| all.acked);
            rig.found.expect_speed(acked as usize == QUERIES, || {
                format!("{acked} of {QUERIES} replicas acknowledged")
            });
        }
    }
    appends.sort_unstable();
    appends
}

/// A build that takes long without readings, as one that is not optimised does, says little of what
/// they do: the bound is that of one that takes 20 ms (`deploy/bench revoke`).
fn judge(rig: &mut Rig, calm: &[Duration], appends: &[Duration], events: u64) {
    let p99 = |sorted: &[Duration]| sorted[(sorted.len() * 99).div_ceil(100) - 1];
    let (calm, p99) = (p99(calm), p99(appends));
    rig.found.note(format!(
        "{events} readings; a revocation without its barrier p50 {} ms, p99 {} ms of {}; without readings p99 {} ms",
        appends[appends.len() / 2].as_millis(),
        p99.as_millis(),
        appends.len(),
        calm.as_millis()
    ));
    let text = format!("a revocation was appended after {} ms", p99.as_millis());
    if calm <= APPENDED_WITHIN / 5 {
        rig.found.expect_speed(p99 <= APPENDED_WITHIN, || text);
    } else if p99 > APPENDED_WITHIN {
        rig.found
            .note(format!("not judged, too slow without readings: {text}"));
    }
}

impl Flood {
    async fn prepare(rig: &Rig) -> Self {
        let (admin, c1) = (rig.admin.clone(), rig.target("c1"));
        let made = admin.request(&c1, Method::POST, "/projects");
        let made = answer(made.json(&json!({"name": "readings"}))).await;
        let project = made.body["data"]["id"].as_str().map(str::to_owned);
        let project = project.unwrap_or_else(|| panic!("a project: {}", made.told()));
        let creators: Vec<Value> = (0..CREATORS)
            .map(
                |n| json!({"platform": "tiktok", "handle": handle(n), "tracking_start_date": null}),
            )
            .collect();
        let path = format!("/projects/{project}/creators");
        let added = admin.request(&c1, Method::POST, &path);
        let added = answer(added.json(&json!({"creators": creators}))).await;
        let is_added = added.status.is_some_and(|status| status.is_success());
        assert!(is_added, "creators: {}", added.told());
        Self {
            admin,
            project,
            began: Clock::system().now() - TimeDelta::days(300),
            over: CancellationToken::new(),
        }
    }

    /// Sends readings, each of another moment, until it is over; says how many were taken.
    async fn send(&self, command: &Target, sender: usize) -> u64 {
        let path = format!("/ingest/observations?project_id={}", self.project);
        let mut accepted = 0;
        for batch in 0.. {
            if self.over.is_cancelled() {
                break;
            }
            let request = self.admin.request(command, Method::POST, &path);
            let request = request.header("content-type", "application/x-ndjson");
            let request = request.body(self.lines(sender, batch));
            let answer = answer(request.timeout(INGEST_TIMEOUT)).await;
            // Who waits too long for the head's lock is told so, and sends the same again later.
            let is_late = answer.is(StatusCode::SERVICE_UNAVAILABLE);
            let is_taken = answer.is(StatusCode::OK);
            assert!(is_taken || is_late, "readings: {}", answer.body);
            accepted += answer.body["data"]["accepted"].as_u64().unwrap_or(0);
        }
        accepted
    }

    fn lines(&self, sender: usize, batch: usize) -> String {
        let mut lines = String::new();
        for n in 0..LINES {
            // Each sender has seconds of its own.
            let moment = (batch * LINES + n) / CREATORS * 2 * AT_ONCE + sender;
            let moment = TimeDelta::seconds(i64::try_from(moment).expect("it is small"));
            let line = json!({
                "kind": "creator_profile", "platform": "tiktok", "handle": handle(n % CREATORS),
                "observed_at": (self.began + moment).to_rfc3339(), "follower_count": batch * LINES + n,
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        lines
    }
}

fn handle(n: usize) -> String {
    format!("rig_{n}")
}

/// How often replicas found a gap in what they are told, and how often they loaded everything.
async fn reads_of_the_log(rig: &mut Rig) -> (u64, u64) {
    let mut sums = (0, 0);
    for name in REPLICAS {
        let text = metrics(rig, name).await;
        sums.0 += value(&text, GAPS);
        sums.1 += value(&text, LOADS);
    }
    sums
}
