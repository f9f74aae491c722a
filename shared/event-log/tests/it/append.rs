use domain::event::{Event, ObservationRecorded, ProjectAdded, Stream};
use domain::ids::{EventId, ProjectId};
use domain::limits::README_CHARS;
use domain::text::{Metadata, ProjectName, Readme};
use event_log::{AppendError, AppendRequest, Config, EventLog, NotCommitted};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use std::collections::HashSet;
use std::time::Duration;
use testkit::postgres;

use crate::support::{
    Process, append, event, org, org_created, position, request, sound_log, version,
};

#[tokio::test]
async fn an_append_says_where_its_events_stand() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();

    let first = append(&process.log, org, vec![org_created(), event()]).await;
    assert_eq!((first.first, first.last), (position(1), position(2)));
    assert_eq!(first.version, Some(version(2)));
    let second = append(&process.log, org, vec![event()]).await;
    assert_eq!((second.first, second.last), (position(3), position(3)));
    assert!(second.recorded_at >= first.recorded_at);

    let log = sound_log(&process.log).await;
    assert_eq!(log[0].hash, first.hashes[0]);
    assert_eq!(log[2].hash, second.hashes[0]);
    assert_eq!(log[2].recorded_at, second.recorded_at);
    assert_eq!(process.log.head().await.unwrap().epoch, second.epoch);
    let ids: HashSet<EventId> = log.iter().map(|event| event.event_id).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn what_is_read_is_what_was_appended() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let project = Event::ProjectAdded(ProjectAdded {
        project_id: ProjectId::from_uuid(Entropy::os().uuid_v4()),
        name: ProjectName::parse("Größe \"x\" \\ 日本 😀").unwrap(),
        readme: Some(Readme::parse("line\nline\ttab").unwrap()),
        metadata: Metadata::parse(&serde_json::json!({"b": 1.5, "a": [null, "\u{1}"]})).unwrap(),
    });
    append(&process.log, org, vec![project.clone()]).await;

    let log = sound_log(&process.log).await;
    let recorded = log[0].decode().unwrap();
    assert_eq!(recorded.event, project);
    assert_eq!(recorded.to_cloud_event(), log[0].to_cloud_event());
}

#[tokio::test]
async fn the_two_streams_of_an_org_count_apart() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let observation = Event::ObservationRecorded(ObservationRecorded { readings: vec![] });

    let both = append(&process.log, org, vec![event(), observation.clone()]).await;
    assert_eq!(both.version, Some(version(1)));
    let only = append(&process.log, org, vec![observation]).await;
    assert_eq!(only.version, None);
    append(&process.log, org, vec![event()]).await;

    sound_log(&process.log).await;
    let read = |stream, after| process.log.read_stream(org, stream, version(after), 10);
    let decisions = read(Stream::Decisions, 0).await.unwrap();
    let observations = read(Stream::Observations, 1).await.unwrap();
    assert_eq!(
        decisions
            .iter()
            .map(|e| e.position.get())
            .collect::<Vec<_>>(),
        [1, 4]
    );
    assert_eq!(
        observations
            .iter()
            .map(|e| e.position.get())
            .collect::<Vec<_>>(),
        [3]
    );
}

#[tokio::test]
async fn a_conflict_names_the_actual_version_and_takes_no_position() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    append(&process.log, org, vec![event(), event()]).await;

    for expected in [0, 1, 3] {
        let stale = AppendRequest {
            expected: Some(version(expected)),
            ..request(org, vec![event()])
        };
        let refused = process.log.append(stale).await;
        assert!(
            matches!(refused, Err(AppendError::Conflict { actual }) if actual == version(2)),
            "{refused:?}"
        );
    }
    let right = AppendRequest {
        expected: Some(version(2)),
        ..request(org, vec![event()])
    };
    assert_eq!(process.log.append(right).await.unwrap().last, position(3));
    sound_log(&process.log).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_alone() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let metadata = serde_json::json!({ "x": "x".repeat(10_000) });
    let large = Event::ProjectAdded(ProjectAdded {
        project_id: ProjectId::from_uuid(Entropy::os().uuid_v4()),
        name: ProjectName::parse("large").unwrap(),
        readme: Some(Readme::parse(&"é".repeat(README_CHARS)).unwrap()),
        metadata: Metadata::parse(&metadata).unwrap(),
    });
    append(&process.log, org, vec![large.clone()]).await;

    let many = process
        .log
        .append(request(org, vec![event(); 20_001]))
        .await;
    assert!(
        matches!(many, Err(AppendError::TooLarge { .. })),
        "{many:?}"
    );
    let heavy = process.log.append(request(org, vec![large; 400])).await;
    assert!(
        matches!(heavy, Err(AppendError::TooLarge { .. })),
        "{heavy:?}"
    );
    sound_log(&process.log).await;
}

/// A text that Postgres cannot store slips through no type of ours but the correlation id's.
#[tokio::test]
async fn an_append_that_the_database_refuses_fails_alone() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let appends = (0..50).map(|index| {
        let log = process.log.clone();
        async move {
            let mut request = request(org(), vec![event()]);
            if index % 10 == 0 {
                request.correlation_id = "a\0b".to_owned();
            }
            (index, log.append(request).await)
        }
    });
    for (index, answer) in futures_util::future::join_all(appends).await {
        if index % 10 == 0 {
            assert!(
                matches!(answer, Err(AppendError::NotCommitted(_))),
                "{answer:?}"
            );
        } else {
            answer.unwrap();
        }
    }
    assert_eq!(sound_log(&process.log).await.len(), 45);
}

#[tokio::test]
async fn times_do_not_go_back_with_the_wall_clock() {
    let db = postgres().await;
    let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let (manual, time) = Clock::manual(start);
    let (log, appender) =
        EventLog::new(db.pool().clone(), manual, Entropy::os(), Config::default());
    let process = Process::start(db.pool().clone());
    process.tasks.spawn(
        runtime::lifecycle::TaskKind::Critical,
        "appender",
        appender.run(process.tasks.clone()),
    );
    let org = org();
    let before = append(&log, org, vec![event()]).await;
    time.set_wall(start - Duration::from_hours(1));
    let after = append(&log, org, vec![event()]).await;
    assert_eq!(before.recorded_at, after.recorded_at);
    // The other process's clock is years behind.
    let other = append(&process.log, org, vec![event()]).await;
    assert_eq!(before.recorded_at, other.recorded_at);
    sound_log(&log).await;
}

#[tokio::test]
async fn without_an_appender_nothing_is_appended() {
    let db = postgres().await;
    let (log, _) = EventLog::new(
        db.pool().clone(),
        Clock::system(),
        Entropy::os(),
        Config::default(),
    );
    let refused = log.append(request(org(), vec![event()])).await;
    let Err(AppendError::NotCommitted(cause)) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(*cause, NotCommitted::Stopped));
}

#[tokio::test]
async fn stopping_finishes_what_was_queued() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let log = process.log.clone();
    let answers =
        futures_util::future::join_all((0..200).map(|_| log.append(request(org(), vec![event()]))));
    let (answers, ()) = tokio::join!(answers, process.stop());
    let appended = answers.iter().filter(|answer| answer.is_ok()).count();
    for refused in answers.into_iter().filter_map(Result::err) {
        assert!(
            matches!(refused, AppendError::NotCommitted(_)),
            "{refused:?}"
        );
    }
    let reader = Process::start(db.pool().clone());
    assert_eq!(sound_log(&reader.log).await.len(), appended);
}
