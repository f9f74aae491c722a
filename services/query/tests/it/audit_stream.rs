//! `GET /audit/stream`: every event once and in order, until the caller may have no more.

use axum::body::Body;
use axum::response::Response;
use chrono::TimeDelta;
use domain::event::{
    Event, KeyChanged, KeyCreated, KeyRevoked, MemberRoleChanged, OrgSuspended, RevocationReason,
    Role, SessionEndReason, SessionEnded,
};
use domain::ids::{GlobalPosition, KeyId};
use domain::limits::{ORG_STREAMS, STREAM_BEHIND_BYTES};
use domain::scope::{Scope, Scopes};
use event_log::StoredEvent;
use http::Method;
use http_body_util::BodyExt;
use runtime::lifecycle::{Outcome, ShutdownPolicy};
use serde_json::Value;

use crate::audit::whole_log;
use crate::support::{Database, Org, PATIENCE, Replica, World, bearer};

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Message {
    id: String,
    event: String,
    data: String,
    comment: Option<String>,
}

/// The reading end of a stream.
pub struct Tap {
    body: Body,
    text: String,
    /// How many parts have come.
    pub parts: usize,
}

impl Tap {
    fn new(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "private, no-store");
        Self {
            body: response.into_body(),
            text: String::new(),
            parts: 0,
        }
    }

    /// The next message; none at the end.
    async fn message(&mut self, world: &World) -> Option<Message> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let message = read(&self.text[..end]);
                self.text.drain(..end + 2);
                return Some(message);
            }
            let frame = world.clock.timeout(PATIENCE, self.body.frame()).await;
            let bytes = frame.expect("something comes in time")?.unwrap();
            let bytes = bytes.into_data().unwrap();
            self.parts += 1;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next that is no comment: those come for as long as nothing else does.
    async fn event(&mut self, world: &World) -> Option<Message> {
        let event = async {
            loop {
                let message = self.message(world).await?;
                if message.comment.is_none() {
                    return Some(message);
                }
            }
        };
        let event = world.clock.timeout(PATIENCE, event).await;
        event.expect("an event comes in time")
    }

    /// Events up to a position, and how they are.
    pub async fn until(&mut self, world: &World, last: GlobalPosition) -> Vec<u64> {
        let mut seen = Vec::new();
        loop {
            let event = self.event(world).await.expect("it goes on");
            let position: u64 = event.id.parse().unwrap();
            let data: Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(data["position"], event.id);
            let named = data["type"].as_str().unwrap();
            assert_eq!(named, format!("com.trackagoat.{}.v1", event.event));
            seen.push(position);
            if position >= last.get() {
                return seen;
            }
        }
    }

    /// The end, told as such with nothing after it, and before it nothing after a position.
    async fn ends(&mut self, world: &World, code: &str, last: GlobalPosition) {
        let end = loop {
            let event = self.event(world).await.expect("an end is told");
            if event.event == "end" {
                break event;
            }
            let position: u64 = event.id.parse().unwrap();
            assert!(position <= last.get(), "{position} is told after {last}");
        };
        let data = format!("{{\"code\": \"{code}\"}}");
        assert_eq!(end.data, data);
        assert_eq!(self.event(world).await, None);
    }
}

fn read(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap();
        let value = value.trim_start().to_owned();
        match name {
            "id" => message.id = value,
            "event" => message.event = value,
            "data" => message.data = value,
            "" => message.comment = Some(value),
            other => panic!("{other}"),
        }
    }
    message
}

/// A stream that is open.
pub async fn open(replica: &Replica, key: &str, query: &str) -> Tap {
    let path = format!("/audit/stream{query}");
    Tap::new(replica.open(&path, &[bearer(key)]).await)
}

fn own(all: &[StoredEvent], org: &Org) -> Vec<u64> {
    let own = all.iter().filter(|event| event.org_id == org.id);
    own.map(|event| event.position.get()).collect()
}

async fn audit_key(world: &World, org: &Org) -> (KeyId, String) {
    let (key_id, key, event) = world.new_key(Scopes::NONE.with(Scope::Audit), 1_000);
    world.append(org, vec![event]).await;
    (key_id, key)
}

#[tokio::test]
async fn events_come_as_they_happen_and_only_ones_own() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    let mut all = open(&world.replica, &org.key, "").await;
    let mut keys = open(&world.replica, &org.key, "?type=key.*&stream=decisions").await;
    for tap in [&mut all, &mut keys] {
        let first = tap.message(&world).await.unwrap();
        assert_eq!(first.comment.as_deref(), Some("open"));
    }
    world.project(&org, "One").await;
    world.project(&other, "Elsewhere").await;
    let (_, _, made) = world.new_key(Scopes::DEFAULT, 1);
    let last = world.append(&org, vec![made]).await;
    let log = whole_log(&world).await;
    let happened: Vec<_> = own(&log, &org).into_iter().skip(4).collect();
    assert_eq!(all.until(&world, last).await, happened);
    let event = keys.event(&world).await.unwrap();
    assert_eq!(event.event, "key.created");
    assert_eq!(event.data, log.last().unwrap().to_cloud_event());
}

