//! A subscriber sees every event once and in order, whatever happens to NATS meanwhile.

use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{EventLog, Feed, FeedConfig, FeedError, StoredEvent};
use futures_util::future::join_all;
use runtime::clock::Clock;
use testkit::{nats, postgres};

use crate::mirror::mirrored;
use crate::support::{Process, SOON, append, event, org, position, request, whole_log};

/// Follows until `count` events have come; they must be the log from `after` on.
async fn follow(feed: &mut Feed, count: usize) -> Vec<StoredEvent> {
    let mut seen = Vec::new();
    let mut last = feed.position();
    let all = async {
        while seen.len() < count {
            let batch = match feed.next_batch().await {
                Ok(batch) => batch,
                Err(FeedError::Log(_)) => {
                    Clock::system().sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            for event in batch {
                assert_eq!(event.position, last.next());
                last = event.position;
                seen.push(event);
            }
        }
    };
    let limit = Clock::system().timeout(SOON, all).await;
    assert!(limit.is_ok(), "only {} of {count} events came", seen.len());
    seen
}

fn with(client: async_nats::Client) -> FeedConfig {
    FeedConfig {
        nats: Some(client),
        epoch: None,
    }
}

async fn many(log: &EventLog, count: usize) {
    join_all((0..count).map(|_| append(log, org(), vec![event()]))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nats_the_log_is_followed() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let reader = Process::start(db.pool().clone());
    many(&process.log, 3_000).await;
    let mut feed = reader.log.subscribe(position(1_000), FeedConfig::default());
    follow(&mut feed, 2_000).await;
    many(&process.log, 100).await;
    follow(&mut feed, 100).await;
    assert!(feed.epoch().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_is_the_log() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    many(&process.log, 500).await;
    let mut feed = process
        .log
        .subscribe(GlobalPosition::ZERO, with(nats.client().await));
    let (mut seen, ()) = tokio::join!(follow(&mut feed, 1_500), many(&process.log, 1_000));
    for _ in 0..20 {
        many(&process.log, 5).await;
        seen.extend(follow(&mut feed, 5).await);
    }
    assert_eq!(seen, whole_log(&process.log).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_change_who_may_call_name_the_one_before_live_too() {
    use domain::event::{Event, MemberBanned};
    use domain::ids::UserId;
    use runtime::entropy::Entropy;

    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    let mut feed = process
        .log
        .subscribe(GlobalPosition::ZERO, with(nats.client().await));
    let ban = || {
        Event::MemberBanned(MemberBanned {
            user_id: UserId::from_uuid(Entropy::os().uuid_v4()),
            reason: None,
        })
    };
    let org = org();
    let mut seen = Vec::new();
    for events in [vec![ban()], vec![event()], vec![ban(), event(), ban()]] {
        let count = events.len();
        append(&process.log, org, events).await;
        seen.extend(follow(&mut feed, count).await);
    }
    let prev: Vec<_> = seen
        .iter()
        .map(|event| event.auth_prev.map(GlobalPosition::get))
        .collect();
    assert_eq!(prev, [Some(0), None, Some(1), None, Some(3)]);
    assert_eq!(
        process.log.read_auth(position(1), 10).await.unwrap().len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_while_nats_comes_and_goes() {
    let (db, mut nats) = (postgres().await, nats().await);
    let processes = [
        Process::start(db.pool().clone()),
        Process::start(db.pool().clone()),
    ];
    for process in &processes {
        process.mirror(nats.client().await);
    }
    let reader = Process::start(db.pool().clone());
    let mut feed = reader
        .log
        .subscribe(GlobalPosition::ZERO, with(nats.client().await));
    let writing = join_all(processes.iter().map(async |process| {
        for _ in 0..300 {
            let _ = process
                .log
                .append(request(org(), vec![event(); 2]))
                .await
                .unwrap();
            Clock::system().sleep(Duration::from_millis(3)).await;
        }
    }));
    let breaking = async {
        let clock = Clock::system();
        clock.sleep(Duration::from_millis(200)).await;
        nats.kill().await;
        clock.sleep(Duration::from_millis(300)).await;
        nats.start().await;
        clock.sleep(Duration::from_millis(400)).await;
        nats.wipe().await;
        clock.sleep(Duration::from_millis(300)).await;
        nats.restart().await;
    };
    let (seen, _, ()) = tokio::join!(follow(&mut feed, 1_200), writing, breaking);
    assert_eq!(seen, whole_log(&reader.log).await);
}

/// Whoever may publish there could repeat, reorder or invent messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_do_not_belong_are_not_believed() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    // No mirror: to it, messages of others on its stream are another history.
    many(&process.log, 3).await;
    let client = nats.client().await;
    let mut feed = process
        .log
        .subscribe(GlobalPosition::ZERO, with(nats.client().await));
    follow(&mut feed, 3).await;

    forge(&client, &process.log).await;
    many(&process.log, 2).await;
    let seen = follow(&mut feed, 2).await;
    assert_eq!(seen, whole_log(&process.log).await[3..]);
}

/// A mirror takes them for another history, and begins the stream anew: the subscriber is told, and
/// still sees nothing but the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_do_not_belong_are_not_believed_beside_a_mirror_either() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    many(&process.log, 3).await;
    let subscribe = async |after| {
        let client = nats.client().await;
        process.log.subscribe(after, with(client))
    };
    let mut feed = subscribe(GlobalPosition::ZERO).await;
    let epoch = process.log.head().await.unwrap().epoch;
    let mut seen = follow(&mut feed, 3).await;
    // There is a stream on which the others stand.
    mirrored(&nats, &process.log).await;
    for _ in 0..3 {
        forge(&nats.client().await, &process.log).await;
        many(&process.log, 2).await;
    }
    let all = async {
        while seen.len() < 9 || feed.epoch() == Some(epoch) {
            match feed.next_batch().await {
                Ok(batch) => seen.extend(batch),
                Err(error @ FeedError::Archived { .. }) => panic!("{error}"),
                Err(FeedError::EpochChanged { .. } | FeedError::Ahead { .. }) => {
                    seen.clear();
                    feed = subscribe(GlobalPosition::ZERO).await;
                }
                Err(FeedError::Log(_)) => Clock::system().sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let limit = Clock::system().timeout(SOON, all).await;
    assert!(limit.is_ok(), "{} events came", seen.len());
    assert_eq!(seen, whole_log(&process.log).await);
}

/// Publishes what repeats, reorders, alters and invents messages, as whoever may publish could.
async fn forge(client: &async_nats::Client, log: &EventLog) {
    let epoch = log.head().await.unwrap().epoch;
    let known = whole_log(log).await.swap_remove(2);
    let mut headers = async_nats::HeaderMap::new();
    for (position, payload) in [
        (4, known.to_cloud_event()),
        (3, known.to_cloud_event()),
        (9, known.to_cloud_event().replace("\"3\"", "\"9\"")),
        (
            4,
            known
                .to_cloud_event()
                .replace("\"position\":\"3\"", "\"position\":\"4\""),
        ),
        (4, "{}".to_owned()),
        (4, String::new()),
    ] {
        headers.insert("Tga-Position", position.to_string());
        headers.insert("Tga-Epoch", epoch.to_string());
        headers.insert("Tga-Hash", known.hash.to_string());
        client
            .publish_with_headers(
                "tga.events.x.project.removed",
                headers.clone(),
                payload.into(),
            )
            .await
            .unwrap();
        client.flush().await.unwrap();
    }
    client
        .publish("tga.events.x.y.z", "no headers".into())
        .await
        .unwrap();
    client.flush().await.unwrap();
}

#[tokio::test]
async fn another_epoch_or_a_log_that_went_back_is_told() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    many(&process.log, 3).await;
    let epoch = process.log.head().await.unwrap().epoch;

    let mut ahead = process.log.subscribe(position(9), FeedConfig::default());
    let error = ahead.next_batch().await.unwrap_err();
    assert!(
        matches!(error, FeedError::Ahead { position: p, head } if (p.get(), head.get()) == (9, 3)),
        "{error}"
    );

    let other = LogEpoch::from_uuid(runtime::entropy::Entropy::os().uuid_v4());
    let config = FeedConfig {
        nats: None,
        epoch: Some(other),
    };
    let mut stale = process.log.subscribe(position(3), config);
    let error = stale.next_batch().await.unwrap_err();
    assert!(
        matches!(error, FeedError::EpochChanged { epoch: now } if now == epoch),
        "{error}"
    );

    let mut feed = process.log.subscribe(position(2), FeedConfig::default());
    follow(&mut feed, 1).await;
    assert!(feed.next_batch().await.unwrap().is_empty());
    sqlx::query("update log.head set epoch = gen_random_uuid()")
        .execute(db.pool())
        .await
        .unwrap();
    let error = feed.next_batch().await.unwrap_err();
    assert!(matches!(error, FeedError::EpochChanged { .. }), "{error}");
}

#[tokio::test]
async fn nothing_of_another_epoch_is_given_out() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    many(&process.log, 3).await;
    let config = FeedConfig {
        nats: None,
        epoch: Some(process.log.head().await.unwrap().epoch),
    };
    let mut behind = process.log.subscribe(position(1), config);
    sqlx::query("update log.head set epoch = gen_random_uuid()")
        .execute(db.pool())
        .await
        .unwrap();
    let error = behind.next_batch().await.unwrap_err();
    assert!(matches!(error, FeedError::EpochChanged { .. }), "{error}");
    assert_eq!(behind.position(), position(1));
}

/// A subscriber can tell a quiet log from one that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_log_is_told_once_a_second_with_and_without_nats() {
    let (db, nats) = (postgres().await, nats().await);
    let process = Process::start(db.pool().clone());
    process.mirror(nats.client().await);
    many(&process.log, 1).await;
    let clock = Clock::system();
    for config in [FeedConfig::default(), with(nats.client().await)] {
        let mut feed = process.log.subscribe(GlobalPosition::ZERO, config);
        follow(&mut feed, 1).await;
        let mut told = clock.monotonic();
        for _ in 0..2 {
            let batch = clock.timeout(SOON, feed.next_batch()).await;
            assert!(batch.unwrap().unwrap().is_empty());
            let since = clock.monotonic().saturating_since(told);
            assert!(since >= Duration::from_millis(950), "{since:?}");
            told = clock.monotonic();
        }
    }
}

#[tokio::test]
async fn an_event_of_a_newer_build_is_given_out_undecoded() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    append(&process.log, org(), vec![event()]).await;
    let newer = [
        "insert into log.events select 2, 2, 0, recorded_at, stream, 1, gen_random_uuid(), org_id,
             'thing.happened', 'things/1', actor, correlation_id, hash, hash, null, '{}'
         from log.events where position = 1",
        "update log.head set position = 2, auth_position = 2",
    ];
    for statement in newer {
        sqlx::query(statement).execute(db.pool()).await.unwrap();
    }
    let mut feed = process.log.subscribe(position(1), FeedConfig::default());
    let seen = follow(&mut feed, 1).await;
    assert_eq!(seen[0].type_name, "thing.happened");
    assert!(seen[0].is_auth() && seen[0].event_type().is_none());
    assert!(seen[0].decode().is_err());
    assert!(
        seen[0]
            .to_cloud_event()
            .contains("com.trackagoat.thing.happened.v1")
    );
    // And an appender that does not know it goes on after it.
    append(&process.log, seen[0].org_id, vec![event()]).await;
}
