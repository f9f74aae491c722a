//! `Idempotency-Key` (v1-contract.md 1.4).

use api::header::IDEMPOTENCY_KEY;
use domain::scope::Scopes;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::Direction;

use crate::support::{Answer, Ask, Org, TestApp, command_routes, good, secret_of};

async fn named(app: &TestApp, org: &Org, path: &str, body: &Value, key: &str) -> Answer {
    let ask = app.request(&Method::POST, path).with_key(&org.secret);
    ask.header(IDEMPOTENCY_KEY, key).json(body).send().await
}

#[tokio::test]
async fn every_post_is_replayed_with_status_and_body() {
    let app = TestApp::new().await;
    for route in command_routes() {
        let world = app.world().await;
        let good = good(route, &world);
        if good.method != Method::POST {
            continue;
        }
        let ask = || -> Ask<'_> {
            let ask = app
                .request(&good.method, &good.path)
                .with_key(secret_of(route, &world));
            let body = good.body.clone().unwrap();
            ask.header(IDEMPOTENCY_KEY, "\"once\"")
                .body(good.media_type, body)
        };
        let first = ask().send().await;
        assert_eq!(first.status, good.status, "{}", first.body);
        assert!(!first.headers.contains_key("Idempotency-Replayed"));
        let after = app.head().await;
        let again = ask().send().await;
        assert_eq!(app.head().await, after, "{}", good.path);
        assert_eq!(again.status, first.status);
        assert_eq!(again.header("Idempotency-Replayed"), "true");
        assert_eq!(again.position(), first.position());
        assert_eq!(again.headers.get("Location"), first.headers.get("Location"));
        assert!(again.headers.contains_key("RateLimit"));
        let mut expected = first.body.clone();
        let holder = match route.path {
            "/api-keys" => Some("/data"),
            "/api-keys/{id}/rotate" => Some("/data/new"),
            _ => None,
        };
        for once in ["accept_url", "token", "secret"] {
            if let Some(secret) = expected["data"].get_mut(once) {
                assert!(secret.is_string());
                *secret = Value::Null;
            }
        }
        if let Some(created) = holder.and_then(|pointer| expected.pointer_mut(pointer)) {
            assert!(created["key"].is_string());
            created["key"] = Value::Null;
            created["secret_already_delivered"] = json!(true);
        }
        assert_eq!(again.body, expected, "{}", good.path);
    }
}

#[tokio::test]
async fn a_replay_is_the_answer_however_near_the_end_of_the_key_is_by_now() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (key_id, _) = app.key(org.id, Scopes::DEFAULT).await;
    for path in ["/api-keys".to_owned(), format!("/api-keys/{key_id}/rotate")] {
        let good = json!({"name": "K"});
        let first = named(&app, &org, &path, &good, &path).await;
        first.data(201);
        // As if its end had been asked for long ago.
        app.db_execute(
            r#"update log.idempotency
               set fingerprint = sha256('{"expires_at":"2020-01-01T00:00:00Z","name":"K"}')"#,
        )
        .await;
        let body = json!({"name": "K", "expires_at": "2020-01-01T00:00:00Z"});
        let again = named(&app, &org, &path, &body, &path).await;
        again.data(201);
        assert_eq!(again.header("Idempotency-Replayed"), "true");
        // Asked for the first time it is refused, also before what exists is looked at.
        let refused = named(&app, &org, &path, &body, "another").await;
        refused.refused(400, "invalid_body");
    }
    let nowhere = "/api-keys/00000000-0000-7000-8000-000000000000/rotate";
    let body = json!({"expires_at": "2020-01-01T00:00:00Z"});
    let refused = named(&app, &org, nowhere, &body, "third").await;
    refused.refused(400, "invalid_body");
}

#[tokio::test]
async fn another_body_is_a_mismatch_and_another_route_a_reuse() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let body = json!({"name": "P", "metadata": {"a": 1, "b": [2]}});
    let first = named(&app, &org, "/projects", &body, "k").await;
    let id = first.id(201);
    let before = app.head().await;
    // Compared as parsed JSON.
    let ask = app
        .request(&Method::POST, "/projects")
        .with_key(&org.secret);
    let spelled = r#"{ "metadata" : {"b":[2.0], "a":1}, "name":"\u0050" }"#;
    let ask = ask
        .header(IDEMPOTENCY_KEY, "k")
        .body("application/json", spelled);
    assert_eq!(ask.send().await.id(201), id);

    let other = named(&app, &org, "/projects", &json!({"name": "Q"}), "k").await;
    other.refused(422, "idempotency_mismatch");
    let path = format!("/projects/{id}/creators");
    let other = named(&app, &org, &path, &json!({"handle": "a"}), "k").await;
    other.refused(409, "idempotency_key_reused");
    // Input is looked at first, then the key, then what exists.
    let other = named(&app, &org, "/projects", &json!({}), "k").await;
    other.refused(400, "invalid_body");
    let path = format!("/projects/{}/creators", uuid::Uuid::nil());
    let other = named(&app, &org, &path, &json!({"handle": "a"}), "k").await;
    other.refused(409, "idempotency_key_reused");
    assert_eq!(app.head().await, before);

    // Another org's keys are its own, and PATCH takes none.
    let neighbour = app.org().await;
    named(&app, &neighbour, "/projects", &json!({"name": "Q"}), "k")
        .await
        .data(201);
    let ask = app
        .request(&Method::PATCH, &format!("/projects/{id}"))
        .with_key(&org.secret);
    let ask = ask.header(IDEMPOTENCY_KEY, "k").json(&json!({"name": "R"}));
    assert_eq!(ask.send().await.data(200)["name"], "R");
}