/// Whoever begins in the past, and whoever stops anywhere and comes back, misses nothing and sees
/// nothing twice, while events go on being appended.
#[tokio::test]
async fn a_stream_is_gone_on_with_by_its_last_id_without_loss_or_repetition() {
    let world = World::start().await;
    let org = world.org().await;
    for _ in 0..8 {
        let made = (0..400).map(|_| world.new_key(Scopes::DEFAULT, 1).2);
        world.append(&org, made.collect()).await;
    }
    let writing = async {
        for round in 0..120 {
            world.project(&org, &format!("P {round}")).await;
        }
        world.log.head().await.unwrap().position
    };
    let reading = async {
        let mut seen: Vec<u64> = Vec::new();
        for step in [1, 7, 900, 2_200, 40, 3, 60] {
            let last = seen.last().copied().unwrap_or(0).to_string();
            // The header counts before the parameter.
            let headers = [bearer(&org.key), ("last-event-id", last.as_str())];
            let path = "/audit/stream?after_position=2";
            let mut tap = Tap::new(world.replica.open(path, &headers).await);
            for _ in 0..step {
                let event = tap.event(&world).await.unwrap();
                seen.push(event.id.parse().unwrap());
            }
        }
        seen
    };
    let (head, mut seen) = tokio::join!(writing, reading);
    let last = seen.last().unwrap();
    let query = format!("?after_position={last}");
    if *last < head.get() {
        let mut tap = open(&world.replica, &org.key, &query).await;
        seen.extend(tap.until(&world, head).await);
    }
    assert_eq!(seen, own(&whole_log(&world).await, &org));
}

/// What ends a credential while its stream is open.
async fn ended_by(world: &World, org: &Org, key: &str, end: Event) {
    let mut tap = open(&world.replica, key, "").await;
    world.project(org, "Before").await;
    assert_eq!(tap.event(world).await.unwrap().event, "project.added");
    let ended = world.append(org, vec![end]).await;
    let position = ended.to_string();
    let headers = [bearer(key), ("tga-min-position", position.as_str())];
    testkit::eventually(PATIENCE, "requests are refused", async || {
        let path = "/audit/events";
        let reply = world.replica.send_once(Method::GET, path, &headers).await;
        // A 503 refuses nothing.
        matches!(reply.status.as_u16(), 401 | 403).then_some(())
    })
    .await;
    // From here on nothing may be told but the end.
    world.project(org, "After").await;
    tap.ends(world, "invalid_api_key", ended).await;
}

#[tokio::test]
async fn whatever_ends_the_credential_ends_its_stream() {
    let world = World::start().await;
    let reason = RevocationReason::Requested;
    let org = world.org().await;
    let (key_id, key) = audit_key(&world, &org).await;
    ended_by(&world, &org, &key, KeyRevoked { key_id, reason }.into()).await;
    let (key_id, key) = audit_key(&world, &org).await;
    let narrowed = KeyChanged {
        scopes: Some(Scopes::DEFAULT),
        narrowed: true,
        ..KeyChanged::nothing(key_id)
    };
    ended_by(&world, &org, &key, narrowed.into()).await;
    let (key_id, key) = audit_key(&world, &org).await;
    let elsewhere = KeyChanged {
        ip_allowlist: Some(Some(vec!["203.0.113.0/24".parse().unwrap()])),
        narrowed: true,
        ..KeyChanged::nothing(key_id)
    };
    ended_by(&world, &org, &key, elsewhere.into()).await;
    let person = world.person(&org, Role::Admin, "Ada").await;
    let session_id = person.session_id;
    let out = SessionEnded {
        session_id,
        user_id: person.id,
        reason: SessionEndReason::Requested,
    };
    ended_by(&world, &org, &person.secret, out.into()).await;
    let person = world.person(&org, Role::Admin, "Bob").await;
    let demoted = MemberRoleChanged {
        user_id: person.id,
        role: Role::Member,
        previous: Role::Admin,
    };
    ended_by(&world, &org, &person.secret, demoted.into()).await;
    let (_, key) = audit_key(&world, &org).await;
    ended_by(&world, &org, &key, OrgSuspended { reason: None }.into()).await;
}

