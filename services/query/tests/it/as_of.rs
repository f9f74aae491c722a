//! `GET /audit/as-of` against a reconstruction that knows nothing of the domain's own.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::event::{
    Event, KeyChanged, KeyCreated, KeyRevoked, KeyRotated, MemberJoined, MemberRemoved,
    MemberRoleChanged, OrgChanged, OrgReinstated, OrgSuspended, PlanChanged, RevocationReason,
    Role,
};
use domain::ids::{OrgId, UserId};
use domain::plan::Plan;
use domain::scope::{Scope, Scopes};
use domain::text::Name;
use event_log::StoredEvent;
use serde_json::{Value, json};

use crate::audit::whole_log;
use crate::support::{Org, World};

/// What the data of the events says, read as plain JSON.
#[derive(Default)]
struct Rebuilt {
    org: Value,
    keys: BTreeMap<String, Value>,
    members: BTreeMap<String, String>,
}

impl Rebuilt {
    fn take(&mut self, event: &StoredEvent) {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        match &*event.type_name {
            "org.created" => {
                self.org = json!({"name": data["name"], "plan": data["plan"],
                    "timezone": data["timezone"], "suspended": false});
            }
            "org.changed" => {
                for name in ["name", "timezone"] {
                    if !data[name].is_null() {
                        self.org[name] = data[name].clone();
                    }
                }
            }
            "org.plan_changed" => self.org["plan"] = data["plan"].clone(),
            "org.suspended" => self.org["suspended"] = json!(true),
            "org.reinstated" => self.org["suspended"] = json!(false),
            "member.joined" | "member.role_changed" => {
                self.members.insert(text("user_id"), text("role"));
            }
            "member.removed" => {
                self.members.remove(&text("user_id"));
            }
            "key.created" => {
                let mut key = json!({"id": data["key_id"], "name": data["name"],
                    "prefix": data["prefix"], "scopes": data["scopes"], "expires_at": null,
                    "ip_allowlist": null, "owner_id": null});
                for name in ["expires_at", "ip_allowlist", "owner_id"] {
                    if !data[name].is_null() {
                        key[name] = data[name].clone();
                    }
                }
                self.keys.insert(text("key_id"), key);
            }
            "key.changed" => {
                let key = self.keys.get_mut(&text("key_id")).unwrap();
                for name in ["name", "scopes"] {
                    if !data[name].is_null() {
                        key[name] = data[name].clone();
                    }
                }
            }
            "key.rotated" => {
                let key = self.keys.get_mut(&text("key_id")).unwrap();
                key["expires_at"] = data["ends_at"].clone();
            }
            "key.revoked" => {
                self.keys.remove(&text("key_id"));
            }
            _ => {}
        }
    }

    fn at(&self, at: &str) -> Value {
        let is_accepted = |key: &&Value| key["expires_at"].as_str().is_none_or(|end| end > at);
        let keys: Vec<_> = self.keys.values().filter(is_accepted).collect();
        let members = self.members.iter();
        let members: Vec<_> = members
            .map(|(user, role)| json!({"user_id": user, "role": role}))
            .collect();
        json!({"org": self.org, "keys": keys, "members": members})
    }
}

