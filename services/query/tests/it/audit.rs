//! `GET /audit/events` against a look at the whole log.

use domain::event::{Actor, KeyRevoked, RevocationReason};
use domain::ids::{GlobalPosition, OrgId};
use domain::scope::Scopes;
use event_log::{AppendRequest, StoredEvent};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::furnished::furnished;
use crate::strings::encoded;
use crate::support::{Reply, World};

/// Everything in the log.
pub async fn whole_log(world: &World) -> Vec<StoredEvent> {
    let mut all: Vec<StoredEvent> = Vec::new();
    loop {
        let after = all
            .last()
            .map_or(GlobalPosition::ZERO, |last| last.position);
        let page = world.log.read(after, 1_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// The events of an answer, byte for byte.
pub fn events(reply: &Reply) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Page {
        data: Vec<Box<RawValue>>,
    }
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let page: Page = serde_json::from_slice(&reply.body).unwrap();
    page.data
        .iter()
        .map(|event| event.get().to_owned())
        .collect()
}

/// All pages of a list.
async fn listed(world: &World, key: &str, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/audit/events?limit=7&{query}{cursor}");
        let reply = world.get(key, &path).await;
        let page = events(&reply);
        assert!(page.len() <= 7);
        all.extend(page);
        match &reply.json()["meta"]["nextCursor"] {
            Value::String(next) => cursor = format!("&cursor={}", encoded(next)),
            _ => return all,
        }
    }
}

/// Whether one parameter of a question lets an event through.
fn passes(event: &StoredEvent, name: &str, value: &str) -> bool {
    match name {
        "type" => value.split(',').any(|one| match one.strip_suffix('*') {
            Some(entity) => event.type_name.starts_with(entity),
            None => event.type_name == one,
        }),
        "actor" => event.actor.to_string() == value,
        "subject" => &*event.subject == value,
        "after_position" => event.position.get() > value.parse().unwrap(),
        "from" => event.recorded_at.to_string().as_str() >= value,
        "to" => event.recorded_at.to_string().as_str() <= value,
        "stream" => value == "all" || event.stream.name() == value,
        other => panic!("{other}"),
    }
}

fn expected(all: &[StoredEvent], org: OrgId, asked: &[(&str, String)]) -> Vec<String> {
    let has = |name| asked.iter().any(|(known, _)| *known == name);
    let mut found: Vec<_> = all
        .iter()
        .filter(|event| event.org_id == org)
        .filter(|event| has("stream") || passes(event, "stream", "decisions"))
        .filter(|event| asked.iter().all(|(name, value)| passes(event, name, value)))
        .map(StoredEvent::to_cloud_event)
        .collect();
    if !has("after_position") {
        found.reverse();
    }
    found
}

#[tokio::test]
async fn every_filter_gives_what_the_log_has_byte_for_byte() {
    let world = World::start().await;
    let own = furnished(&world, "ada").await;
    let other = furnished(&world, "bob").await;
    let request = AppendRequest {
        org_id: own.org.id,
        expected: None,
        events: vec![
            KeyRevoked {
                key_id: world.new_key(Scopes::DEFAULT, 1).0,
                reason: RevocationReason::Requested,
            }
            .into(),
        ],
        actor: Actor::User(own.admin.id),
        correlation_id: "revoking".to_owned(),
        idempotency: None,
        guard: None,
    };
    world.log.append(request).await.unwrap();
    world.project(&own.org, "Last").await;
    let all = whole_log(&world).await;
    let middle = &all[all.len() / 3];
    let late = &all[all.len() * 2 / 3];
    let one = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    let user = Actor::User(own.admin.id).to_string();
    let key = format!("keys/{}", own.org.key_id);
    let mut asked = vec![
        vec![],
        one("stream", "all"),
        one("stream", "observations"),
        one("type", "key.*"),
        one("type", "key.created,member.*,observation.recorded"),
        one("type", "goal.removed"),
        one("actor", "system"),
        one("actor", &user),
        one("subject", &key),
        one("subject", &format!("orgs/{}", own.org.id)),
        // Another org's things are not there.
        one("subject", &format!("keys/{}", other.org.key_id)),
        one("from", &middle.recorded_at.to_string()),
        one("to", &middle.recorded_at.to_string()),
    ];
    let with = |first: &str, more: &[(&'static str, &str)]| {
        let mut asked = vec![("stream", first.to_owned())];
        asked.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        asked
    };
    let (from, to) = (middle.recorded_at.to_string(), late.recorded_at.to_string());
    asked.push(with("all", &[("from", &from), ("to", &to)]));
    asked.push(with("all", &[("actor", "system"), ("type", "project.*")]));
    asked.push(with("decisions", &[("subject", &key), ("actor", &user)]));
    let mut seen = 0;
    for mut asked in asked {
        for after in [None, Some(0), Some(middle.position.get())] {
            asked.retain(|(name, _)| *name != "after_position");
            asked.extend(after.map(|after| ("after_position", after.to_string())));
            let pairs = asked.iter();
            let pairs = pairs.map(|(name, value)| format!("{name}={}", encoded(value)));
            let query = pairs.collect::<Vec<_>>().join("&");
            let expected = expected(&all, own.org.id, &asked);
            let listed = listed(&world, &own.org.key, &query).await;
            assert_eq!(listed, expected, "{query}");
            seen += listed.len();
        }
    }
    assert!(seen > 200, "{seen}");
}

#[tokio::test]
async fn days_are_those_of_the_orgs_zone() {
    let world = World::start().await;
    let org = world.org().await;
    let today = world.now().date();
    let tomorrow = today.succ_opt().unwrap();
    let listed_of = async |query: String| listed(&world, &org.key, &query).await.len();
    // The test may run over midnight.
    assert_eq!(listed_of(format!("from={today}&to={tomorrow}")).await, 4);
    let yesterday = today.pred_opt().unwrap();
    assert_eq!(listed_of(format!("to={yesterday}")).await, 0);
    let ahead = tomorrow.succ_opt().unwrap();
    assert_eq!(listed_of(format!("from={ahead}")).await, 0);
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_what_is() {
    let world = World::start().await;
    let org = world.org().await;
    let head = world.log.head().await.unwrap().position;
    let beyond = head.next().to_string();
    for (query, parameter, hint) in [
        ("type=moon.landed", "type", "entities are org, member"),
        ("type=moon.*", "type", "entities are org, member"),
        (
            "type=key.landed",
            "type",
            "key.* or one of key.created, key.changed",
        ),
        ("type=key", "type", "key.created"),
        ("type=key.created,key.created", "type", "twice"),
        ("actor=nobody", "actor", "user:<id>"),
        ("subject=keys", "subject", "orgs, members"),
        ("subject=moons/1", "subject", "orgs, members"),
        ("from=some-day", "from", "YYYY-MM-DD"),
        ("from=2026-02-30", "from", "YYYY-MM-DD"),
        ("from=yesterday", "from", "YYYY-MM-DD, and not an RFC 3339"),
        ("from=2026-01-02&to=2026-01-01", "from", "after to"),
        ("stream=both", "stream", "decisions, observations, all"),
        (
            &format!("after_position={beyond}"),
            "after_position",
            "beyond the head",
        ),
    ] {
        let reply = world.get(&org.key, &format!("/audit/events?{query}")).await;
        reply.is_refused_for(parameter, hint);
    }
    let many = vec!["key.created"; 21].join(",");
    let reply = world
        .get(&org.key, &format!("/audit/events?type={many}"))
        .await;
    reply.is_refused_for("type", "1 to 20");
    let at_head = format!("/audit/events?after_position={head}");
    assert_eq!(events(&world.get(&org.key, &at_head).await), [""; 0]);
}
