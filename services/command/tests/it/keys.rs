//! API keys (v1-contract.md 7).

use chrono::TimeDelta;
use domain::ids::GlobalPosition;
use domain::org::Command;
use domain::plan::LimitKey;
use domain::scope::{Scope, Scopes};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Org, TestApp};

fn in_seconds(app: &TestApp, seconds: i64) -> String {
    let now = app.service.commander().now();
    now.plus(TimeDelta::seconds(seconds)).to_string()
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_works_at_once() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let body = json!({"name": " Reporting ", "scopes": ["write", "read"],
        "ip_allowlist": ["127.0.0.1", "10.0.0.0/8"], "rate_limit_per_minute": 50,
        "expires_at": in_seconds(&app, 3_600), "strict": true});
    let answer = app.post(&org, "/api-keys", body).await;
    let key = answer.data(201).clone();
    let secret = key["key"].as_str().unwrap().to_owned();
    let id = key["id"].as_str().unwrap();
    assert_eq!(answer.header("Location"), format!("/api/v1/api-keys/{id}"));
    assert_eq!(secret.len(), 68);
    let prefix = format!("{}…{}", &secret[..12], &secret[64..]);
    assert_eq!(key["prefix"], prefix);
    assert_eq!(key["name"], "Reporting");
    assert_eq!(key["scopes"], json!(["read", "write"]));
    assert_eq!(key["ip_allowlist"], json!(["127.0.0.1/32", "10.0.0.0/8"]));
    assert_eq!(key["rate_limit_per_minute"], 50);
    assert_eq!(key["status"], "active");
    assert_eq!(key["strict"], true);
    let maker = json!({"type": "key", "id": org.key_id.to_string()});
    assert_eq!(key["created_by"], maker);
    for absent in [
        "last_used_at",
        "unused_scopes",
        "rotation",
        "revoked_at",
        "revocation",
    ] {
        assert_eq!(key[absent], Value::Null, "{absent}");
    }
    assert_eq!(key["requests_by_day"], json!([0, 0, 0, 0, 0, 0, 0]));
    assert!(key.get("secret_already_delivered").is_none());

    let made = app
        .call(
            &Method::POST,
            "/projects",
            &secret,
            Some(&json!({"name": "P"})),
        )
        .await;
    made.data(201);
    assert!(
        made.header("RateLimit-Policy")
            .contains("\"key-minute\";q=50;w=60")
    );
    // It ends within seven days.
    assert_eq!(made.header("Tga-Key-Expires-At"), key["expires_at"]);
}

#[tokio::test]
async fn a_key_without_wishes_reads_and_writes_at_the_plans_pace() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let answer = app.post(&org, "/api-keys", json!({"name": "Plain"})).await;
    let key = answer.data(201);
    assert_eq!(key["scopes"], json!(["read", "write"]));
    assert_eq!(key["rate_limit_per_minute"], 60);
    assert_eq!(key["expires_at"], Value::Null);
    assert_eq!(key["ip_allowlist"], Value::Null);
}

