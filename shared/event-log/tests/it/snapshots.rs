use event_log::Snapshot;
use testkit::postgres;

use crate::support::{Process, org, position, version};

fn snapshot(number: u64) -> Snapshot {
    Snapshot {
        version: version(number),
        position: position(number * 3),
        state: format!("state {number} ").repeat(20_000).into_bytes(),
    }
}

#[tokio::test]
async fn a_snapshot_comes_back_as_it_went() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (one, other) = (org(), org());
    assert_eq!(process.log.load_snapshot(one, 1).await.unwrap(), None);
    process
        .log
        .store_snapshot(one, 1, snapshot(5))
        .await
        .unwrap();
    assert_eq!(
        process.log.load_snapshot(one, 1).await.unwrap(),
        Some(snapshot(5))
    );
    // Another form, another org: another snapshot.
    assert_eq!(process.log.load_snapshot(one, 2).await.unwrap(), None);
    assert_eq!(process.log.load_snapshot(other, 1).await.unwrap(), None);
}

#[tokio::test]
async fn an_older_snapshot_does_not_replace_a_newer_one() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    for number in [5, 3, 5, 9, 8] {
        process
            .log
            .store_snapshot(org, 1, snapshot(number))
            .await
            .unwrap();
    }
    assert_eq!(
        process.log.load_snapshot(org, 1).await.unwrap(),
        Some(snapshot(9))
    );
}

#[tokio::test]
async fn one_that_does_not_unpack_is_as_good_as_none_and_is_replaced() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let org = org();
    process
        .log
        .store_snapshot(org, 1, snapshot(5))
        .await
        .unwrap();
    for broken in [
        "update log.snapshots set state = ''",
        "update log.snapshots set state = 'nonsense'",
        "update log.snapshots set version = -1",
    ] {
        sqlx::query(broken).execute(db.pool()).await.unwrap();
        assert_eq!(
            process.log.load_snapshot(org, 1).await.unwrap(),
            None,
            "{broken}"
        );
    }
    process
        .log
        .store_snapshot(org, 1, snapshot(6))
        .await
        .unwrap();
    assert_eq!(
        process.log.load_snapshot(org, 1).await.unwrap(),
        Some(snapshot(6))
    );
}
