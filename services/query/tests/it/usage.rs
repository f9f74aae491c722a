//! How keys were used: by day, by route, by scope, and how far a rotation has come.

use chrono::TimeDelta;
use domain::event::{Event, KeyCreated, KeyRotated, Role};
use domain::ids::KeyId;
use domain::scope::{Scope, Scopes};
use http::Method;
use read_model::ProjectionVersion;
use runtime::lifecycle::ShutdownPolicy;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::audit_export::{exported, fill};
use crate::audit_stream::open;
use crate::support::{Org, Replica, World, bearer};

/// Asks a replica that then stops, whereupon what it counted is stored.
async fn asking(world: &World, org: &Org, ask: impl AsyncFnOnce(&Replica)) {
    let (replica, lifecycle) = world.replica_apart(&[]).await;
    // It fetches the org's day, so that no later request waits for that in vain, and is asked again;
    // and has what was written.
    let head = world.log.head().await.unwrap().position.to_string();
    let headers = [bearer(&org.key), ("tga-min-position", &*head)];
    replica
        .send(Method::GET, "/projects", &headers)
        .await
        .data();
    ask(&replica).await;
    lifecycle.shutdown(ShutdownPolicy::default()).await;
}

async fn usage(world: &World, org: &Org, id: KeyId, query: &str) -> Value {
    let path = format!("/api-keys/{id}/usage{query}");
    world.get(&org.key, &path).await.data()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_key_is_shown_by_day_by_route_and_by_scope() {
    let world = World::start().await;
    let org = world.org().await;
    let scopes = Scopes::NONE.with(Scope::Read).with(Scope::Write);
    // Two processes that cannot hear each other have half a share each at the least: six.
    let (id, key, event) = world.new_key(scopes, 24);
    world.append(&org, vec![event]).await;
    let project = world.project(&org, "Launch").await;
    let mut more = 0;
    asking(&world, &org, async |replica| {
        for path in ["/projects", "/projects", "/projects/nothing-of-ours"] {
            replica.get(&key, path).await;
        }
        replica
            .get(&key, &format!("/projects/{project}"))
            .await
            .data();
        assert_eq!(
            replica.get(&key, "/api-keys").await.code(),
            "insufficient_scope"
        );
        while replica.get(&key, "/projects").await.status == 200 {
            more += 1;
        }
    })
    .await;

    let used = usage(&world, &org, id, "").await;
    let days = used["by_day"].as_array().unwrap();
    assert_eq!(days.len(), 30);
    let today = days.last().unwrap();
    assert_eq!(today["date"], json!(world.now().date()));
    assert_eq!(
        (&today["requests"], &today["refused"]),
        (&json!(5 + more), &json!(1))
    );
    assert_eq!(days[28]["requests"], 0, "yesterday");
    let routes: Vec<_> = used["by_route"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["method"].clone(),
                one["route"].clone(),
                one["requests"].clone(),
            )
        })
        .collect();
    // Neither a path that leads nowhere nor what a scope forbids was of use.
    let route = |route, requests| (json!("GET"), json!(route), json!(requests));
    assert_eq!(
        routes,
        [route("/projects", 2 + more), route("/projects/{id}", 2)]
    );
    assert_ne!(used["by_route"][0]["last_used_at"], Value::Null);
    assert_eq!(used["by_scope"][0]["scope"], "read");
    assert_eq!(
        used["by_scope"][0]["last_used_at"],
        used["by_route"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["last_used_at"].clone())
            .max_by_key(ToString::to_string)
            .unwrap()
    );
    assert_eq!(
        used["by_scope"][1],
        json!({"scope": "write", "last_used_at": null})
    );
}

