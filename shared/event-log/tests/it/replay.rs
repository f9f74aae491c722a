//! What is told again is the log: all of it or what is selected, and from the instant that is named.

use domain::event::{Stream, TypePattern};
use domain::ids::GlobalPosition;
use event_log::{EventLog, ReadError, Selection, StoredEvent};
use testkit::postgres;

use crate::signer::tamper;
use crate::support::{Process, append, event, org, org_created, position, whole_log};

/// What a replay gives.
pub async fn told(log: &EventLog, after: u64, to: u64, selection: Selection) -> Vec<StoredEvent> {
    let mut replay = log.replay(position(after), position(to), selection);
    let (mut all, mut through) = (Vec::new(), position(after));
    while let Some(page) = replay.next_page().await.unwrap() {
        assert!(page.through > through, "a page that goes nowhere");
        through = page.through;
        assert!(page.events.iter().all(|event| event.position <= through));
        all.extend(page.events);
    }
    assert_eq!(through, position(to));
    all
}

fn pattern(text: &str) -> TypePattern {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_gives_what_is_selected_in_order() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (log, mine) = (&process.log, org());
    append(log, mine, vec![org_created()]).await;
    for _ in 0..40 {
        append(log, org(), (0..10).map(|_| event()).collect()).await;
        append(log, mine, vec![event()]).await;
    }
    let all = whole_log(log).await;
    let end = all.len() as u64;
    assert_eq!(told(log, 0, end, Selection::default()).await, all);
    let part = told(log, 17, 300, Selection::default()).await;
    assert_eq!(part, all[17..300]);

    let of_mine = |event: &&StoredEvent| event.org_id == mine;
    let own: Vec<_> = all.iter().filter(of_mine).cloned().collect();
    let selection = |types: &[&str]| Selection {
        org: Some(mine),
        types: types.iter().copied().map(pattern).collect(),
    };
    assert_eq!(told(log, 0, end, selection(&[])).await, own);
    let created = told(log, 0, end, selection(&["org.*", "key.revoked"])).await;
    assert_eq!(created, own[..1]);
    let removed = told(log, 0, end, selection(&["project.removed"])).await;
    assert_eq!(removed, own[1..]);
    assert!(told(log, 0, end, selection(&["key.*"])).await.is_empty());
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_misses_what_somebody_took_away() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let (log, mine) = (&process.log, org());
    append(log, mine, vec![org_created()]).await;
    for _ in 0..10 {
        append(log, mine, vec![event()]).await;
    }
    tamper(
        db.pool(),
        "delete from log.events where position in (5, 11)",
    )
    .await;
    let of_mine = Selection {
        org: Some(mine),
        types: Vec::new(),
    };
    for selection in [Selection::default(), of_mine] {
        for (after, to) in [(0, 11), (4, 5), (6, 11), (10, 11)] {
            let mut replay = log.replay(position(after), position(to), selection.clone());
            let missed = replay.next_page().await;
            assert!(matches!(missed, Err(ReadError::Corrupt(_))), "{missed:?}");
        }
        assert_eq!(told(log, 5, 10, selection).await.len(), 5);
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instant_belongs_to_the_newest_event_recorded_by_then() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let log = &process.log;
    let long_ago = domain::time::Timestamp::parse("2001-01-01T00:00:00Z").unwrap();
    assert_eq!(log.earliest().await.unwrap(), position(1));
    assert_eq!(
        log.position_at(long_ago).await.unwrap(),
        GlobalPosition::ZERO
    );
    for _ in 0..25 {
        append(log, org(), vec![event(), event()]).await;
    }
    let all = whole_log(log).await;
    assert!(all.iter().all(|event| event.stream == Stream::Decisions));
    assert_eq!(log.earliest().await.unwrap(), position(1));
    assert_eq!(
        log.position_at(long_ago).await.unwrap(),
        GlobalPosition::ZERO
    );
    let moment = chrono::TimeDelta::microseconds(1);
    for event in &all {
        for at in [
            event.recorded_at.minus(moment),
            event.recorded_at,
            event.recorded_at.plus(moment),
        ] {
            let newest = all.iter().rev().find(|event| event.recorded_at <= at);
            let expected = newest.map_or(GlobalPosition::ZERO, |event| event.position);
            assert_eq!(log.position_at(at).await.unwrap(), expected, "at {at}");
        }
    }
    process.stop().await;
}