#[tokio::test]
async fn a_key_that_ends_by_itself_ends_its_stream() {
    let world = World::start().await;
    let org = world.org().await;
    let (_, key, event) = world.new_key(Scopes::NONE.with(Scope::Audit), 1_000);
    let Event::KeyCreated(created) = event else {
        panic!("a new key is made by its event");
    };
    let created = KeyCreated {
        expires_at: Some(world.now().plus(TimeDelta::seconds(2))),
        ..created
    };
    world.append(&org, vec![created.into()]).await;
    let mut tap = open(&world.replica, &key, "").await;
    tap.ends(&world, "invalid_api_key", GlobalPosition::ZERO)
        .await;
}

#[tokio::test]
async fn an_org_has_twenty_streams_and_another_one_has_its_own() {
    let world = World::start().await;
    let org = world.org().await;
    let mut taps = Vec::new();
    for _ in 0..ORG_STREAMS {
        taps.push(open(&world.replica, &org.key, "").await);
    }
    let refused = world.get(&org.key, "/audit/stream").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), "60");
    let meta = refused.json()["meta"].clone();
    assert_eq!(meta["policy"], "org-streams");
    assert_eq!(
        (&meta["limit"], &meta["retryAfter"]),
        (&20.into(), &60.into())
    );
    let another = world.org().await;
    open(&world.replica, &another.key, "").await;
    taps.pop();
    has_place(&world, &org).await;
}