/// However many parts an answer has, and however often it is looked whether it may go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_and_an_export_are_one_request_each() {
    let world = World::start().await;
    let org = world.org().await;
    fill(&world, &org, 600).await;
    let scopes = Scopes::NONE.with(Scope::Audit);
    let (id, key, event) = world.new_key(scopes, 1_000);
    world.append(&org, vec![event]).await;
    asking(&world, &org, async |replica| {
        let mut tap = open(replica, &key, "?after_position=0").await;
        // Those that there are come in parts, those that happen each in one of its own.
        for _ in 0..5 {
            let last = world.append(&org, vec![world.new_key(scopes, 1).2]).await;
            tap.until(&world, last).await;
        }
        assert!(tap.parts >= 8, "{}", tap.parts);
        let lines = exported(replica, &key, "").await;
        assert!(lines.len() > 600);
    })
    .await;

    // What a replica does not need of the org's day it gives back when it stops.
    let superuser = PgPool::connect_lazy_with(world.database.options());
    let reserved =
        sqlx::query_scalar::<_, i64>("select reserved from gate.quota where org_id = $1");
    let reserved = reserved.bind(org.id.as_uuid()).fetch_one(&superuser).await;
    assert_eq!(reserved.unwrap(), 3, "these and the first of all");

    let used = usage(&world, &org, id, "").await;
    let today = used["by_day"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&today["requests"], &today["refused"]),
        (&json!(2), &json!(0))
    );
    let routes = used["by_route"].as_array().unwrap().iter();
    let routes: Vec<_> = routes
        .map(|one| (one["route"].clone(), one["requests"].clone()))
        .collect();
    let once = |route| (json!(route), json!(1));
    assert_eq!(routes, [once("/audit/export"), once("/audit/stream")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_of_days_that_are_kept_and_a_key_is_ones_own() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    let today = world.now().date();
    let back = |days| today - TimeDelta::days(days);
    let path = |query: &str| format!("/api-keys/{}/usage{query}", org.key_id);
    let oldest = format!("?from={}&to={}", back(90), back(89));
    let days = world.get(&org.key, &path(&oldest)).await.data();
    assert_eq!(days["by_day"].as_array().unwrap().len(), 2);
    let future = format!("?from={}&to={}", back(1), back(-5));
    let days = world.get(&org.key, &path(&future)).await.data();
    assert_eq!(days["by_day"].as_array().unwrap().len(), 2, "up to today");
    for query in [
        format!("?from={}", back(91)),
        format!("?from={today}&to={}", back(1)),
        "?from=yesterday".to_owned(),
        "?days=3".to_owned(),
    ] {
        let refused = world.get(&org.key, &path(&query)).await;
        assert_eq!(refused.code(), "invalid_query", "{query}");
    }
    let foreign = world.get(&other.key, &path("")).await;
    assert_eq!(foreign.code(), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_shows_how_much_still_comes_with_the_old_key() {
    let world = World::start().await;
    let org = world.org().await;
    let (old, old_key, event) = world.new_key(Scopes::DEFAULT, 1_000);
    world.append(&org, vec![event]).await;
    let (new, new_key, event) = world.new_key(Scopes::DEFAULT, 1_000);
    let event = match event {
        Event::KeyCreated(created) => KeyCreated {
            replaces: Some(old),
            ..created
        },
        other => panic!("{other:?}"),
    };
    let rotated = KeyRotated {
        key_id: old,
        new_key_id: new,
        ends_at: world.now().plus(TimeDelta::days(1)),
    };
    world.append(&org, vec![event.into(), rotated.into()]).await;
    let share = async |id: KeyId| {
        let shown = world.get(&org.key, &format!("/api-keys/{id}")).await.data();
        shown["rotation"]["old_share_1h"].clone()
    };
    assert_eq!(share(old).await, Value::Null, "no requests yet");
    asking(&world, &org, async |replica| {
        replica.get(&old_key, "/projects").await.data();
        for _ in 0..3 {
            replica.get(&new_key, "/projects").await.data();
        }
    })
    .await;
    assert_eq!(
        (share(old).await, share(new).await),
        (json!(0.25), json!(0.25))
    );
    let listed = world.get(&org.key, "/api-keys").await.data();
    let shares: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["rotation"]["old_share_1h"].clone())
        .collect();
    assert_eq!(shares, [json!(0.25), json!(0.25), Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_month_shows_the_scopes_that_it_did_not_need() {
    let world = World::start().await;
    let org = world.org().await;
    let unused =
        async || world.get(&org.key, "/api-keys/self").await.data()["unused_scopes"].clone();
    assert_eq!(unused().await, Value::Null, "it is too young");
    asking(&world, &org, async |_| ()).await;
    let options = ProjectionVersion::CURRENT.in_schema(world.database.options());
    let superuser = PgPool::connect_lazy_with(options);
    // Run at run time: what a month does to two tables.
    let set = async |statement: &'static str| {
        sqlx::query(statement).execute(&superuser).await.unwrap();
    };
    set("update api_keys set created_at = created_at - interval '31 days'").await;
    assert_eq!(unused().await, json!(["write", "keys", "ingest", "audit"]));
    set("update gate.usage_by_route set day = day - 31").await;
    assert_eq!(
        unused().await,
        json!(["read", "write", "keys", "ingest", "audit"])
    );
}

/// What people do in the console is no request of the org's day.
#[tokio::test(flavor = "multi_thread")]
async fn of_the_orgs_day_is_used_what_keys_ask_and_not_what_people_do() {
    let world = World::start().await;
    let org = world.org().await;
    let ada = world.person(&org, Role::Admin, "Ada").await;
    asking(&world, &org, async |replica| {
        for _ in 0..3 {
            replica.get(&ada.secret, "/projects").await.data();
        }
    })
    .await;
    let limits = world.get(&ada.secret, "/limits").await.data();
    let mut limits = limits["limits"].as_array().unwrap().iter();
    let day = limits.find(|limit| limit["key"] == "max_api_requests_per_day");
    assert_eq!(day.unwrap()["current"], 1, "the first of all");
}