#[tokio::test]
async fn a_bad_key_is_refused_and_nothing_is_made() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let before = app.head().await;
    let many: Vec<_> = (0..51).map(|last| format!("10.0.0.{last}")).collect();
    for (field, bad) in [
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("name", json!("a\nb")),
        ("name", json!(7)),
        ("name", json!(null)),
        ("scopes", json!([])),
        ("scopes", json!(["fly"])),
        ("scopes", json!("read")),
        ("scopes", json!(null)),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!(in_seconds(&app, 30))),
        ("expires_at", json!(in_seconds(&app, 4_000 * 86_400))),
        ("ip_allowlist", json!([])),
        ("ip_allowlist", json!(["10.0.0.1/8"])),
        ("ip_allowlist", json!(["everywhere"])),
        ("ip_allowlist", json!(many)),
        ("rate_limit_per_minute", json!(0)),
        ("rate_limit_per_minute", json!(1.5)),
        ("rate_limit_per_minute", json!("60")),
        ("strict", json!("yes")),
    ] {
        let mut body = json!({"name": "Key"});
        body[field] = bad.clone();
        let answer = app.post(&org, "/api-keys", body).await;
        let issues = &answer.refused(400, "invalid_body")["issues"];
        let path = issues[0]["path"].as_str().unwrap();
        assert!(path.starts_with(field), "{bad}: {issues}");
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn nobody_grants_what_they_lack() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let admin = json!({"name": "Key", "scopes": ["read", "admin"]});
    let answer = app.post(&org, "/api-keys", admin).await;
    let meta = answer.refused(403, "insufficient_scope");
    assert_eq!(meta["required"], "admin");

    let scopes = Scopes::NONE.with(Scope::Keys).with(Scope::Read);
    let (_, secret) = app.key(org.id, scopes).await;
    let call =
        async |method, path: &str, body: Value| app.call(&method, path, &secret, Some(&body)).await;
    let answer = call(Method::POST, "/api-keys", json!({"name": "Key"})).await;
    assert_eq!(
        answer.refused(403, "insufficient_scope")["required"],
        "write"
    );
    let made = call(
        Method::POST,
        "/api-keys",
        json!({"name": "K", "scopes": ["read"]}),
    )
    .await;
    let id = made.id(201);
    let path = format!("/api-keys/{id}");
    let wider = call(Method::PATCH, &path, json!({"scopes": ["read", "write"]})).await;
    assert_eq!(
        wider.refused(403, "insufficient_scope")["required"],
        "write"
    );
    let same = call(Method::PATCH, &path, json!({"scopes": ["read"]})).await;
    same.data(200);
    // Rotating hands out a secret with all rights of the old one.
    let path = format!("/api-keys/{}/rotate", org.key_id);
    let answer = call(Method::POST, &path, json!({})).await;
    assert_eq!(
        answer.refused(403, "insufficient_scope")["required"],
        "write"
    );
}

#[tokio::test]
async fn keys_are_limited_in_number_and_pace() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let limit_key = LimitKey::MaxApiKeysPerOrg;
    let value = Some(2);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    let second = app.post(&org, "/api-keys", json!({"name": "Second"})).await;
    let second = second.id(201);
    let refused = app.post(&org, "/api-keys", json!({"name": "Third"})).await;
    let meta = refused.refused(402, "limit_reached");
    assert_eq!(meta["limitKey"], "max_api_keys_per_org");
    assert_eq!((&meta["current"], &meta["max"]), (&json!(2), &json!(2)));
    // An overlap makes two of one; without it there is never one too many.
    let path = format!("/api-keys/{second}/rotate");
    let rotated = app.post(&org, &path, json!({"overlap_seconds": 60})).await;
    rotated.refused(402, "limit_reached");
    let rotated = app.post(&org, &path, json!({"overlap_seconds": 0})).await;
    rotated.data(201);

    let fast = json!({"name": "Fast", "rate_limit_per_minute": 100_001});
    let refused = app.post(&org, "/api-keys", fast).await;
    let meta = refused.refused(402, "limit_reached");
    assert_eq!(meta["limitKey"], "max_requests_per_minute_per_key");
    assert_eq!(
        (&meta["current"], &meta["max"]),
        (&json!(100_001), &json!(100_000))
    );
}

async fn other_key(app: &TestApp, org: &Org) -> (uuid::Uuid, String) {
    let (id, secret) = app.key(org.id, Scopes::DEFAULT).await;
    (id.as_uuid(), secret)
}

