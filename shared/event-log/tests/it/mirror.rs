//! faults.md, row 28: the stream is the log, whatever happens to NATS.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, Info};
use domain::cloud_event::CloudEvent;
use event_log::{EventLog, STREAM_NAME};
use futures_util::future::join_all;
use testkit::{TestNats, eventually, nats, postgres};

use crate::support::{Process, SOON, append, event, org, request, whole_log};

/// Waits until the stream ends where the log does.
pub async fn mirrored(nats: &TestNats, log: &EventLog) -> Info {
    let context = nats.jetstream().await;
    eventually(SOON, "the stream to end where the log does", async || {
        let head = log.head().await.unwrap();
        let stream = context.get_stream(STREAM_NAME).await;
        let mut stream = stream.map_err(|error| error.to_string())?;
        let info = stream.info().await.map_err(|error| error.to_string())?;
        let last = info.state.last_sequence;
        if last == head.position.get() {
            Ok(info.clone())
        } else {
            Err(format!("stream at {last}, log at {}", head.position))
        }
    })
    .await
}

/// The stream holds exactly the events of the log from its first message on.
async fn is_the_log(nats: &TestNats, log: &EventLog) {
    let info = mirrored(nats, log).await;
    let stream = nats
        .jetstream()
        .await
        .get_stream(STREAM_NAME)
        .await
        .unwrap();
    let all = whole_log(log).await;
    let epoch = log.head().await.unwrap().epoch;
    let first = info.state.first_sequence;
    assert_eq!(info.state.messages, all.len() as u64 + 1 - first);
    for stored in &all[usize::try_from(first - 1).unwrap()..] {
        let message = stream.get_raw_message(stored.position.get()).await.unwrap();
        let text = std::str::from_utf8(&message.payload).unwrap();
        assert_eq!(text, stored.to_cloud_event());
        assert!(CloudEvent::parse(&message.payload).unwrap().is_intact());
        assert_eq!(
            message.subject.as_str(),
            format!("tga.events.{}.{}", stored.org_id, stored.type_name)
        );
        let header = |name: &str| message.headers.get(name).unwrap().as_str().to_owned();
        assert_eq!(header("Tga-Position"), stored.position.to_string());
        assert_eq!(header("Tga-Hash"), stored.hash.to_string());
        assert_eq!(header("Tga-Epoch"), epoch.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_at_a_sequence_is_the_event_at_that_position() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    // Some before the mirror, some after.
    append(&process.log, org(), vec![event(); 30]).await;
    process.mirror(nats.client().await);
    join_all((0..50).map(|_| append(&process.log, org(), vec![event(); 3]))).await;
    is_the_log(&nats, &process.log).await;
}

#[tokio::test]
async fn the_stream_refuses_to_forget() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    append(&process.log, org(), vec![event()]).await;
    let info = mirrored(&nats, &process.log).await;
    assert!(info.config.deny_delete && info.config.deny_purge);
    let stream = nats
        .jetstream()
        .await
        .get_stream(STREAM_NAME)
        .await
        .unwrap();
    assert!(stream.delete_message(1).await.is_err());
    assert!(stream.purge().await.is_err());
    is_the_log(&nats, &process.log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_gone_and_back() {
    let (db, mut nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    append(&process.log, org(), vec![event(); 10]).await;
    mirrored(&nats, &process.log).await;
    for kill in [true, false] {
        if kill {
            nats.kill().await;
        } else {
            nats.stop().await;
        }
        join_all((0..20).map(|_| append(&process.log, org(), vec![event()]))).await;
        nats.start().await;
        append(&process.log, org(), vec![event(); 10]).await;
        is_the_log(&nats, &process.log).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_store_is_filled_again() {
    let (db, mut nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    // Several pages, so that one is read while the one before is published.
    join_all((0..30).map(|_| append(&process.log, org(), vec![event(); 100]))).await;
    mirrored(&nats, &process.log).await;
    nats.wipe().await;
    append(&process.log, org(), vec![event()]).await;
    is_the_log(&nats, &process.log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_is_waited_for() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    append(&process.log, org(), vec![event()]).await;
    mirrored(&nats, &process.log).await;
    nats.pause();
    append(&process.log, org(), vec![event(); 20]).await;
    runtime::clock::Clock::system()
        .sleep(Duration::from_millis(1_200))
        .await;
    nats.resume();
    is_the_log(&nats, &process.log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_mirrors_race_and_publish_nothing_twice() {
    let (db, nats) = (postgres().await, nats().await);
    let processes = [
        Process::start(db.pool().clone()),
        Process::start(db.pool().clone()),
    ];
    for process in &processes {
        process.mirror(nats.client().await);
    }
    let appends = (0..200).map(|index: usize| {
        let log = processes[index % 2].log.clone();
        async move {
            log.append(request(org(), vec![event(); 1 + index % 5]))
                .await
                .unwrap()
        }
    });
    join_all(appends).await;
    is_the_log(&nats, &processes[0].log).await;
}

/// A process that dies after its commit leaves events that another one mirrors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_leaves_behind_is_mirrored() {
    let (db, nats) = (postgres().await, nats().await);
    let mirroring = Process::start(db.pool().clone());
    mirroring.mirror(nats.client().await);
    let silent = Process::start(db.pool().clone());
    append(&silent.log, org(), vec![event(); 5]).await;
    is_the_log(&nats, &mirroring.log).await;
    // Interleaved with its own.
    for _ in 0..5 {
        append(&silent.log, org(), vec![event(); 2]).await;
        append(&mirroring.log, org(), vec![event(); 2]).await;
    }
    is_the_log(&nats, &mirroring.log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_lost_its_end_gets_it_back() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    append(&process.log, org(), vec![event(); 20]).await;
    process.mirror(nats.client().await);
    mirrored(&nats, &process.log).await;
    process.stop().await;

    // What a power cut does to NATS: the newest messages are gone, the rest stands.
    let context = nats.jetstream().await;
    let mut stream = context.get_stream(STREAM_NAME).await.unwrap();
    let config = stream.info().await.unwrap().config.clone();
    let kept = keep_first(&nats, &config, 12).await;
    assert_eq!(kept, 12);

    let again = Process::start(db.pool().clone());
    again.mirror(nats.client().await);
    is_the_log(&nats, &again.log).await;
}

/// Replaces the stream by one that holds its first messages alone; returns how many.
pub async fn keep_first(nats: &TestNats, config: &Config, count: u64) -> u64 {
    let context = nats.jetstream().await;
    let stream = context.get_stream(STREAM_NAME).await.unwrap();
    let mut messages = Vec::new();
    for sequence in 1..=count {
        messages.push(stream.get_raw_message(sequence).await.unwrap());
    }
    context.delete_stream(STREAM_NAME).await.unwrap();
    context.create_stream(config.clone()).await.unwrap();
    for message in messages {
        context
            .publish_with_headers(message.subject, message.headers, message.payload)
            .await
            .unwrap()
            .await
            .unwrap();
    }
    let mut stream = context.get_stream(STREAM_NAME).await.unwrap();
    stream.info().await.unwrap().state.last_sequence
}

/// What NATS does with a message that it cannot read any more: it goes on without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_lost_a_message_of_its_midst_is_made_anew() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    append(&process.log, org(), vec![event(); 20]).await;
    let config = mirrored(&nats, &process.log).await.config;
    let epoch = process.log.head().await.unwrap().epoch;

    process.stop().await;
    let allows_it = Config {
        deny_delete: false,
        ..config
    };

    // While nobody mirrors, at its end.
    keep_first(&nats, &allows_it, 20).await;
    lose(&nats, 20).await;
    let again = Process::start(db.pool().clone());
    again.mirror(nats.client().await);
    is_whole_again(&nats, &again.log).await;
    again.stop().await;

    // Under a running mirror, in its midst.
    keep_first(&nats, &allows_it, 20).await;
    let again = Process::start(db.pool().clone());
    again.mirror(nats.client().await);
    append(&again.log, org(), vec![event()]).await;
    is_the_log(&nats, &again.log).await;
    lose(&nats, 7).await;
    is_whole_again(&nats, &again.log).await;
    assert_eq!(again.log.head().await.unwrap().epoch, epoch);
}

/// Takes a message out of a stream that allows it.
pub async fn lose(nats: &TestNats, sequence: u64) {
    let context = nats.jetstream().await;
    let stream = context.get_stream(STREAM_NAME).await.unwrap();
    assert!(stream.delete_message(sequence).await.unwrap());
}

async fn is_whole_again(nats: &TestNats, log: &EventLog) {
    let context = nats.jetstream().await;
    eventually(SOON, "the stream is whole", async || {
        let head = log.head().await.unwrap().position.get();
        let stream = context.get_stream(STREAM_NAME).await.ok()?;
        (stream.cached_info().state.messages == head).then_some(())
    })
    .await;
    is_the_log(nats, log).await;
}

/// The log went back (a restore, a failover) and another history was appended.
/// What of it is lost besides hides nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_another_history_begins_a_new_epoch() {
    for lost_besides in [&[][..], &[4], &[9, 10]] {
        let (before, after, nats) = (postgres().await, postgres().await, nats().await);
        let lost = Process::start(before.pool().clone());
        append(&lost.log, org(), vec![event(); 10]).await;
        lost.mirror(nats.client().await);
        let config = mirrored(&nats, &lost.log).await.config;
        let epoch = lost.log.head().await.unwrap().epoch;
        lost.stop().await;
        let allows_it = Config {
            deny_delete: false,
            ..config
        };
        keep_first(&nats, &allows_it, 10).await;
        for sequence in lost_besides {
            lose(&nats, *sequence).await;
        }

        let restored = Process::start(after.pool().clone());
        sqlx::query("update log.head set epoch = $1")
            .bind(epoch.as_uuid())
            .execute(after.pool())
            .await
            .unwrap();
        append(&restored.log, org(), vec![event(); 12]).await;
        restored.mirror(nats.client().await);
        is_the_log(&nats, &restored.log).await;
        assert_ne!(restored.log.head().await.unwrap().epoch, epoch);
        append(&restored.log, org(), vec![event()]).await;
        is_the_log(&nats, &restored.log).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_of_the_log_begins_a_new_stream() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    append(&process.log, org(), vec![event(); 5]).await;
    mirrored(&nats, &process.log).await;
    let context = nats.jetstream().await;
    let made = context
        .get_stream(STREAM_NAME)
        .await
        .unwrap()
        .cached_info()
        .created;
    sqlx::query("update log.head set epoch = gen_random_uuid()")
        .execute(db.pool())
        .await
        .unwrap();
    eventually(SOON, "a new stream", async || {
        let stream = context.get_stream(STREAM_NAME).await.ok()?;
        (stream.cached_info().created != made).then_some(())
    })
    .await;
    append(&process.log, org(), vec![event(); 5]).await;
    is_the_log(&nats, &process.log).await;
}

/// As if NATS had been restored from another log's backup, while a mirror runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_mirror_learns_the_epoch_that_it_begins() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    append(&process.log, org(), vec![event(); 5]).await;
    let config = mirrored(&nats, &process.log).await.config;
    let epoch = process.log.head().await.unwrap().epoch;
    sqlx::query("update gate.head set settled = 3")
        .execute(db.pool())
        .await
        .unwrap();

    let context = nats.jetstream().await;
    context.delete_stream(STREAM_NAME).await.unwrap();
    let foreign = Config {
        first_sequence: Some(40),
        ..config
    };
    context.create_stream(foreign).await.unwrap();
    let ack = context.publish("tga.events.x.y.z", "foreign".into()).await;
    ack.unwrap().await.unwrap();

    append(&process.log, org(), vec![event(); 5]).await;
    eventually(SOON, "a new epoch", async || {
        (process.log.head().await.unwrap().epoch != epoch).then_some(())
    })
    .await;
    is_the_log(&nats, &process.log).await;
    append(&process.log, org(), vec![event(); 5]).await;
    is_the_log(&nats, &process.log).await;
    let settled: i64 = sqlx::query_scalar("select settled from gate.head")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(settled, 0, "positions of another epoch");
}
