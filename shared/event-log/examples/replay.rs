//! How fast the log is told again: events a second as public events, beside what Postgres itself gives
//! with `COPY`.
//!
//! `cargo run --release -p event-log --example replay -- [events]`
//!
//! A private Postgres is started (fsync off, as in tests) and filled with small decisions.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement by hand"
)]
#![expect(clippy::cast_precision_loss, reason = "small numbers")]

use domain::event::{Actor, Event, ProjectRemoved};
use domain::ids::{GlobalPosition, OrgId, ProjectId};
use event_log::{AppendRequest, Config, EventLog, Selection};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use tokio::sync::mpsc;

/// Events of one append, and appends at once.
const EVENTS: usize = 100;
const AT_ONCE: usize = 16;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let events = std::env::args().nth(1);
    let events: usize = events.map_or(500_000, |text| text.parse().unwrap());
    let (clock, database) = (Clock::system(), testkit::postgres().await);
    let pool = database.pool().clone();
    let (log, appender) = EventLog::new(pool, clock.clone(), Entropy::os(), Config::default());
    let lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.handle();
    tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
    for _ in 0..events.div_ceil(EVENTS * AT_ONCE) {
        join_all((0..AT_ONCE).map(|_| append(&log))).await;
    }
    let head = log.head().await.unwrap().position;
    for round in 1..=ROUNDS {
        let began = clock.monotonic();
        let copied = copy(&database).await;
        let copying = clock.monotonic().saturating_since(began).as_secs_f64();
        let began = clock.monotonic();
        let told = tell(&log, head, &tasks).await;
        let telling = clock.monotonic().saturating_since(began).as_secs_f64();
        let rate = |seconds: f64| head.get() as f64 / seconds;
        println!(
            "{round}: {head} events; COPY {:.0}/s ({copied} bytes), told {:.0}/s ({told} bytes): {:.2}",
            rate(copying),
            rate(telling),
            copying / telling,
        );
    }
    lifecycle.shutdown(ShutdownPolicy::default()).await;
}

async fn append(log: &EventLog) {
    let id = || Entropy::os().uuid_v4();
    let removed = |_| {
        let project_id = ProjectId::from_uuid(id());
        Event::ProjectRemoved(ProjectRemoved { project_id })
    };
    let request = AppendRequest {
        org_id: OrgId::from_uuid(id()),
        expected: None,
        events: (0..EVENTS).map(removed).collect(),
        actor: Actor::System,
        correlation_id: id().to_string(),
        idempotency: None,
        guard: None,
    };
    log.append(request).await.unwrap();
}

/// The same columns, as Postgres sends them.
async fn copy(database: &testkit::TestDatabase) -> usize {
    let mut connection = database.pool().acquire().await.unwrap();
    let copy =
        "COPY (SELECT position, event_id, org_id, stream, version, type, schema_version, subject,
        actor, correlation_id, recorded_at, auth_prev, prev_hash, hash, data
        FROM log.events ORDER BY position) TO STDOUT";
    let mut rows = connection.copy_out_raw(copy).await.unwrap();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await.unwrap() {
        bytes += row.len();
    }
    bytes
}

/// As `trackagoat log replay` does: pages are read while others are written out.
async fn tell(log: &EventLog, head: GlobalPosition, tasks: &runtime::lifecycle::Tasks) -> usize {
    let mut replay = log.replay(GlobalPosition::ZERO, head, Selection::default());
    let (sender, mut pages) = mpsc::channel(4);
    tasks.spawn(TaskKind::Disposable, "pages", async move {
        while let Some(page) = replay.next_page().await.unwrap() {
            if sender.send(page).await.is_err() {
                return;
            }
        }
    });
    let mut bytes = 0;
    while let Some(page) = pages.recv().await {
        let mut lines = Vec::new();
        for event in &page.events {
            lines.extend_from_slice(event.to_cloud_event().as_bytes());
            lines.push(b'\n');
        }
        bytes += lines.len();
    }
    bytes
}
