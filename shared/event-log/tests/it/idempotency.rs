use domain::ids::OrgId;
use event_log::{AppendError, AppendRequest, EventLog, IdempotencyRecord, Sweeper};
use testkit::postgres;

use crate::support::{Process, append, event, org, position, request, sound_log, version};

fn record(org_id: OrgId, key: &str, body: u8) -> IdempotencyRecord {
    IdempotencyRecord {
        org_id,
        key: key.to_owned(),
        route: "POST /projects".to_owned(),
        fingerprint: [body; 32],
        status: 201,
        answer: vec![body, 0, 255],
    }
}

fn with(request: AppendRequest, key: &str, body: u8) -> AppendRequest {
    AppendRequest {
        idempotency: Some(record(request.org_id, key, body)),
        ..request
    }
}

#[tokio::test]
async fn the_first_answer_stays() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (one, other) = (org(), org());
    let first = process
        .log
        .append(with(request(one, vec![event(), event()]), "k", 1))
        .await
        .unwrap();

    let again = process
        .log
        .append(with(request(one, vec![event()]), "k", 2))
        .await;
    let Err(AppendError::IdempotencyTaken(stored)) = again else {
        panic!("{again:?}");
    };
    assert_eq!(stored.record, record(one, "k", 1));
    assert_eq!((stored.first, stored.last), (first.first, first.last));
    assert_eq!(stored.recorded_at, first.recorded_at);
    let found = process.log.idempotent_answer(one, "k").await.unwrap();
    assert_eq!(found, Some(*stored));

    // Another org's keys are its own.
    process
        .log
        .append(with(request(other, vec![event()]), "k", 2))
        .await
        .unwrap();
    assert_eq!(sound_log(&process.log).await.len(), 3);
}

#[tokio::test]
async fn an_answer_can_be_remembered_without_an_event() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    append(&process.log, org, vec![event()]).await;
    let nothing = process
        .log
        .append(with(request(org, vec![]), "k", 1))
        .await
        .unwrap();
    assert_eq!((nothing.first, nothing.last), (position(2), position(1)));
    let stored = process
        .log
        .idempotent_answer(org, "k")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.last, position(1));
    assert_eq!(sound_log(&process.log).await.len(), 1);
}

#[tokio::test]
async fn a_failed_append_leaves_its_key_free() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    let stale = AppendRequest {
        expected: Some(version(7)),
        ..with(request(org, vec![event()]), "k", 1)
    };
    let refused = process.log.append(stale).await;
    assert!(matches!(refused, Err(AppendError::Conflict { .. })));
    assert_eq!(process.log.idempotent_answer(org, "k").await.unwrap(), None);
}

#[tokio::test]
async fn a_hundred_equal_requests_make_one_event() {
    let db = postgres().await;
    let processes = [
        Process::start(db.pool().clone()),
        Process::start(db.pool().clone()),
    ];
    let org = org();
    let attempts = (0..100).map(|index: usize| {
        let log: EventLog = processes[index % 2].log.clone();
        async move { log.append(with(request(org, vec![event()]), "k", 1)).await }
    });
    let answers = futures_util::future::join_all(attempts).await;
    let appended: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .collect();
    assert_eq!(appended.len(), 1);
    for answer in &answers {
        if let Err(error) = answer {
            let AppendError::IdempotencyTaken(stored) = error else {
                panic!("{error:?}");
            };
            assert_eq!(stored.last, appended[0].last);
        }
    }
    assert_eq!(sound_log(&processes[0].log).await.len(), 1);
}

#[tokio::test]
async fn after_a_day_a_key_is_free_again_and_its_row_goes() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    for key in ["old", "older", "young"] {
        process
            .log
            .append(with(request(org, vec![event()]), key, 1))
            .await
            .unwrap();
    }
    sqlx::query("update log.idempotency set recorded_at = recorded_at - interval '24 hours' where key <> 'young'")
        .execute(db.pool())
        .await
        .unwrap();
    assert_eq!(
        process.log.idempotent_answer(org, "old").await.unwrap(),
        None
    );
    process
        .log
        .append(with(request(org, vec![event()]), "old", 2))
        .await
        .unwrap();
    let stored = process
        .log
        .idempotent_answer(org, "old")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.record, record(org, "old", 2));

    assert_eq!(Sweeper::new(process.log.clone()).sweep().await.unwrap(), 1);
    let left: i64 = sqlx::query_scalar("select count(*) from log.idempotency")
        .fetch_one(db.pool())
        .await
        .unwrap();
    assert_eq!(left, 2);
}
