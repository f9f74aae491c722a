//! `GET /audit/export`: whole and in order, or broken off.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::event::{Event, KeyRevoked, ProjectAdded, RevocationReason};
use domain::ids::ProjectId;
use domain::limits::README_CHARS;
use domain::scope::{Scope, Scopes};
use domain::text::{Metadata, ProjectName, Readme};
use event_log::StoredEvent;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body_util::BodyExt;
use runtime::http::{HttpConfig, serve};
use runtime::lifecycle::{Lifecycle, Outcome, ShutdownPolicy, TaskKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::audit::whole_log;
use crate::audit_stream::begin_another_log;
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

/// An export that is open.
pub async fn open(replica: &Replica, key: &str, query: &str) -> Response {
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
pub async fn fill(world: &World, org: &Org, count: usize) {
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
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after")),
        (429, "60")
    );
    let meta = refused.json()["meta"].clone();
    assert_eq!(meta["policy"], "org-exports");
    assert_eq!(meta["limit"], domain::limits::ORG_EXPORTS);
    let another = world.org().await;
    assert_eq!(exported(&world.replica, &another.key, "").await.len(), 4);
    unread.pop();
    unread.pop();
    has_place(&world.replica, &org).await;
    let all = exported(&world.replica, &org.key, "?type=key.created").await;
    assert_eq!(all.len(), 4_001);
}

/// Waits until the org has a place for one more export.
pub async fn has_place(replica: &Replica, org: &Org) {
    testkit::eventually(PATIENCE, "there is a place", async || {
        let path = "/audit/export?type=goal.removed";
        let reply = replica.get(&org.key, path).await;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// Nobody takes anything, so nothing is sent; that the key has ended is seen all the same.
#[tokio::test]
async fn a_key_that_ends_frees_what_is_held_by_exports_that_nobody_reads() {
    let world = World::start().await;
    let org = world.org().await;
    fill(&world, &org, 4_000).await;
    let (key_id, key, event) = world.new_key(Scopes::NONE.with(Scope::Audit), 1_000);
    world.append(&org, vec![event]).await;
    let mut unread = Vec::new();
    for _ in 0..domain::limits::ORG_EXPORTS {
        unread.push(open(&world.replica, &key, "").await);
    }
    assert_eq!(world.get(&org.key, "/audit/export").await.status, 429);
    let reason = RevocationReason::Requested;
    let revoked = KeyRevoked { key_id, reason };
    world.append(&org, vec![revoked.into()]).await;
    has_place(&world.replica, &org).await;
    for response in unread {
        let (rest, is_whole) = drained(response.into_body()).await;
        assert_eq!((rest.len(), is_whole), (0, false));
    }
}

/// An event of 80 kB.
pub fn large(world: &World) -> Event {
    let readme = "\u{1f410}".repeat(README_CHARS);
    let added = ProjectAdded {
        project_id: ProjectId::generate(world.now(), world.entropy.bytes()),
        name: ProjectName::parse("Large").unwrap(),
        readme: Some(Readme::parse(&readme).unwrap()),
        metadata: Metadata::empty(),
    };
    added.into()
}

/// The same on sockets, whose buffers are full.
#[tokio::test]
async fn a_key_that_ends_frees_what_is_held_for_sockets_that_do_not_read() {
    let world = World::start().await;
    let org = world.org().await;
    for _ in 0..12 {
        let events = (0..20).map(|_| large(&world)).collect();
        world.append(&org, events).await;
    }
    let (key_id, key, event) = world.new_key(Scopes::NONE.with(Scope::Audit), 1_000);
    world.append(&org, vec![event]).await;
    world.get(&key, "/audit/events").await.data();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, authorization) = bearer(&key);
    let lifecycle = Lifecycle::new(world.clock.clone());
    let config = HttpConfig::new(world.entropy.clone());
    let router = world.replica.router.clone();
    let tasks = lifecycle.handle();
    tasks.spawn(
        TaskKind::Critical,
        "http",
        serve(listener, router, config, tasks.clone()),
    );
    let mut sockets = Vec::new();
    for _ in 0..domain::limits::ORG_EXPORTS {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        let request = format!(
            "GET /api/v1/audit/export HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        sockets.push(socket);
    }
    assert_eq!(world.get(&org.key, "/audit/export").await.status, 429);
    let reason = RevocationReason::Requested;
    let revoked = KeyRevoked { key_id, reason };
    world.append(&org, vec![revoked.into()]).await;
    has_place(&world.replica, &org).await;
    // What the connection had is read; the body does not end as if it were whole.
    for mut socket in sockets {
        let mut rest = Vec::new();
        // An end of the connection is an answer too.
        let _ = socket.read_to_end(&mut rest).await;
        assert!(!rest.ends_with(b"0\r\n\r\n"));
    }
}

/// A process that stops does not wait for it, and it is not told to be whole.
#[tokio::test]
async fn a_process_that_stops_breaks_it_off() {
    let world = World::start().await;
    let org = world.org().await;
    fill(&world, &org, 4_000).await;
    let (replica, ending) = world.replica_apart(&["--projector", "false"]).await;
    let response = replica.open("/audit/export", &[bearer(&org.key)]).await;
    assert_eq!(response.status(), 200);
    let outcome = ending.shutdown(ShutdownPolicy::default()).await;
    assert_eq!(outcome, Outcome::Clean);
    let (rest, is_whole) = drained(response.into_body()).await;
    assert_eq!((rest.len(), is_whole), (0, false));
}

/// What was read before a restore and what is read after it are not one file.
#[tokio::test]
async fn a_log_that_is_restored_meanwhile_breaks_it_off() {
    let world = World::start().await;
    let org = world.org().await;
    fill(&world, &org, 4_000).await;
    let mut body = open(&world.replica, &org.key, "").await.into_body();
    body.frame().await.unwrap().unwrap();
    begin_another_log(&world).await;
    let (_, is_whole) = drained(body).await;
    assert!(!is_whole);
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
