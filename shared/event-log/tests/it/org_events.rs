//! One org's events: behind a second wall, in order, from any position; and what an instant means.

use std::collections::HashSet;

use chrono::TimeDelta;
use domain::event::{Event, ObservationRecorded, ProjectAdded, Stream};
use domain::ids::{GlobalPosition, OrgId, ProjectId};
use domain::limits::{EVENT_DATA_BYTES, README_CHARS};
use domain::text::{Metadata, ProjectName, Readme};
use event_log::{EventLog, StoredEvent};
use runtime::entropy::Entropy;
use sqlx::Executor;
use testkit::postgres;

use crate::support::{Process, append, event, org, position, version, whole_log};

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

#[tokio::test]
async fn what_is_gone_and_in_no_archive_is_missed() {
    let db = postgres().await;
    let one = {
        let process = Process::start(db.pool().clone());
        let one = org();
        append(&process.log, one, vec![event(), observation(), event()]).await;
        process.stop().await;
        one
    };
    // As if ten million events had been appended: the head is at the end of the partition.
    sqlx::query("update log.head set position = 9999999")
        .execute(db.pool())
        .await
        .unwrap();
    let process = Process::start(db.pool().clone());
    let log = &process.log;
    append(log, one, vec![event(), event(), observation(), event()]).await;
    let head = log.head().await.unwrap();
    db.pool()
        .execute("alter table log.events detach partition log.events_000000")
        .await
        .unwrap();
    let first = position(10_000_001);
    assert_eq!(log.earliest().await.unwrap(), position(1));
    let long_ago = head.recorded_at.minus(TimeDelta::days(1));
    assert_eq!(
        log.position_at(long_ago).await.unwrap(),
        position(10_000_000)
    );
    let mut walk = log.walk_org(one, &BOTH, GlobalPosition::ZERO, head.position);
    assert!(walk.begin().await.is_err() && walk.next_page().await.is_err());
    // Behind the gap nothing is missing: of a stream that is where its next event is online.
    let from = async |streams: &[Stream], after| {
        let walked = walked(log, one, streams, after, head.position.get()).await;
        let positions = walked.iter().map(|event| event.position);
        positions.collect::<Vec<_>>()
    };
    let decided = from(&BOTH[..1], 10_000_000).await;
    assert_eq!(decided, [first, first.plus(2)]);
    let all = from(&BOTH, 10_000_001).await;
    assert_eq!(all, [first.next(), first.plus(2)]);
}

/// A log whose first partition is full, as far as the head says, with `first` events of an org in it and
/// three in the next.
async fn of_two_partitions(pool: &sqlx::PgPool, first: usize) -> (Process, OrgId) {
    let one = org();
    {
        let process = Process::start(pool.clone());
        let events = (0..first).map(|_| event()).collect();
        append(&process.log, one, events).await;
        process.stop().await;
    }
    sqlx::query("update log.head set position = 10000000")
        .execute(pool)
        .await
        .unwrap();
    let process = Process::start(pool.clone());
    append(&process.log, one, vec![event(), event(), event()]).await;
    (process, one)
}

async fn detach_first(pool: &sqlx::PgPool) {
    pool.execute("alter table log.events detach partition log.events_000000")
        .await
        .unwrap();
}

/// However much of it is gone, a walk never ends as if it had been whole.
#[tokio::test]
async fn what_goes_offline_under_a_walk_is_missed() {
    // Less than a page, and more.
    for count in [3, 70, 200] {
        for to in [position(10_000_000), position(10_000_003)] {
            let db = postgres().await;
            let (process, one) = of_two_partitions(db.pool(), count).await;
            let mut walk = process.log.walk_org(one, &BOTH, GlobalPosition::ZERO, to);
            walk.begin().await.unwrap();
            detach_first(db.pool()).await;
            assert!(walk.next_page().await.is_err(), "{count} to {to}");
        }
    }
}

/// Also if nothing of the stream is online any more: its fold says that it was there.
#[tokio::test]
async fn a_stream_of_which_nothing_is_online_is_missed_or_gone_on_with() {
    let db = postgres().await;
    let (process, one) = of_two_partitions(db.pool(), 3).await;
    let log = &process.log;
    let quiet = org();
    sqlx::query("insert into log.streams values ($1, 0, 2, sha256(''))")
        .bind(quiet.as_uuid())
        .execute(db.pool())
        .await
        .unwrap();
    let head = log.head().await.unwrap().position;
    let start = log.locate(quiet, Stream::Decisions, head).await.unwrap();
    assert_eq!((start.version.get(), start.archived), (2, None));
    // Where they stand is unknown, so nobody begins among them.
    let early = log.locate(quiet, Stream::Decisions, position(10_000_000));
    assert!(early.await.is_err());
    assert_eq!(walked(log, quiet, &BOTH, head.get(), head.get()).await, []);
    let missing = async |org: OrgId, after| {
        let missing = log.is_org_event_missing(org, Stream::Decisions, version(after));
        missing.await.unwrap()
    };
    assert!(missing(quiet, 0).await && missing(quiet, 1).await);
    assert!(!missing(quiet, 2).await && !missing(one, 2).await && !missing(one, 6).await);
    detach_first(db.pool()).await;
    assert!(missing(one, 2).await && !missing(one, 3).await);
    // What an org does after all that goes on from there.
    let mut walk = log.walk_org(quiet, &BOTH, head, head);
    assert_eq!(walk.next_page().await.unwrap(), []);
    let done = append(log, quiet, vec![event()]).await;
    assert_eq!(done.version, Some(version(3)));
    walk.extend(done.last);
    assert_eq!(walk.next_page().await.unwrap().len(), 1);
    // The fold is behind the same wall.
    let pool = db.pool_as("tga_query");
    let rows: i64 = sqlx::query_scalar("select count(*) from log.org_streams")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

/// An event of 80 kB.
fn large() -> Event {
    let readme = "\u{1f410}".repeat(README_CHARS);
    Event::ProjectAdded(ProjectAdded {
        project_id: ProjectId::from_uuid(Entropy::os().uuid_v4()),
        name: ProjectName::parse("Large").unwrap(),
        readme: Some(Readme::parse(&readme).unwrap()),
        metadata: Metadata::empty(),
    })
}

/// Whether large events come first, last, or after so many small ones that pages are long.
#[tokio::test]
async fn a_page_of_a_walk_is_bounded_in_bytes() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    let one = org();
    let many = |count: usize, event: fn() -> Event| (0..count).map(|_| event()).collect();
    for events in [
        many(20, large),
        many(20, large),
        many(500, event),
        many(500, event),
        many(20, large),
        many(40, observation),
        many(20, large),
    ] {
        append(&process.log, one, events).await;
    }
    let head = process.log.head().await.unwrap().position;
    let mut walk = process.log.walk_org(one, &BOTH, GlobalPosition::ZERO, head);
    let mut seen = Vec::new();
    loop {
        let page = walk.next_page().await.unwrap();
        if page.is_empty() {
            break;
        }
        let bytes: usize = page.iter().map(|event| event.data.len()).sum();
        assert!(bytes <= 1024 * 1024 + 2 * EVENT_DATA_BYTES, "{bytes}");
        seen.extend(page.iter().map(|event| event.position.get()));
    }
    assert!(seen.into_iter().eq(1..=head.get()));
}