#[tokio::test]
async fn a_change_that_takes_away_has_a_receipt_and_one_that_gives_has_none() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, _) = other_key(&app, &org).await;
    let path = format!("/api-keys/{id}");
    let renamed = app.patch(&org, &path, json!({"name": "Renamed"})).await;
    assert_eq!(renamed.data(200)["name"], "Renamed");
    assert_eq!(renamed.data(200)["receipt"], Value::Null);

    for mut narrowing in [
        json!({"scopes": ["read"]}),
        json!({"ip_allowlist": ["10.0.0.0/8"]}),
        json!({"expires_at": in_seconds(&app, 3_600)}),
        json!({"rate_limit_per_minute": 10}),
        json!({"strict": true}),
    ] {
        let answer = app.patch(&org, &path, narrowing.clone()).await;
        let receipt = &answer.data(200)["receipt"];
        assert_eq!(receipt["id"], id.to_string());
        assert_eq!(receipt["position"], answer.position());
        assert!(receipt["effective_at"].is_string());
        assert_eq!(receipt["ledger"], "pending");
        assert_eq!(receipt["barrier"]["acked"], 0);
        // Sent again it changes nothing, and waits all the same.
        let again = app.patch(&org, &path, narrowing.clone()).await;
        assert_eq!(again.data(200)["receipt"]["position"], receipt["position"]);
        // Nor is it told without a wait because something else is asked for with it.
        narrowing["name"] = json!(format!("After {}", receipt["position"]));
        let with_more = app.patch(&org, &path, narrowing).await;
        assert_ne!(with_more.position(), receipt["position"]);
        assert_eq!(
            with_more.data(200)["receipt"]["position"],
            receipt["position"]
        );
        assert_eq!(
            again.data(200)["receipt"]["event_hash"],
            receipt["event_hash"]
        );
    }
    let widening = json!({"scopes": ["read", "write"], "ip_allowlist": null, "expires_at": null});
    let answer = app.patch(&org, &path, widening).await;
    assert_eq!(answer.data(200)["receipt"], Value::Null);
    assert_eq!(answer.data(200)["expires_at"], Value::Null);
}

#[tokio::test]
async fn a_bad_change_is_refused() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, _) = other_key(&app, &org).await;
    let path = format!("/api-keys/{id}");
    let before = app.head().await;
    for bad in [
        json!({}),
        json!({"name": null}),
        json!({"scopes": []}),
        json!({"expires_at": in_seconds(&app, 1)}),
        json!({"ip_allowlist": ["1.2.3.4/8"]}),
        json!({"rate_limit_per_minute": null}),
        json!({"owner_id": null}),
    ] {
        let answer = app.patch(&org, &path, bad).await;
        answer.refused(400, "invalid_body");
    }
    // Input is looked at before what exists.
    let missing = format!("/api-keys/{}", uuid::Uuid::nil());
    let soon = json!({"expires_at": in_seconds(&app, 1)});
    let answer = app.patch(&org, &missing, soon).await;
    answer.refused(400, "invalid_body");
    let fast = app
        .patch(&org, &path, json!({"rate_limit_per_minute": 100_001}))
        .await;
    fast.refused(402, "limit_reached");
    assert_eq!(app.head().await, before);
    app.delete(&org, &path).await.data(200);
    let dead = app.patch(&org, &path, json!({"name": "No"})).await;
    dead.refused(409, "key_not_active");
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_request_and_revoking_may_be_repeated() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, secret) = other_key(&app, &org).await;
    let path = format!("/api-keys/{id}");
    let first = app.delete(&org, &path).await;
    let receipt = first.data(200).clone();
    assert_eq!(receipt["id"], id.to_string());
    assert_eq!(receipt["position"], first.position());
    let hash = receipt["event_hash"].as_str().unwrap();
    let position = domain::ids::GlobalPosition::new(first.position());
    let event = &app.service.log().read_at(&[position]).await.unwrap()[0];
    assert_eq!(hash, event.hash.to_string());
    assert_eq!(receipt["revoked_at"], event.recorded_at.to_string());
    let head = app.service.log().head().await.unwrap();
    assert_eq!(receipt["log_epoch"], head.epoch.to_string());

    let refused = app
        .call(
            &Method::POST,
            "/projects",
            &secret,
            Some(&json!({"name": "P"})),
        )
        .await;
    refused.refused(401, "invalid_api_key");
    let again = app.delete(&org, &path).await;
    for same in ["id", "position", "revoked_at", "event_hash", "log_epoch"] {
        assert_eq!(again.data(200)[same], receipt[same], "{same}");
    }
    assert_eq!(app.head().await, head.position);
    let rotated = app.post(&org, &format!("{path}/rotate"), json!({})).await;
    rotated.refused(409, "key_not_active");
}

#[tokio::test]
async fn a_caller_in_a_hurry_is_answered_before_the_barrier() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, _) = other_key(&app, &org).await;
    let ask = app.request(&Method::DELETE, &format!("/api-keys/{id}"));
    let ask = ask.header(api::header::PREFER, "respond-async");
    let answer = ask.with_key(&org.secret).send().await;
    let receipt = answer.data(202);
    assert_eq!(receipt["effective_at"], Value::Null);
    assert_eq!(receipt["barrier"], Value::Null);
    assert_eq!(answer.header("Preference-Applied"), "respond-async");
}

