//! The audit trail once old partitions of the log are archived: whole for who has the archive; for who
//! has not, decisions are as they were, and it is said from where on the rest is.

use std::path::Path;

use domain::event::{Event, ObservationRecorded, Stream};
use domain::ids::{GlobalPosition, VideoId};
use domain::merkle::NodeHash;
use domain::merkle::proof::proves_inclusion;
use domain::scope::Scopes;
use domain::time::Timestamp;
use event_log::archive::{Archiver, Before, Next};
use event_log::{EventLog, StoredEvent, Sweeper};
use read_model::passed_by_all;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::audit::{events, whole_log};
use crate::audit_export::{exported, lines};
use crate::audit_stream::open;
use crate::support::{Database, Org, PATIENCE, Replica, Reply, World, sign, views};

/// Events of a partition; all but those of the last one are archived.
const SIZE: u64 = 300;
const UPTO: u64 = 2 * SIZE;

/// A log of two partitions and more, signed, of two orgs; and what it holds.
async fn filled() -> (World, [Org; 2], Vec<StoredEvent>) {
    let database = testkit::postgres().await;
    sqlx::query("select log.resize_partitions(300)")
        .execute(database.pool())
        .await
        .unwrap();
    let world = World::start_on(Database::Shared(Box::new(database))).await;
    let orgs = [world.org().await, world.org().await];
    let video = VideoId::generate(world.now(), world.entropy.bytes());
    let observed = |n: u64| -> Event {
        let at = format!("2026-01-{:02}T{:02}:00:00Z", 1 + n / 24 % 28, n % 24);
        let readings = vec![domain::event::Reading::VideoStats(views(video, &at, n))];
        ObservationRecorded { readings }.into()
    };
    let mut last = GlobalPosition::ZERO;
    for n in 0.. {
        if last.get() > UPTO + 20 {
            break;
        }
        let mut batch = vec![observed(2 * n), observed(2 * n + 1)];
        if n % 4 == 0 {
            batch.push(world.new_key(Scopes::DEFAULT, 100).2);
        }
        let org = &orgs[usize::try_from(n % 2).unwrap()];
        last = world.append(org, batch).await;
    }
    let (_, _, newest) = world.new_key(Scopes::DEFAULT, 100);
    world.append(&orgs[0], vec![newest]).await;
    sign(&world.log).await;
    // Waits until all of it is projected.
    world.get(&orgs[0].key, "/audit/events").await;
    let all = whole_log(&world).await;
    (world, orgs, all)
}

/// Archives what is full, once it is projected.
async fn archive(world: &World, folder: &Path) {
    let Database::Shared(database) = &world.database else {
        panic!("the database is of a server of its own");
    };
    let pool = database.pool();
    let (clock, entropy) = (world.clock.clone(), world.entropy.clone());
    let (log, _) = EventLog::new(pool.clone(), clock, entropy, event_log::Config::default());
    Sweeper::new(world.log.clone()).fold().await.unwrap();
    // Nobody has webhooks.
    sqlx::query("update hooks.cursor set position = (select position from log.head)")
        .execute(pool)
        .await
        .unwrap();
    let passed = testkit::eventually(PATIENCE, "it is projected", async || {
        let mut connection = pool.acquire().await.unwrap();
        let passed = passed_by_all(&mut connection).await.unwrap();
        passed.filter(|passed| passed.get() >= UPTO)
    })
    .await;
    let mut archiver = Archiver::begin(&log, folder.to_owned()).await.unwrap();
    let all = Before {
        position: None,
        instant: Timestamp::parse("9999-12-31T00:00:00Z").unwrap(),
    };
    loop {
        let after = archiver.resume().await.unwrap();
        let Next::Due(stretch) = archiver.next(after, all, passed).await.unwrap() else {
            assert_eq!(after.get(), UPTO);
            return;
        };
        archiver.archive(stretch, |_, _| {}).await.unwrap();
    }
}

/// 410, with where the log begins to be whole.
#[track_caller]
fn is_gone(reply: &Reply) {
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (410, "gone".to_owned())
    );
    assert_eq!(reply.json()["meta"]["earliest_position"], UPTO + 1);
}

/// All pages of a list.
async fn listed(replica: &Replica, key: &str, query: &str) -> Vec<String> {
    let (all, last) = pages(replica, key, &format!("?limit=100{query}")).await;
    assert_eq!(last.status, 200, "{:?}", last.body);
    all
}

/// The pages of a list up to the first that has no cursor, or is an error; and that one.
async fn pages(replica: &Replica, key: &str, query: &str) -> (Vec<String>, Reply) {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/audit/events{query}{cursor}");
        let page = replica.get(key, &path).await;
        if page.status != 200 {
            return (all, page);
        }
        all.extend(events(&page));
        match &page.json()["meta"]["nextCursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return (all, page),
        }
    }
}

fn own<'a>(all: &'a [StoredEvent], org: &'a Org) -> impl Iterator<Item = &'a StoredEvent> {
    all.iter().filter(|event| event.org_id == org.id)
}

