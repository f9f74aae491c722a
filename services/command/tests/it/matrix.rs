//! What holds for every route: each one succeeds, and each refusal that all of them share.

use std::collections::BTreeSet;

use api::route::{Access, BodyKind, Route};
use domain::scope::{Scope, Scopes};
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;

use crate::support::{
    Answer, Ask, Good, TestApp, command_routes, good, path_with, secret_of, with_id,
};

fn ask<'a>(app: &'a TestApp, good: &Good) -> Ask<'a> {
    let ask = app.request(&good.method, &good.path);
    match &good.body {
        Some(body) => ask.body(good.media_type, body.clone()),
        None => ask,
    }
}

/// What every answer has.
#[track_caller]
fn check_common(answer: &Answer, access: Access) {
    assert_eq!(answer.header("Cache-Control"), "private, no-store");
    assert_eq!(answer.header("Content-Type"), "application/json");
    assert_eq!(answer.header("X-Request-Id"), "test-1");
    if access == Access::Session {
        let policy = answer.header("RateLimit-Policy");
        assert_eq!(policy, r#""session-minute";q=600;w=60"#);
        return;
    }
    assert!(answer.header("RateLimit-Policy").contains("key-minute"));
    assert!(answer.header("RateLimit").contains("org-day"));
}

#[tokio::test]
async fn every_route_succeeds_and_says_what_every_answer_says() {
    let app = TestApp::new().await;
    for route in command_routes() {
        let world = app.world().await;
        let good = good(route, &world);
        let ask = ask(&app, &good).header(api::header::X_REQUEST_ID, "test-1");
        let answer = ask.with_key(secret_of(route, &world)).send().await;
        assert_eq!(
            answer.status, good.status,
            "{} {}",
            good.method, answer.body
        );
        check_common(&answer, route.access);
        assert_eq!(answer.body["error"], json!(null));
        assert!(answer.position() > 0);
        assert_eq!(
            answer.headers.contains_key("Location"),
            good.status == 201,
            "{}",
            good.path
        );
    }
}

#[tokio::test]
async fn without_a_credential_every_path_answers_alike() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let before = app.head().await;
    let mut asks: Vec<_> = command_routes()
        .map(|route| ask(&app, &good(route, &world)))
        .collect();
    asks.push(app.request(&Method::GET, "/projects"));
    asks.push(app.request(&Method::POST, "/nowhere"));
    asks.push(app.request(&Method::PUT, "/projects"));
    let expected =
        r#"{"data":null,"error":"Invalid or missing API key","meta":{"code":"invalid_api_key"}}"#;
    for ask in asks {
        let answer = ask.send().await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.bytes, expected.as_bytes());
        let challenge = r#"Bearer realm="trackagoat""#;
        assert_eq!(answer.header("WWW-Authenticate"), challenge);
        assert!(!answer.headers.contains_key("RateLimit"));
        assert!(!answer.headers.contains_key("Allow"));
    }
    let unknown = "tga_00000000000000000000000000000000000000000000000000000000cb612bfd";
    for wrong in ["x", unknown] {
        let answer = app.request(&Method::POST, "/nowhere").with_key(wrong);
        let answer = answer.send().await;
        assert_eq!(answer.bytes, expected.as_bytes());
        assert!(answer.header("WWW-Authenticate").contains("invalid_token"));
    }
    let twice = app.request(&Method::POST, "/projects").with_key(unknown);
    let twice = twice.header(AUTHORIZATION, "Bearer x").send().await;
    twice.refused(400, "invalid_params");
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn without_its_scope_a_route_is_refused_before_its_input_is_looked_at() {
    let app = TestApp::new().await;
    let world = app.world().await;
    // A key for each route is more than a plan has.
    let room = domain::org::Command::SetLimit {
        limit_key: domain::plan::LimitKey::MaxApiKeysPerOrg,
        value: Some(1_000),
    };
    app.operate(world.org.id, room).await;
    let before = app.head().await;
    for route in command_routes() {
        let Access::Scope(required) = route.access else {
            continue;
        };
        let others: Scopes = Scopes::ORG_ADMIN
            .iter()
            .filter(|scope| *scope != required)
            .collect();
        let (_, secret) = app.key(world.org.id, others).await;
        let path = with_id(route, "no-id");
        let bad = app.request(&good(route, &world).method, &path);
        let answer = bad.body("text/plain", "?").with_key(&secret).send().await;
        let meta = answer.refused(403, "insufficient_scope");
        assert_eq!(meta["required"], required.name());
        assert_eq!(meta["granted"].as_array().unwrap().len(), 4);
        assert!(answer.headers.contains_key("RateLimit"));
    }
    let made = app.events_after(before).await;
    assert!(made.iter().all(|(_, event)| event == "key.created"));
}