async fn history(world: &World, org: &Org) {
    let user = || UserId::generate(world.now(), world.entropy.bytes());
    let (ada, bob) = (user(), user());
    let (first, _, created) = world.new_key(Scopes::DEFAULT, 100);
    let (second, _, replacing) = world.new_key(Scopes::DEFAULT, 100);
    let (_, _, ending) = world.new_key(Scopes::DEFAULT, 100);
    let Event::KeyCreated(ending) = ending else {
        panic!("a new key is made by its event");
    };
    let end = world.now().plus(TimeDelta::milliseconds(1));
    let joined = |user_id, role| Event::from(MemberJoined { user_id, role });
    let batches: Vec<Vec<Event>> = vec![
        vec![joined(ada, Role::Admin), joined(bob, Role::Member)],
        vec![created],
        vec![
            KeyCreated {
                expires_at: Some(end),
                owner_id: Some(ada),
                ..ending
            }
            .into(),
        ],
        vec![
            MemberRoleChanged {
                user_id: bob,
                role: Role::Admin,
                previous: Role::Member,
            }
            .into(),
        ],
        vec![
            PlanChanged {
                plan: Plan::Starter,
                previous: Plan::Ultra,
            }
            .into(),
        ],
        vec![
            KeyChanged {
                name: Some(Name::parse("Renamed").unwrap()),
                scopes: Some(Scopes::NONE.with(Scope::Read)),
                ..KeyChanged::nothing(first)
            }
            .into(),
        ],
        vec![
            replacing,
            KeyRotated {
                key_id: first,
                new_key_id: second,
                ends_at: world.now().plus(TimeDelta::days(1)),
            }
            .into(),
        ],
        vec![OrgSuspended { reason: None }.into()],
        vec![
            OrgReinstated {}.into(),
            OrgChanged {
                name: Some(Name::parse("Acme & Co").unwrap()),
                timezone: Some("Asia/Kathmandu".to_owned()),
            }
            .into(),
        ],
        vec![MemberRemoved { user_id: bob }.into()],
        vec![
            KeyRevoked {
                key_id: second,
                reason: RevocationReason::Requested,
            }
            .into(),
        ],
    ];
    for batch in batches {
        world.append(org, batch).await;
        // Others' events, and ones that change nothing here, lie between.
        world.project(org, "Between").await;
    }
}

fn own(all: &[StoredEvent], org: OrgId) -> impl Iterator<Item = &StoredEvent> {
    all.iter().filter(move |event| event.org_id == org)
}

#[tokio::test]
async fn at_every_position_it_is_what_the_events_before_say() {
    let world = World::start().await;
    let other = world.org().await;
    let org = world.org().await;
    history(&world, &org).await;
    world.project(&other, "Elsewhere").await;
    let all = whole_log(&world).await;
    let born = own(&all, org.id).next().unwrap().position;
    let mut rebuilt = Rebuilt::default();
    let mut last = None;
    for event in &all {
        if event.org_id == org.id {
            rebuilt.take(event);
            last = Some(event);
        }
        let position = event.position;
        let path = format!("/audit/as-of?position={position}");
        let reply = world.get(&org.key, &path).await;
        let Some(last) = last else {
            assert!(position < born);
            assert_eq!(reply.code(), "not_found");
            let said = reply.json()["error"].to_string();
            assert!(said.contains("not there yet"), "{said}");
            continue;
        };
        let at = last.recorded_at.to_string();
        let mut expected = rebuilt.at(&at);
        expected["position"] = json!(last.position.get());
        expected["at"] = json!(at);
        assert_eq!(reply.data(), expected, "{position}");
    }
}

#[tokio::test]
async fn at_an_instant_it_is_what_was_recorded_by_then() {
    let world = World::start().await;
    let org = world.org().await;
    history(&world, &org).await;
    let all = whole_log(&world).await;
    let tick = TimeDelta::microseconds(1);
    for event in &all {
        let at = event.recorded_at;
        let before = all.iter().rev().find(|event| event.recorded_at <= at);
        let position = before.unwrap().position.get();
        let reply = world.get(&org.key, &format!("/audit/as-of?at={at}")).await;
        assert_eq!(reply.data()["position"], position);
        let by_position = format!("/audit/as-of?position={position}");
        let by_position = world.get(&org.key, &by_position).await;
        assert_eq!(reply.data(), by_position.data());
    }
    let before = all[0].recorded_at.minus(tick);
    let reply = world
        .get(&org.key, &format!("/audit/as-of?at={before}"))
        .await;
    assert_eq!(reply.code(), "not_found");
}

#[tokio::test]
async fn it_is_asked_for_in_one_way_and_not_ahead() {
    let world = World::start().await;
    let org = world.org().await;
    let head = world.log.head().await.unwrap().position;
    let ahead = world.now().plus(TimeDelta::hours(1));
    for (query, parameter, hint) in [
        (String::new(), "at", "is required"),
        (
            format!("?position={head}&at={ahead}"),
            "at",
            "beside position",
        ),
        (
            format!("?position={}", head.next()),
            "position",
            "beyond the head",
        ),
        (format!("?at={ahead}"), "at", "must not lie ahead"),
        ("?at=2026-01-01".to_owned(), "at", "RFC 3339"),
    ] {
        let reply = world.get(&org.key, &format!("/audit/as-of{query}")).await;
        reply.is_refused_for(parameter, hint);
    }
}