fn decisions<'a>(all: &'a [StoredEvent], org: &'a Org) -> impl Iterator<Item = &'a StoredEvent> {
    own(all, org).filter(|event| event.stream == Stream::Decisions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_archive_decisions_are_as_they_were_and_the_rest_is_gone() {
    let (world, [org, other], all) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let (key, replica) = (&org.key, &world.replica);
    let middle = all[299].position;
    let at = all[299].recorded_at;
    let decided = decisions(&all, &org)
        .filter(|event| event.position <= middle)
        .last()
        .unwrap();
    let as_of = format!("/audit/as-of?position={}", decided.position);
    let stood = world.get(key, &as_of).await.data();
    archive(&world, folder.path()).await;

    for query in [
        "",
        "?stream=observations",
        "?to_position=400",
        "?after_position=17",
    ] {
        is_gone(&replica.get(key, &format!("/audit/export{query}")).await);
    }
    is_gone(
        &replica
            .get(key, "/audit/events?stream=all&after_position=0")
            .await,
    );
    is_gone(&replica.get(key, "/audit/stream?after_position=17").await);
    // Where the org has none nothing is gone.
    let (last, next) = all
        .windows(2)
        .map(|two| (&two[0], &two[1]))
        .find(|(last, next)| last.org_id == org.id && next.org_id != org.id)
        .unwrap();
    let query = format!(
        "?after_position={}&to_position={}",
        last.position, next.position
    );
    assert_eq!(exported(replica, key, &query).await, Vec::<String>::new());
    // It cannot be told which of them were recorded then.
    let within = format!("/audit/export?stream=observations&from={at}&to={at}");
    is_gone(&replica.get(key, &within).await);
    let observed = own(&all, &org)
        .find(|event| event.stream == Stream::Observations)
        .unwrap();
    let proof = format!("/audit/proof?position={}", observed.position);
    is_gone(&replica.get(key, &proof).await);
    // Another org's is not there, archived or not, decision or not.
    for event in [&observed, &decided] {
        let proof = format!("/audit/proof?position={}", event.position);
        let foreign = replica.get(&other.key, &proof).await;
        assert_eq!(foreign.status, 404, "{}", event.position);
    }

    let due = lines(decisions(&all, &org));
    assert_eq!(exported(replica, key, "?stream=decisions").await, due);
    // What no observation can be is asked of decisions alone.
    let keys = decisions(&all, &org).filter(|event| event.type_name.starts_with("key."));
    assert_eq!(exported(replica, key, "?type=key.*").await, lines(keys));
    assert_eq!(listed(replica, key, "&after_position=0").await, due);
    let newest_first: Vec<_> = due.iter().rev().cloned().collect();
    assert_eq!(listed(replica, key, "").await, newest_first);
    let since = lines(own(&all, &org).filter(|event| event.position.get() > UPTO));
    let query = format!("?after_position={UPTO}");
    assert_eq!(exported(replica, key, &query).await, since);
    let query = format!("&stream=all&after_position={UPTO}");
    assert_eq!(listed(replica, key, &query).await, since);
    assert_eq!(replica.get(key, &as_of).await.data(), stood);
    let then = replica
        .get(key, &format!("/audit/as-of?position={middle}"))
        .await;
    assert_eq!(then.data()["keys"], stood["keys"]);
    let then = replica.get(key, &format!("/audit/as-of?at={at}")).await;
    assert_eq!(then.data()["keys"], stood["keys"]);
}

/// Newest first a list goes as far as it can, and says where it ends; what stayed online further back
/// is not given as if nothing stood between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_archive_a_list_has_no_hole() {
    let (world, [org, _], all) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let (key, replica) = (&org.key, &world.replica);
    archive(&world, folder.path()).await;
    let observed = |event: &&StoredEvent| event.stream == Stream::Observations;
    let newest_first = |stream: &str| -> Vec<String> {
        let events = own(&all, &org).filter(|event| stream == "all" || observed(event));
        let mut due = lines(events);
        due.reverse();
        due
    };
    for stream in ["all", "observations"] {
        let due = newest_first(stream);
        let mut ends = Vec::new();
        for limit in [1, 7, 16, 100] {
            let query = format!("?stream={stream}&limit={limit}");
            let (seen, last) = pages(replica, key, &query).await;
            is_gone(&last);
            assert_eq!(seen, due[..seen.len()], "{query}");
            ends.push(seen.len());
        }
        // Wherever pages begin and end, it is the same list.
        assert!(ends.iter().all(|end| *end == ends[0]), "{stream}: {ends:?}");
        let since = own(&all, &org).filter(|event| event.position.get() > UPTO);
        assert!(
            ends[0]
                >= since
                    .filter(|event| stream == "all" || observed(event))
                    .count()
        );
    }
    // What is kept among what is archived can be had, if only that is asked for; and what follows.
    let kept = "?stream=decisions&after_position=0&limit=7";
    let (seen, last) = pages(replica, key, kept).await;
    assert_eq!(last.status, 200);
    assert_eq!(seen, lines(decisions(&all, &org)));
    let oldest_first = format!("?stream=all&after_position={UPTO}&limit=7");
    let (seen, last) = pages(replica, key, &oldest_first).await;
    assert_eq!(last.status, 200);
    let since = own(&all, &org).filter(|event| event.position.get() > UPTO);
    assert_eq!(seen, lines(since));
}

/// Decisions are kept online of whatever is archived: one that is not there was taken away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_was_taken_away_below_the_edge_is_missed() {
    let (world, [org, _], all) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    archive(&world, folder.path()).await;
    let taken = decisions(&all, &org).nth(8).unwrap().position;
    assert!(taken.get() <= UPTO);
    let mut connection = PgConnection::connect_with(&world.database.options())
        .await
        .unwrap();
    for statement in [
        "alter table log.events disable trigger append_only".to_owned(),
        format!("delete from log.events where position = {taken}"),
    ] {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let as_of = format!("/audit/as-of?position={taken}");
    let after = format!("/audit/events?limit=100&after_position={}", taken.get() - 1);
    for path in [
        "/audit/events?limit=100",
        "/audit/events?type=key.*&limit=100",
        &after,
        &as_of,
    ] {
        let reply = world.get(&org.key, path).await;
        assert_eq!(reply.status, 500, "{path}: {:?}", reply.body);
    }
    // Among observations it is where what is kept ends.
    let (seen, last) = pages(&world.replica, &org.key, "?stream=all&limit=100").await;
    is_gone(&last);
    let mut due = lines(own(&all, &org));
    due.reverse();
    assert_eq!(seen, due[..seen.len()]);
}

/// What is gone and in no archive is an error, and never left out.
#[tokio::test]
async fn what_somebody_took_away_is_missed() {
    let world = World::start().await;
    let org = world.org().await;
    let there = world.get(&org.key, "/audit/events").await;
    assert_eq!(events(&there).len(), 4);
    let mut connection = PgConnection::connect_with(&world.database.options())
        .await
        .unwrap();
    connection
        .execute("alter table log.events detach partition log.events_000000")
        .await
        .unwrap();
    for path in [
        "/audit/events",
        "/audit/events?after_position=1",
        "/audit/events?type=key.*",
        "/audit/stream?after_position=0",
        "/audit/export",
        "/audit/export?stream=decisions",
        "/audit/as-of?position=4",
    ] {
        let reply = world.get(&org.key, path).await;
        assert_eq!(reply.status, 500, "{path}: {:?}", reply.body);
    }
    // Who asks for none of it is not told.
    let nothing = world.get(&org.key, "/audit/events?type=goal.*").await;
    assert_eq!(events(&nothing), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_archive_the_trail_is_whole() {
    let (world, orgs, all) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let as_of = format!("/audit/as-of?position={}", all[299].position);
    let mut stood = Vec::new();
    for org in &orgs {
        stood.push(world.get(&org.key, &as_of).await.data());
    }
    archive(&world, folder.path()).await;
    let (replica, lifecycle) = world.replica_with_archive(folder.path()).await;
    for (org, stood) in orgs.iter().zip(stood) {
        let key = &org.key;
        assert_eq!(exported(&replica, key, "").await, lines(own(&all, org)));
        let from = all[450].recorded_at;
        let since = own(&all, org).filter(|event| event.recorded_at >= from);
        let query = format!("?from={from}");
        assert_eq!(exported(&replica, key, &query).await, lines(since));
        let due = lines(own(&all, org));
        assert_eq!(
            listed(&replica, key, "&stream=all&after_position=0").await,
            due
        );
        let newest_first: Vec<_> = due.iter().rev().cloned().collect();
        assert_eq!(listed(&replica, key, "&stream=all").await, newest_first);
        assert_eq!(replica.get(key, &as_of).await.data(), stood);
        let mut tap = open(&replica, key, "?after_position=0").await;
        let due: Vec<_> = own(&all, org).map(|event| event.position).collect();
        let streamed = tap.until(&world, due[due.len() - 1]).await;
        assert!(streamed.into_iter().eq(due.iter().map(|at| at.get())));
    }
    let observed = own(&all, &orgs[0])
        .find(|event| event.stream == Stream::Observations)
        .unwrap();
    let path = format!("/audit/proof?position={}", observed.position);
    let proof = replica.get(&orgs[0].key, &path).await.data();
    let hash = |text: &Value| -> NodeHash { text.as_str().unwrap().parse().unwrap() };
    let hashes: Vec<_> = proof["hashes"]
        .as_array()
        .unwrap()
        .iter()
        .map(hash)
        .collect();
    let (leaf, root) = (NodeHash::of_leaf(&observed.hash), hash(&proof["root_hash"]));
    let number = |name: &str| proof[name].as_u64().unwrap();
    assert!(proves_inclusion(
        leaf,
        number("leaf_index"),
        number("tree_size"),
        &hashes,
        root
    ));
    // Another org's is not there, archived or not.
    let foreign = replica.get(&orgs[1].key, &path).await;
    assert_eq!(foreign.status, 404);
    lifecycle
        .shutdown(runtime::lifecycle::ShutdownPolicy::default())
        .await;
}