#[tokio::test]
async fn what_is_for_persons_refuses_keys_before_its_input_is_looked_at() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let before = app.head().await;
    for route in command_routes().filter(|route| route.access == Access::Session) {
        let path = with_id(route, "no-id");
        let bad = app.request(&good(route, &world).method, &path);
        let bad = bad.body("text/plain", "?").with_key(&world.org.secret);
        let meta = bad.send().await.refused(403, "forbidden").clone();
        assert_eq!(meta["required"], "session", "{}", route.path);
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart_from_each_other_after_the_gate() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let call = async |method: &Method, path: &str| app.call(method, path, &org.secret, None).await;
    call(&Method::POST, "/nowhere")
        .await
        .refused(404, "not_found");
    call(&Method::GET, "/analytics")
        .await
        .refused(404, "not_found");
    let put = call(&Method::PUT, "/projects").await;
    put.refused(405, "method_not_allowed");
    assert_eq!(put.header("Allow"), "GET, HEAD, POST");
    assert!(put.headers.contains_key("RateLimit"));
    // Alone, the service has no queries.
    let get = call(&Method::GET, "/projects").await;
    get.refused(405, "method_not_allowed");
    assert_eq!(get.header("Allow"), "POST");
    let admin = call(&Method::POST, "/admin/anything").await;
    assert_eq!(
        admin.refused(403, "insufficient_scope")["required"],
        "admin"
    );
    let (_, secret) = app.key(org.id, Scopes::NONE.with(Scope::Admin)).await;
    let admin = app
        .call(&Method::POST, "/admin/anything", &secret, None)
        .await;
    admin.refused(404, "not_found");
}