#[tokio::test]
async fn a_key_may_end_itself_whatever_its_scopes() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, secret) = app.key(org.id, Scopes::NONE.with(Scope::Read)).await;
    let path = "/api-keys/self";
    let ended = app.call(&Method::DELETE, path, &secret, None).await;
    assert_eq!(ended.id(200), id.as_uuid());
    let again = app.call(&Method::DELETE, path, &secret, None).await;
    again.refused(401, "invalid_api_key");
}

#[tokio::test]
async fn the_last_key_of_an_org_may_end_itself() {
    let app = TestApp::new().await;
    let org = app.org().await;
    app.delete(&org, "/api-keys/self").await.data(200);
    app.delete(&org, "/api-keys/self")
        .await
        .refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_rotated_key_is_accepted_until_its_overlap_ends() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (old, old_secret) = other_key(&app, &org).await;
    let path = format!("/api-keys/{old}/rotate");
    // The body may be left out: a day of overlap.
    let answer = app.call(&Method::POST, &path, &org.secret, None).await;
    let data = answer.data(201);
    let new = &data["new"];
    assert_eq!(
        answer.header("Location"),
        format!("/api/v1/api-keys/{}", new["id"].as_str().unwrap())
    );
    assert_eq!(data["receipt"], Value::Null);
    assert_eq!(data["old"]["status"], "rotating");
    assert_eq!(new["status"], "active");
    assert_eq!(new["scopes"], data["old"]["scopes"]);
    for both in [new, &data["old"]] {
        assert_eq!(both["rotation"]["old_id"], old.to_string());
        assert_eq!(both["rotation"]["new_id"], new["id"]);
        assert_eq!(both["rotation"]["ends_at"], data["old"]["expires_at"]);
    }
    let project = json!({"name": "P"});
    let with_old = app
        .call(&Method::POST, "/projects", &old_secret, Some(&project))
        .await;
    with_old.data(201);
    assert_eq!(
        with_old.header("Tga-Key-Expires-At"),
        data["old"]["expires_at"]
    );
    let secret = new["key"].as_str().unwrap();
    let with_new = app
        .call(&Method::POST, "/projects", secret, Some(&project))
        .await;
    with_new.data(201);
    // A rotating key is replaced already.
    let again = app.call(&Method::POST, &path, &org.secret, None).await;
    again.refused(409, "key_not_active");
}

#[tokio::test]
async fn rotated_without_overlap_the_old_key_ends_at_once() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (old, old_secret) = other_key(&app, &org).await;
    let path = format!("/api-keys/{old}/rotate");
    let body = json!({"overlap_seconds": 0, "name": "New", "expires_at": null});
    let answer = app.post(&org, &path, body).await;
    let data = answer.data(201);
    assert_eq!(data["new"]["name"], "New");
    assert_eq!(data["old"]["status"], "revoked");
    assert_eq!(data["old"]["revocation"]["position"], answer.position());
    assert_eq!(data["receipt"]["id"], old.to_string());
    assert_eq!(data["receipt"]["position"], answer.position());
    assert_eq!(
        data["old"]["revocation"]["effective_at"],
        data["receipt"]["effective_at"]
    );
    let refused = app
        .call(&Method::DELETE, "/api-keys/self", &old_secret, None)
        .await;
    refused.refused(401, "invalid_api_key");

    for bad in [-1, 2_592_001] {
        let answer = app.post(&org, &path, json!({"overlap_seconds": bad})).await;
        answer.refused(400, "invalid_body");
    }
}

#[tokio::test]
async fn when_a_revocation_was_in_force_is_kept_as_it_was_first_told() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (id, _) = other_key(&app, &org).await;
    let path = format!("/api-keys/{id}");
    let first = app.delete(&org, &path).await;
    let receipt = first.data(200).clone();
    app.delete(&org, &path).await.data(200);
    let position = GlobalPosition::new(receipt["position"].as_u64().unwrap());
    let settled = gate::settled_at(app.pool(), &[position]).await.unwrap();
    assert_eq!(json!(settled[&position]), receipt["effective_at"]);
}
