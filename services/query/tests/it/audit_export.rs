//! `GET /audit/export`: whole and in order, or broken off.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::event::{KeyRevoked, RevocationReason};
use domain::scope::{Scope, Scopes};
use event_log::StoredEvent;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body_util::BodyExt;

use crate::audit::whole_log;
use crate::furnished::furnished;
use crate::support::{Database, Org, PATIENCE, Replica, World, bearer};

/// What arrived, and whether the body ended as it should.
async fn drained(mut body: Body) -> (Vec<u8>, bool) {
    let mut arrived = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => arrived.extend(frame.into_data().unwrap_or_default()),
            Err(_) => return (arrived, false),
        }
    }
    (arrived, true)
}

async fn open(replica: &Replica, key: &str, query: &str) -> Response {
    let response = replica
        .open(&format!("/audit/export{query}"), &[bearer(key)])
        .await;
    assert_eq!(response.status(), 200);
    response
}

/// The lines of an export that came whole.
pub async fn exported(replica: &Replica, key: &str, query: &str) -> Vec<String> {
    let (bytes, is_whole) = drained(open(replica, key, query).await.into_body()).await;
    assert!(is_whole);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

/// Events as lines.
pub fn lines<'a>(events: impl Iterator<Item = &'a StoredEvent>) -> Vec<String> {
    events.map(StoredEvent::to_cloud_event).collect()
}

/// So many events that they are several parts, of 250 bytes of data and more each.
async fn fill(world: &World, org: &Org, count: usize) {
    for _ in 0..count.div_ceil(200) {
        let events = (0..200)
            .map(|_| world.new_key(Scopes::DEFAULT, 1).2)
            .collect();
        world.append(org, events).await;
    }
}

#[tokio::test]
async fn it_holds_every_event_that_is_asked_for_by_position() {
    let world = World::start().await;
    let own = furnished(&world, "ada").await;
    furnished(&world, "bob").await;
    fill(&world, &own.org, 600).await;
    let all = whole_log(&world).await;
    let of_own = || all.iter().filter(|event| event.org_id == own.org.id);
    let key = &own.org.key;
    assert_eq!(exported(&world.replica, key, "").await, lines(of_own()));
    let middle = all[all.len() / 2].position;
    let query = format!("?after_position={middle}");
    let rest = of_own().filter(|event| event.position > middle);
    assert_eq!(exported(&world.replica, key, &query).await, lines(rest));
    let query = format!("?to_position={middle}&stream=observations");
    let observed = of_own().filter(|event| event.position <= middle && event.stream.number() == 1);
    assert_eq!(exported(&world.replica, key, &query).await, lines(observed));
    let keys = of_own().filter(|event| event.type_name.starts_with("key."));
    assert_eq!(
        exported(&world.replica, key, "?type=key.*").await,
        lines(keys)
    );
    let from = all[all.len() / 2].recorded_at;
    let since = of_own().filter(|event| event.recorded_at >= from);
    let query = format!("?from={from}");
    assert_eq!(exported(&world.replica, key, &query).await, lines(since));
    assert_eq!(
        exported(&world.replica, key, "?type=goal.removed").await,
        [""; 0]
    );
}

#[tokio::test]
async fn it_is_a_file_of_lines_that_nobody_keeps_or_packs() {
    let world = World::start().await;
    let org = world.org().await;
    let headers = [bearer(&org.key), ("accept-encoding", "gzip, zstd")];
    let response = world.replica.open("/audit/export", &headers).await;
    let header = |name: http::HeaderName| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header(CONTENT_TYPE), "application/x-ndjson");
    assert_eq!(
        header(CONTENT_DISPOSITION),
        "attachment; filename=\"audit-0-4.ndjson\""
    );
    assert_eq!(header(http::header::CACHE_CONTROL), "private, no-store");
    assert!(!response.headers().contains_key("content-encoding"));
    assert_eq!(response.headers()["tga-position"], "4");
    for (query, parameter, hint) in [
        ("?after_position=5", "after_position", "beyond the head"),
        ("?to_position=5", "to_position", "beyond the head"),
        ("?after_position=3&to_position=2", "to_position", "before"),
    ] {
        let path = format!("/audit/export{query}");
        world
            .get(&org.key, &path)
            .await
            .is_refused_for(parameter, hint);
    }
}

/// Nothing that is read after the end of the credential is sent, and what there is has no end.
#[tokio::test]
async fn a_key_that_ends_breaks_it_off() {
    let world = World::start().await;
    let org = world.org().await;
    fill(&world, &org, 6_000).await;
    let (key_id, key, event) = world.new_key(Scopes::NONE.with(Scope::Audit), 1_000);
    world.append(&org, vec![event]).await;
    let mut body = open(&world.replica, &key, "").await.into_body();
    let first: Bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.len() >= 128 * 1024);
    let reason = RevocationReason::Requested;
    world
        .append(&org, vec![KeyRevoked { key_id, reason }.into()])
        .await;
    refused(&world, &key).await;
    let (rest, is_whole) = drained(body).await;
    assert_eq!((rest.len(), is_whole), (0, false));
}

/// Waits until a request with the key is not let in.
async fn refused(world: &World, key: &str) {
    testkit::eventually(PATIENCE, "the key is refused", async || {
        let reply = world
            .replica
            .send_once(http::Method::GET, "/api-keys/self", &[bearer(key)])
            .await;
        (reply.status != 200).then_some(())
    })
    .await;
}

/// One that nobody reads holds a page or two, and its place; no more are begun than there may be.
#[tokio::test]
async fn who_reads_nothing_costs_little_and_keeps_a_place() {
    let world = World::start().await;
    let org = world.org().await;
    fill(&world, &org, 4_000).await;
    let mut unread = Vec::new();
    for _ in 0..domain::limits::ORG_EXPORTS {
        unread.push(open(&world.replica, &org.key, "").await);
    }
    let refused = world.get(&org.key, "/audit/export").await;
    assert_eq!(refused.code(), "projection_unavailable");
    let another = world.org().await;
    assert_eq!(exported(&world.replica, &another.key, "").await.len(), 4);
    unread.pop();
    let all = exported(&world.replica, &org.key, "?type=key.created").await;
    assert_eq!(all.len(), 4_001);
}

/// While the log cannot be read it waits; once it can, it goes on as if nothing had been.
#[tokio::test]
async fn a_log_that_is_away_for_a_moment_is_waited_for() {
    let server = testkit::private_postgres().await;
    let mut world = World::start_on(Database::Own(Box::new(server))).await;
    let org = world.org().await;
    fill(&world, &org, 6_000).await;
    let mut body = open(&world.replica, &org.key, "").await.into_body();
    let first: Bytes = body.frame().await.unwrap().unwrap().into_data().unwrap();
    world.database.server().restart().await;
    let (rest, is_whole) = drained(body).await;
    assert!(is_whole);
    let text = String::from_utf8([&first[..], &rest].concat()).unwrap();
    assert_eq!(text.lines().count(), 6_004);
}