/// Waits until the org has a place for one more stream.
async fn has_place(world: &World, org: &Org) {
    testkit::eventually(PATIENCE, "there is a place", async || {
        let reply = world.get(&org.key, "/audit/stream").await;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// What a reader does not take is not kept for it for ever: it stands in the log.
#[tokio::test]
async fn a_reader_too_far_behind_is_told_so_and_goes_on_by_id() {
    let world = World::start().await;
    let org = world.org().await;
    let mut tap = open(&world.replica, &org.key, "").await;
    // It has gone over to what happens.
    world.project(&org, "First").await;
    let first = tap.event(&world).await.unwrap();
    let mut bytes = 0;
    while bytes <= STREAM_BEHIND_BYTES + STREAM_BEHIND_BYTES / 4 {
        let made: Vec<_> = (0..500)
            .map(|_| world.new_key(Scopes::DEFAULT, 1).2)
            .collect();
        world.append(&org, made).await;
        bytes += 500 * 1_000;
    }
    // Until whoever tells what happens has come so far, it only reads slowly.
    let mut live = open(&world.replica, &org.key, "").await;
    world.project(&org, "Last").await;
    let last = live.event(&world).await.unwrap();
    let last = GlobalPosition::new(last.id.parse().unwrap());
    let mut seen = vec![first];
    let end = loop {
        let message = tap.event(&world).await.unwrap();
        if message.event == "end" {
            break message;
        }
        seen.push(message);
    };
    assert_eq!(end.data, "{\"code\": \"slow_consumer\"}");
    assert_eq!(tap.event(&world).await, None);
    let id = &seen.last().unwrap().id;
    let mut again = open(&world.replica, &org.key, &format!("?after_position={id}")).await;
    let rest = again.until(&world, last).await;
    let log = own(&whole_log(&world).await, &org);
    let of_seen = seen.iter().map(|message| message.id.parse().unwrap());
    let of_seen: Vec<u64> = of_seen.chain(rest).collect();
    assert_eq!(of_seen, log[4..]);
}

/// While Postgres is away nothing is sent; afterwards a stream goes on, or has ended and is begun
/// anew by its last id.
#[tokio::test]
async fn a_stream_survives_postgres_or_is_gone_on_with() {
    let server = testkit::private_postgres().await;
    let mut world = World::start_on(Database::Own(Box::new(server))).await;
    let org = world.org().await;
    let mut tap = open(&world.replica, &org.key, "").await;
    world.project(&org, "Before").await;
    let mut seen = vec![tap.event(&world).await.unwrap().id];
    world.database.server().restart().await;
    testkit::eventually(PATIENCE, "the log takes events again", async || {
        world.log.head().await.ok()
    })
    .await;
    world.project(&org, "After").await;
    let head = world.log.head().await.unwrap().position;
    while seen.last() != Some(&head.to_string()) {
        match tap.event(&world).await {
            Some(event) if event.event != "end" => seen.push(event.id),
            _ => {
                let id = seen.last().unwrap();
                let query = format!("?after_position={id}");
                tap = open(&world.replica, &org.key, &query).await;
            }
        }
    }
    let log = own(&whole_log(&world).await, &org);
    let seen: Vec<u64> = seen.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(seen, log[4..]);
}

/// From here on the log is another one, as after a restore.
pub async fn begin_another_log(world: &World) {
    sqlx::query("update log.head set epoch = gen_random_uuid()")
        .execute(&world.database.pool_as("tga_command"))
        .await
        .unwrap();
}

/// Whoever was reading the past of one life of the log is not led over into another.
#[tokio::test]
async fn a_log_that_is_restored_meanwhile_ends_a_stream_that_reads_its_past() {
    let world = World::start().await;
    let org = world.org().await;
    for _ in 0..10 {
        let made = (0..400).map(|_| world.new_key(Scopes::DEFAULT, 1).2);
        world.append(&org, made.collect()).await;
    }
    let mut tap = open(&world.replica, &org.key, "?after_position=0").await;
    tap.event(&world).await.unwrap();
    begin_another_log(&world).await;
    let ends = async { while tap.event(&world).await.is_some() {} };
    world.clock.timeout(PATIENCE, ends).await.unwrap();
}

/// A strict caller is verified for each part, so a part is all that is at hand.
#[tokio::test]
async fn what_is_at_hand_is_one_part() {
    let world = World::start().await;
    let org = world.org().await;
    let headers = [bearer(&org.key), ("tga-consistency", "strict")];
    let opened = world.replica.open("/audit/stream", &headers).await;
    let mut tap = Tap::new(opened);
    tap.message(&world).await.unwrap();
    let made = (0..300).map(|_| world.new_key(Scopes::DEFAULT, 1).2);
    let last = world.append(&org, made.collect()).await;
    assert_eq!(tap.until(&world, last).await.len(), 300);
    assert!(tap.parts <= 10, "{}", tap.parts);
    let end = KeyRevoked {
        key_id: org.key_id,
        reason: RevocationReason::Requested,
    };
    let last = world.append(&org, vec![end.into()]).await;
    world.project(&org, "After").await;
    tap.ends(&world, "invalid_api_key", last).await;
}

/// No lease and no primary: nothing is sent on the word of a cache, and that is told.
#[tokio::test]
async fn a_stream_whose_caller_nobody_can_vouch_for_ends() {
    let server = testkit::private_postgres().await;
    let mut world = World::start_on(Database::Own(Box::new(server))).await;
    let org = world.org().await;
    let mut tap = open(&world.replica, &org.key, "").await;
    world.project(&org, "Before").await;
    let before = tap.event(&world).await.unwrap();
    let last = GlobalPosition::new(before.id.parse().unwrap());
    world.database.server().stop().await;
    tap.ends(&world, "verification_unavailable", last).await;
}

/// Nobody takes anything, so nothing is sent; that the key has ended is seen all the same.
#[tokio::test]
async fn a_key_that_ends_frees_the_places_of_streams_that_nobody_reads() {
    let world = World::start().await;
    let org = world.org().await;
    let (key_id, key) = audit_key(&world, &org).await;
    let mut unread = Vec::new();
    for _ in 0..ORG_STREAMS {
        unread.push(open(&world.replica, &key, "?after_position=0").await);
    }
    assert_eq!(world.get(&org.key, "/audit/stream").await.status, 429);
    let reason = RevocationReason::Requested;
    let revoked = KeyRevoked { key_id, reason };
    world.append(&org, vec![revoked.into()]).await;
    has_place(&world, &org).await;
    for mut tap in unread {
        tap.ends(&world, "invalid_api_key", GlobalPosition::ZERO)
            .await;
    }
}

#[tokio::test]
async fn a_process_that_stops_ends_its_streams() {
    let world = World::start().await;
    let org = world.org().await;
    let (replica, ending) = world.replica_apart(&["--projector", "false"]).await;
    let mut tap = open(&replica, &org.key, "").await;
    let stopped = ending.shutdown(ShutdownPolicy::default());
    let ended = async { while tap.event(&world).await.is_some() {} };
    let (outcome, ()) = tokio::join!(stopped, ended);
    assert_eq!(outcome, Outcome::Clean);
}

#[tokio::test]
async fn what_cannot_be_begun_is_refused_as_anything_else() {
    let world = World::start().await;
    let org = world.org().await;
    let bearer = bearer(&org.key);
    for (header, code) in [
        ("x", "invalid_params"),
        ("", "invalid_params"),
        ("-1", "invalid_params"),
        ("1000000", "invalid_query"),
    ] {
        let headers = [bearer, ("last-event-id", header)];
        let reply = world
            .replica
            .send(Method::GET, "/audit/stream", &headers)
            .await;
        assert_eq!(reply.code(), code, "{header}");
    }
    let reply = world.get(&org.key, "/audit/stream?after_position=9").await;
    reply.is_refused_for("after_position", "beyond the head");
}