#[tokio::test]
async fn bad_input_has_its_code_and_changes_nothing() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let before = app.head().await;
    for route in command_routes() {
        let secret = secret_of(route, &world);
        let good = good(route, &world);
        let of = || ask(&app, &good).with_key(secret);
        let bare = || app.request(&good.method, &good.path).with_key(secret);

        let answer = of().header(http::header::IF_MATCH, "W/\"x\"").send().await;
        answer.refused(412, "precondition_failed");
        let strict = of().header(api::header::TGA_CONSISTENCY, "soon");
        strict.send().await.refused(400, "invalid_params");
        let and = if good.path.contains('?') { '&' } else { '?' };
        let query = app.request(&good.method, &format!("{}{and}what=1", good.path));
        let query = query.body(good.media_type, good.body.clone().unwrap_or_default());
        let answer = query.with_key(secret).send().await;
        assert_eq!(
            answer.refused(400, "invalid_query")["issues"][0]["path"],
            "what"
        );
        if route.has_id() {
            let path = with_id(route, "no-id");
            let ask = app.request(&good.method, &path).with_key(secret);
            let answer = ask.body(good.media_type, "{}").send().await;
            let meta = answer.refused(400, "invalid_params");
            let name = if route.path.contains("{user_id}") {
                "user_id"
            } else {
                "id"
            };
            assert_eq!(meta["issues"][0]["path"], name);
        }
        if route.body == BodyKind::None {
            continue;
        }
        let answer = bare().body("text/plain", "{}").send().await;
        answer.refused(415, "unsupported_media_type");
        let encoded = of().header(http::header::CONTENT_ENCODING, "gzip");
        encoded.send().await.refused(415, "unsupported_media_type");
        let large = "x".repeat(route.max_body() + 1);
        let answer = bare().body(good.media_type, large).send().await;
        assert_eq!(
            answer.refused(413, "payload_too_large")["max"],
            route.max_body()
        );
        if route.body == BodyKind::Json {
            let answer = bare().json(&json!({"what": 1})).send().await;
            let meta = answer.refused(400, "invalid_body");
            let issues = meta["issues"].as_array().unwrap();
            assert!(issues.iter().any(|issue| issue["path"] == "what"), "{meta}");
            for bad in ["{", "[]", "null", r#"{"name":"a","name":"b"}"#] {
                let answer = bare().body(good.media_type, bad).send().await;
                answer.refused(400, "invalid_body");
            }
        }
        if good.method == Method::POST {
            let named = of().header(api::header::IDEMPOTENCY_KEY, "");
            named.send().await.refused(400, "invalid_params");
        }
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn what_is_another_orgs_answers_byte_for_byte_as_what_is_missing() {
    let app = TestApp::new().await;
    let (world, other) = (app.world().await, app.world().await);
    let before = app.head().await;
    let missing = uuid::Uuid::from_u128(7);
    // Whether an invitation is to its caller is told, wherever it is from.
    let is_answer =
        |route: &&Route| route.access == Access::Session && route.path.starts_with("/invitations");
    let routes = command_routes().filter(|route| route.has_id() && !is_answer(route));
    for route in routes {
        let foreign = good(route, &other);
        let answers = [
            foreign.path.clone(),
            path_with(route, &other, &missing.to_string()),
        ]
        .map(|path| Good {
            method: foreign.method.clone(),
            path,
            media_type: foreign.media_type,
            body: foreign.body.clone(),
            status: 404,
        });
        let mut bytes = Vec::new();
        for good in &answers {
            let answer = ask(&app, good)
                .with_key(secret_of(route, &world))
                .send()
                .await;
            answer.refused(404, "not_found");
            bytes.push(answer.bytes);
        }
        assert_eq!(bytes[0], bytes[1], "{}", route.path);
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn a_problem_is_rendered_as_rfc_9457_on_request() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let ask = app
        .request(&Method::POST, "/projects")
        .with_key(&org.secret);
    let ask = ask.header(http::header::ACCEPT, "application/problem+json");
    let answer = ask.json(&json!({})).send().await;
    assert_eq!(answer.header("Content-Type"), "application/problem+json");
    assert_eq!(answer.body["type"], "/problems/invalid_body");
    assert_eq!(answer.body["issues"][0]["path"], "name");
}

#[tokio::test]
async fn a_request_is_found_again_in_the_events_it_caused() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let ask = app
        .request(&Method::POST, "/projects")
        .with_key(&org.secret);
    let ask = ask.header(api::header::X_REQUEST_ID, "mine_1-A");
    let answer = ask.json(&json!({"name": "P"})).send().await;
    assert_eq!(answer.header("X-Request-Id"), "mine_1-A");
    let position = domain::ids::GlobalPosition::new(answer.position());
    let event = &app.service.log().read_at(&[position]).await.unwrap()[0];
    assert_eq!(&*event.correlation_id, "mine_1-A");
    assert_eq!(event.actor.to_string(), format!("key:{}", org.key_id));

    let ask = app
        .request(&Method::POST, "/projects")
        .with_key(&org.secret);
    let ask = ask.header(api::header::X_REQUEST_ID, "not one of ours");
    let answer = ask.json(&json!({"name": "P"})).send().await;
    let id: uuid::Uuid = answer.header("X-Request-Id").parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
}

#[tokio::test]
async fn large_answers_are_compressed_on_request_and_secrets_never() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let zipped = |path: &str| {
        let ask = app.request(&Method::POST, path).with_key(&world.org.secret);
        ask.header(http::header::ACCEPT_ENCODING, "gzip")
    };
    let ids = vec![uuid::Uuid::nil(); 100];
    let path = format!("/projects/{}/creators/bulk-remove", world.project);
    let large = zipped(&path)
        .json(&json!({"creator_ids": ids}))
        .send()
        .await;
    assert_eq!(large.header("Content-Encoding"), "gzip");
    let secret = zipped("/api-keys")
        .json(&json!({"name": "x".repeat(100)}))
        .send()
        .await;
    assert!(secret.bytes.len() > 512);
    assert!(!secret.headers.contains_key("Content-Encoding"));
    assert!(secret.body["data"]["key"].is_string());
}

#[test]
fn the_document_describes_every_route_and_nothing_else() {
    let document = api::openapi::document([command::openapi()]);
    let written = serde_json::to_value(&document).unwrap();
    let paths = written["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let verbs = ["get", "post", "patch", "delete"].into_iter();
            verbs
                .filter(|verb| item.get(verb).is_some())
                .map(move |verb| format!("{} {path}", verb.to_uppercase()))
        })
        .collect();
    let served: BTreeSet<_> = command_routes()
        .map(|route| format!("{} {}", route.verb.name(), route.path))
        .collect();
    assert_eq!(described, served);
    // Queries are missing here, and nothing else is.
    let problems = api::openapi::problems(&document);
    let ours: Vec<_> = problems
        .iter()
        .filter(|problem| !problem.contains("GET "))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}