#[tokio::test]
async fn only_successes_are_kept() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/creators");
    let id = app.creator(&org, project, "taken", "auto").await;
    let body = json!({"handle": "taken"});
    let refused = named(&app, &org, &path, &body, "k").await;
    refused.refused(409, "duplicate");
    app.delete(&org, &format!("/creators/{id}")).await.data(200);
    let anew = named(&app, &org, &path, &body, "k").await;
    assert_eq!(anew.id(200), id);
    assert!(!anew.headers.contains_key("Idempotency-Replayed"));
}

#[tokio::test]
async fn a_success_that_changed_nothing_is_kept_too() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let path = format!("/videos/{}/review", world.auto_video);
    let include = json!({"decision": "include"});
    let first = named(&app, &world.org, &path, &include, "k").await;
    assert_eq!(first.data(200)["tracking_status"], "auto_tracked");
    let exclude = json!({"decision": "exclude"});
    app.post(&world.org, &path, exclude).await.data(200);
    let again = named(&app, &world.org, &path, &include, "k").await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("Idempotency-Replayed"), "true");
}

/// Whether it tells of an earlier request.
fn is_replay(answer: &Answer) -> bool {
    answer.headers.contains_key("Idempotency-Replayed")
}

#[tokio::test]
async fn a_hundred_at_once_make_one_event() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let before = app.head().await;
    let body = json!({"name": "Once"});
    let ask = || named(&app, &org, "/projects", &body, "k");
    let answers = join_all((0..100).map(|_| ask())).await;
    let added = app.events_after(before).await;
    assert_eq!(added.len(), 1, "{added:?}");
    let (made, rest): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.status == 201 && !is_replay(answer));
    let [first] = made[..] else {
        panic!("{} were the first", made.len());
    };
    for answer in rest {
        if is_replay(answer) {
            assert_eq!(answer.body, first.body);
            assert_eq!(answer.position(), first.position());
        } else {
            answer.refused(409, "idempotency_in_progress");
        }
    }
}

#[tokio::test]
async fn a_hundred_replays_at_once_are_all_given() {
    let app = TestApp::new().await;
    for route in command_routes() {
        let world = app.world().await;
        let good = good(route, &world);
        if good.method != Method::POST {
            continue;
        }
        let ask = || {
            let ask = app
                .request(&good.method, &good.path)
                .with_key(secret_of(route, &world));
            let body = good.body.clone().unwrap();
            let ask = ask.header(IDEMPOTENCY_KEY, "once");
            ask.body(good.media_type, body).send()
        };
        let first = ask().await;
        let count = if route.path == "/projects" { 100 } else { 10 };
        for again in join_all((0..count).map(|_| ask())).await {
            assert_eq!(again.status, first.status, "{}: {}", good.path, again.body);
            assert_eq!(again.position(), first.position());
            assert!(is_replay(&again));
        }
    }
}

#[tokio::test]
async fn while_the_first_runs_another_body_is_a_mismatch_and_another_route_a_reuse() {
    let app = TestApp::new().await;
    let (org, neighbour) = (app.org().await, app.org().await);
    let (app, proxy) = app.neighbour_held_up().await;
    let body = json!({"name": "P"});
    let ask = async |org: &Org, body: &Value| named(&app, org, "/projects", body, "held-up").await;
    let mut held = proxy.hold(Direction::ToServer, b"held-up");
    let meanwhile = async {
        held.caught().await;
        let same = ask(&org, &body).await;
        same.refused(409, "idempotency_in_progress");
        let other = ask(&org, &json!({"name": "Q"})).await;
        other.refused(422, "idempotency_mismatch");
        let key = json!({"name": "P"});
        let other = named(&app, &org, "/api-keys", &key, "held-up").await;
        other.refused(409, "idempotency_key_reused");
        let ingest = app.request(&Method::POST, "/ingest/observations");
        let ingest = ingest
            .with_key(&org.secret)
            .header(IDEMPOTENCY_KEY, "held-up");
        let other = ingest.body("application/x-ndjson", "{}").send().await;
        other.refused(409, "idempotency_key_reused");
        ask(&neighbour, &body).await.data(201);
        held.release();
    };
    let (first, ()) = tokio::join!(ask(&org, &body), meanwhile);
    let id = first.id(201);
    assert!(!is_replay(&first));
    let again = ask(&org, &body).await;
    assert_eq!(again.id(201), id);
    assert!(is_replay(&again));
}

