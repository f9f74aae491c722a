//! `mirror`: how fast the log gets onto the stream, beside publishing the same messages with
//! nothing expected of their order.

use std::time::Duration;

use async_nats::jetstream;
use domain::ids::GlobalPosition;
use event_log::{EventLog, Mirror, MirrorConfig, STREAM_NAME, StoredEvent};
use futures_util::StreamExt;
use runtime::clock::Clock;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};

use super::aim::{Aim, Report};
use super::error::BenchError;
use super::folder::Database;
use super::open_log::OpenLog;
use super::stats::{Repeats, per_second};
use super::turns::InTurn;
use super::zipf::Random;
use super::{Options, Setting, conditions};
use crate::nats::connect;

const AIMS: &[Aim] = &[Aim::at_least(MIRRORED, "events/s", 80_000.0)];
const MIRRORED: &str = "events from the log onto the stream";

const PAYLOAD_BYTES: usize = 200;
/// Messages that are sent and not yet acknowledged, at most; as the mirror's.
const WINDOW: usize = 1_024;
const PLAIN_STREAM: &str = "PLAIN";
const LOOK: Duration = Duration::from_millis(5);
const NOT_MIRRORED_AFTER: Duration = Duration::from_mins(2);

pub async fn run(options: &Options, setting: &Setting) -> Result<Report, BenchError> {
    let Setting {
        folder,
        clock,
        entropy,
    } = setting;
    let mut report = Report::new("mirror", AIMS);
    let (events, repeats) = if options.quick {
        (20_000, 1)
    } else {
        (300_000, 3)
    };
    let mut database = Database::start(folder, clock, entropy).await?;
    let settings = conditions::postgres_settings(&mut database.connect().await?).await?;
    let nats = folder.nats(clock, entropy).await?;
    let url = database.ours().await?;
    let open_log = OpenLog::open(&url, clock, entropy).await?;
    let mut random = Random::new(entropy.u64());
    options.say("mirror: filling the log");
    let head = open_log
        .fill(events, PAYLOAD_BYTES, clock, &mut random)
        .await?;
    let client = connect(&nats.url().into()).await?;

    let (mut mirrored, mut plain) = (Repeats::default(), Repeats::default());
    for repeat in 0..repeats {
        options.step("mirror", repeat, repeats);
        let ours = Box::pin(mirror_all(&open_log.log, &client, head, clock));
        let bare = Box::pin(publish_all(&open_log.log, &client, head, clock));
        let (ours, bare) = ours.in_turn_with(bare, repeat).await?;
        mirrored.push(per_second(events, ours));
        plain.push(per_second(events, bare));
    }
    report.condition("postgres", settings);
    report.condition("nats_server", client.server_info().version);
    report.condition("events", events);
    report.condition("payload_bytes", PAYLOAD_BYTES);
    report.result("mirrored_per_second", mirrored.to_json());
    report.result("plain_publishes_per_second", plain.to_json());
    report.ratio(
        "mirrored / plain publishes",
        mirrored.median() / plain.median(),
    );
    report.reached(MIRRORED, mirrored.median());
    report.not_done("one NATS server without a cluster, which answers before the disk has it");
    report.not_done("mirroring while events are appended is measured by `append`");
    open_log.close().await;
    nats.shut_down().await.map_err(BenchError::Server)?;
    database.shut_down().await?;
    Ok(report)
}

/// Seconds until a stream made anew holds everything up to `head`.
async fn mirror_all(
    log: &EventLog,
    client: &async_nats::Client,
    head: GlobalPosition,
    clock: &Clock,
) -> Result<f64, BenchError> {
    let context = jetstream::new(client.clone());
    delete(&context, STREAM_NAME).await;
    let config = MirrorConfig {
        backfill: head.get(),
        ..MirrorConfig::default()
    };
    let mut lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.stage("mirror");
    let begun = clock.monotonic();
    let mirror = Mirror::new(log.clone(), client.clone(), config);
    tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
    let arrived = clock
        .timeout(NOT_MIRRORED_AFTER, until_holds(&context, head, clock))
        .await;
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    lifecycle.shutdown(ShutdownPolicy::default()).await;
    arrived.map_err(|source| BenchError::Late {
        what: "the last event on the stream",
        source,
    })?;
    Ok(seconds)
}

async fn until_holds(context: &jetstream::Context, head: GlobalPosition, clock: &Clock) {
    loop {
        if let Ok(stream) = context.get_stream(STREAM_NAME).await
            && stream.cached_info().state.last_sequence >= head.get()
        {
            return;
        }
        clock.sleep(LOOK).await;
    }
}

/// Seconds to publish everything, pipelined, and to hear that it is there. The messages are made
/// beforehand.
async fn publish_all(
    log: &EventLog,
    client: &async_nats::Client,
    head: GlobalPosition,
    clock: &Clock,
) -> Result<f64, BenchError> {
    let context = jetstream::new(client.clone());
    delete(&context, PLAIN_STREAM).await;
    let subjects = vec!["plain.>".to_owned()];
    let config = jetstream::stream::Config {
        name: PLAIN_STREAM.to_owned(),
        subjects,
        ..Default::default()
    };
    context
        .create_stream(config)
        .await
        .map_err(|error| wrong(&error))?;
    let mut messages = Vec::new();
    let mut after = GlobalPosition::ZERO;
    while after < head {
        let page = log.read(after, 5_000).await.map_err(BenchError::Read)?;
        after = page.last().map_or(head, |event| event.position);
        messages.extend(page.iter().map(message));
    }
    let inbox = client.new_inbox();
    let mut answers = client
        .subscribe(inbox.clone())
        .await
        .map_err(|error| wrong(&error))?;
    let begun = clock.monotonic();
    let gone = || BenchError::Wrong("NATS went away".into());
    for (sent, (subject, payload)) in messages.iter().enumerate() {
        if sent >= WINDOW {
            answers.next().await.ok_or_else(gone)?;
        }
        client
            .publish_with_reply(subject.clone(), inbox.clone(), payload.clone().into())
            .await
            .map_err(|error| wrong(&error))?;
    }
    for _ in 0..messages.len().min(WINDOW) {
        answers.next().await.ok_or_else(gone)?;
    }
    let seconds = clock.monotonic().saturating_since(begun).as_secs_f64();
    delete(&context, PLAIN_STREAM).await;
    Ok(seconds)
}

fn message(event: &StoredEvent) -> (String, String) {
    (
        format!("plain.{}.{}", event.org_id, event.type_name),
        event.to_cloud_event(),
    )
}

/// That it is not there is as good.
async fn delete(context: &jetstream::Context, stream: &str) {
    let _ = context.delete_stream(stream).await;
}

fn wrong(error: &dyn std::error::Error) -> BenchError {
    BenchError::Wrong(runtime::telemetry::chain(error).to_string())
}
