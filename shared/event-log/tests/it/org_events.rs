//! One org's events: behind a second wall, in order, from any position; and what an instant means.

use std::collections::HashSet;

use chrono::TimeDelta;
use domain::event::{Event, ObservationRecorded, Stream};
use domain::ids::{GlobalPosition, OrgId};
use event_log::{EventLog, StoredEvent};
use sqlx::Executor;
use testkit::postgres;

use crate::support::{Process, append, event, org, position, whole_log};

/// All that an org has.
pub const BOTH: [Stream; 2] = [Stream::Decisions, Stream::Observations];

fn observation() -> Event {
    let readings = Vec::new();
    ObservationRecorded { readings }.into()
}

/// Two orgs that take turns, with both streams.
async fn filled(log: &EventLog) -> [OrgId; 2] {
    let orgs = [org(), org()];
    for turn in 0..60 {
        let of = orgs[turn % 2];
        let events = match turn % 5 {
            0 | 3 => vec![observation()],
            1 => vec![event(), event()],
            _ => vec![event(), observation(), event()],
        };
        append(log, of, events).await;
    }
    orgs
}

/// What a walk gives.
pub async fn walked(
    log: &EventLog,
    org: OrgId,
    streams: &[Stream],
    after: u64,
    to: u64,
) -> Vec<StoredEvent> {
    let mut walk = log.walk_org(org, streams, position(after), position(to));
    let mut all = Vec::new();
    loop {
        let page = walk.next_page().await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[tokio::test]
async fn a_walk_gives_an_orgs_events_in_order_and_no_others() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let [one, _] = filled(&process.log).await;
    let all = whole_log(&process.log).await;
    let head = all.len() as u64;
    let (reader, _) = EventLog::new(
        db.pool_as("tga_query"),
        runtime::clock::Clock::system(),
        runtime::entropy::Entropy::os(),
        event_log::Config::default(),
    );
    for streams in [&BOTH[..], &BOTH[..1], &BOTH[1..]] {
        for (after, to) in [
            (0, head),
            (17, head),
            (17, 40),
            (head, head),
            (33, 33),
            (0, 1),
        ] {
            let expected: Vec<_> = all
                .iter()
                .filter(|event| event.org_id == one && streams.contains(&event.stream))
                .filter(|event| (after + 1..=to).contains(&event.position.get()))
                .cloned()
                .collect();
            let walked = walked(&reader, one, streams, after, to).await;
            assert_eq!(walked, expected, "{streams:?} {after} {to}");
        }
    }
}

#[tokio::test]
async fn a_walk_goes_on_where_it_ended() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let [one, _] = filled(&process.log).await;
    let head = process.log.head().await.unwrap().position;
    let mut walk = process
        .log
        .walk_org(one, &BOTH, GlobalPosition::ZERO, position(20));
    let mut seen = Vec::new();
    for to in [position(20), position(21), head] {
        walk.extend(to);
        loop {
            let page = walk.next_page().await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|event| event.position));
        }
        assert!(seen.last().is_some_and(|last| *last <= to));
    }
    let all = whole_log(&process.log).await;
    let own = all.iter().filter(|event| event.org_id == one);
    let expected: Vec<_> = own.map(|event| event.position).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_view_shows_the_org_that_is_named_and_without_one_nothing() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let [one, other] = filled(&process.log).await;
    let pool = db.pool_as("tga_query");
    let count = "select count(*) from log.org_events";
    let orgs = "select distinct org_id from log.org_events";
    for named in [None, Some(one), None, Some(other)] {
        let mut tx = pool.begin().await.unwrap();
        if let Some(named) = named {
            sqlx::query("select set_config('tga.org_id', $1, true)")
                .bind(named.to_string())
                .execute(&mut *tx)
                .await
                .unwrap();
            let seen: Vec<uuid::Uuid> = sqlx::query_scalar(orgs).fetch_all(&mut *tx).await.unwrap();
            assert_eq!(seen, [named.as_uuid()]);
        } else {
            let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
            assert_eq!(rows, 0);
        }
    }
    // Whatever positions are asked for, also where a predicate leaks what it sees.
    let all = whole_log(&process.log).await;
    let positions: Vec<_> = all.iter().map(|event| event.position).collect();
    let found = process.log.read_org_at(one, &positions).await.unwrap();
    let orgs: HashSet<_> = found.iter().map(|event| event.org_id).collect();
    assert_eq!(orgs, HashSet::from([one]));
    let expected = all.iter().filter(|event| event.org_id == one).count();
    assert_eq!(found.len(), expected);
    let refused = db.pool_as("tga_projector").execute(count).await;
    let refused = refused.unwrap_err();
    let code = refused.as_database_error().unwrap().code();
    assert_eq!(code.as_deref(), Some("42501"));
    for statement in [
        "select metadata from log.org_events",
        "insert into log.org_events (position) values (1)",
        "update log.org_events set actor = ''",
        "delete from log.org_events",
    ] {
        assert!(pool.execute(statement).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn an_instant_means_the_last_event_recorded_by_then() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let log = &process.log;
    let now = domain::time::Timestamp::from_datetime(runtime::clock::Clock::system().now());
    assert_eq!(log.position_at(now).await.unwrap(), GlobalPosition::ZERO);
    filled(log).await;
    let all = whole_log(log).await;
    let tick = TimeDelta::microseconds(1);
    for event in &all {
        for at in [
            event.recorded_at.minus(tick),
            event.recorded_at,
            event.recorded_at.plus(tick),
        ] {
            let before = all.iter().rev().find(|event| event.recorded_at <= at);
            let expected = before.map_or(GlobalPosition::ZERO, |event| event.position);
            assert_eq!(log.position_at(at).await.unwrap(), expected, "{at}");
        }
    }
    assert_eq!(log.earliest().await.unwrap(), position(1));
}