#[tokio::test]
async fn a_request_runs_until_its_answer_is_kept() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (app, proxy) = app.neighbour_held_up().await;
    let body = json!({"name": "P"});
    let ask = async |body: &Value| named(&app, &org, "/projects", body, "k").await;
    let mut held = proxy.hold(Direction::ToServer, b"update log.idempotency");
    let meanwhile = async {
        held.caught().await;
        // Its event is recorded by now.
        let same = ask(&body).await;
        same.refused(409, "idempotency_in_progress");
        let other = ask(&json!({"name": "Q"})).await;
        other.refused(422, "idempotency_mismatch");
        held.release();
    };
    let (first, ()) = tokio::join!(ask(&body), meanwhile);
    first.data(201);
    assert!(!is_replay(&first));
    let again = ask(&body).await;
    assert_eq!(again.body, first.body);
    assert!(is_replay(&again));
}

#[tokio::test]
async fn two_processes_carry_one_request_out_once() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let other = app.neighbour();
    let before = app.head().await;
    // Made twice, a project is another one, and a creator a duplicate.
    let creators = format!("/projects/{project}/creators");
    for round in 0..18 {
        let key = format!("k{round}");
        let (path, body) = if round % 2 == 0 {
            ("/projects", json!({"name": "Once"}))
        } else {
            (creators.as_str(), json!({"handle": key}))
        };
        let (first, second) = tokio::join!(
            named(&app, &org, path, &body, &key),
            named(&other, &org, path, &body, &key),
        );
        assert_eq!(first.id(201), second.id(201));
        assert_eq!(first.position(), second.position());
    }
    let events = app.events_after(before).await;
    for added in ["project.added", "creator.added"] {
        let added = events.iter().filter(|(_, event)| event == added);
        assert_eq!(added.count(), 9);
    }
}

/// The same name in another process, which found no earlier answer and is held up before it reads
/// the org, until `meanwhile` has happened.
async fn overtaken<T>(
    app: &TestApp,
    late: impl AsyncFnOnce(&TestApp) -> Answer,
    meanwhile: impl AsyncFnOnce() -> T,
) -> (Answer, T) {
    let (process, proxy) = app.neighbour_held_up().await;
    let mut held = proxy.hold(Direction::ToServer, b"from log.snapshots");
    let meanwhile = async {
        held.caught().await;
        let happened = meanwhile().await;
        held.release();
        happened
    };
    tokio::join!(late(&process), meanwhile)
}

#[tokio::test]
async fn what_another_process_made_of_the_same_request_does_not_stand_in_its_way() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let project = app.project(&org).await;
    let path = format!("/projects/{project}/creators");
    let ask = async |app: &TestApp, body: &Value| named(app, &org, &path, body, "k").await;
    let body = json!({"handle": "once"});
    let late = async |process: &TestApp| ask(process, &body).await;
    let (late, first) = overtaken(&app, late, async || ask(&app, &body).await).await;
    assert_eq!(late.id(201), first.id(201));
    assert_eq!(late.position(), first.position());
    assert!(is_replay(&late));

    app.delete(&org, &format!("/creators/{}", first.id(201)))
        .await
        .data(200);
    let ask = async |app: &TestApp, body: &Value| named(app, &org, &path, body, "l").await;
    let other = json!({"handle": "once", "tracking_mode": "selective"});
    let late = async |process: &TestApp| ask(process, &other).await;
    let (late, first) = overtaken(&app, late, async || ask(&app, &body).await).await;
    first.data(200);
    late.refused(422, "idempotency_mismatch");
}

#[tokio::test]
async fn lines_that_another_process_took_in_are_answered_though_their_project_is_gone() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let line = r#"{"kind":"video_stats","platform":"tiktok","platform_video_id":"7000000000000000003","observed_at":"2026-01-05T05:00:00Z","view_count":5}"#;
    let path = format!("/ingest/observations?project_id={}", world.project);
    let ask = async |app: &TestApp| {
        let ask = app
            .request(&Method::POST, &path)
            .with_key(&world.org.secret);
        let ask = ask.header(IDEMPOTENCY_KEY, "k");
        ask.body("application/x-ndjson", line).send().await
    };
    let (late, first) = overtaken(&app, ask, async || {
        let first = ask(&app).await;
        let project = format!("/projects/{}", world.project);
        app.delete(&world.org, &project).await.data(200);
        first
    })
    .await;
    assert_eq!(first.data(200)["accepted"], 1);
    assert_eq!(late.body, first.body);
    assert!(is_replay(&late));
}

#[tokio::test]
async fn a_key_that_ends_meanwhile_gets_no_answer_of_another_process_either() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (key_id, secret) = app.key(org.id, Scopes::DEFAULT).await;
    let body = json!({"name": "P"});
    let ask = async |app: &TestApp| {
        let ask = app.request(&Method::POST, "/projects").with_key(&secret);
        ask.header(IDEMPOTENCY_KEY, "k").json(&body).send().await
    };
    let (late, first) = overtaken(&app, ask, async || {
        let first = ask(&app).await;
        let key = format!("/api-keys/{key_id}");
        app.delete(&org, &key).await.data(200);
        first
    })
    .await;
    first.data(201);
    late.refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_request_whose_process_died_after_the_commit_is_answered_by_a_replay() {
    let app = TestApp::new().await;
    for route in command_routes() {
        let world = app.world().await;
        let good = good(route, &world);
        if good.method != Method::POST {
            continue;
        }
        let ask = || -> Ask<'_> {
            let ask = app
                .request(&good.method, &good.path)
                .with_key(secret_of(route, &world));
            let body = good.body.clone().unwrap();
            ask.header(IDEMPOTENCY_KEY, "once")
                .body(good.media_type, body)
        };
        // What the append itself keeps, before the answer takes its place.
        app.db_execute(
            "create function log.keep_first() returns trigger language plpgsql as
             'begin return null; end'",
        )
        .await;
        app.db_execute(
            "create trigger keep_first before update on log.idempotency
             for each row execute function log.keep_first()",
        )
        .await;
        let first = ask().send().await;
        app.db_execute("drop trigger keep_first on log.idempotency")
            .await;
        app.db_execute("drop function log.keep_first").await;
        assert_eq!(first.status, good.status, "{}", first.body);
        let after = app.head().await;
        let again = ask().send().await;
        assert_eq!(again.header("Idempotency-Replayed"), "true");
        assert_eq!(again.status, first.status);
        assert_eq!(again.position(), first.position());
        assert_eq!(app.head().await, after);
        let text = String::from_utf8(again.bytes).unwrap();
        assert!(!text.contains("\"key\":\"tga_"), "a secret is told once");
        let id = |answer: &Value| answer["data"]["id"].clone();
        assert_eq!(id(&again.body), id(&first.body));
        // Made anew once, it is kept.
        let third = ask().send().await;
        assert_eq!(third.body, again.body);
    }
}

#[tokio::test]
async fn a_revoked_key_gets_no_replay_and_a_denials_replay_waits_again() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (old, _) = app.key(org.id, Scopes::DEFAULT).await;
    let path = format!("/api-keys/{old}/rotate");
    let body = json!({"overlap_seconds": 0});
    let first = named(&app, &org, &path, &body, "k").await;
    let again = named(&app, &org, &path, &body, "k").await;
    let (first, again) = (first.data(201), again.data(201));
    assert_eq!(again["receipt"]["position"], first["receipt"]["position"]);
    assert_eq!(
        again["receipt"]["event_hash"],
        first["receipt"]["event_hash"]
    );
    let effective = |data: &Value| data["receipt"]["effective_at"].as_str().unwrap().to_owned();
    assert!(effective(again) > effective(first));

    let made = named(&app, &org, "/projects", &json!({"name": "P"}), "p").await;
    made.data(201);
    app.delete(&org, "/api-keys/self").await.data(200);
    let refused = named(&app, &org, "/projects", &json!({"name": "P"}), "p").await;
    refused.refused(401, "invalid_api_key");
}

#[tokio::test]
async fn lines_are_compared_as_bytes_and_their_project_counts() {
    let app = TestApp::new().await;
    let world = app.world().await;
    let line = r#"{"kind":"video_stats","platform":"tiktok","platform_video_id":"7000000000000000003","observed_at":"2026-01-05T05:00:00Z","view_count":5}"#;
    let send = async |query: &str, body: String| {
        let path = format!("/ingest/observations{query}");
        let ask = app
            .request(&Method::POST, &path)
            .with_key(&world.org.secret);
        let ask = ask.header(IDEMPOTENCY_KEY, "k");
        ask.body("application/x-ndjson", body).send().await
    };
    let first = send("", format!("{line}\n")).await;
    assert_eq!(first.data(200)["accepted"], 1);
    let again = send("", format!("{line}\n")).await;
    assert_eq!(again.body, first.body);
    let spaced = send("", format!("{line} \n")).await;
    spaced.refused(422, "idempotency_mismatch");
    let other = send(
        &format!("?project_id={}", world.project),
        format!("{line}\n"),
    )
    .await;
    other.refused(409, "idempotency_key_reused");
}
