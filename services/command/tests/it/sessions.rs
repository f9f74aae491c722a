//! Sessions: opened in other orgs, ended, and dead wherever they are tried.

use std::time::Duration;

use domain::event::Role;
use domain::org::{Command, SessionCommand};
use domain::plan::Plan;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::eventually;

use crate::support::TestApp;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_session_is_ended_by_its_person_or_an_admin_and_says_so_again() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let member = app.person(org, Role::Member).await;
    let path = format!("/sessions/{}", admin.session_id);
    let refused = app.ask(&member, Method::DELETE, &path, None).await;
    assert_eq!(refused.refused(403, "forbidden")["required"], "org_admin");
    let path = format!("/sessions/{}", member.session_id);
    let first = app.ask(&admin, Method::DELETE, &path, None).await;
    let first = first.data(200).clone();
    assert_eq!(first["id"], member.session_id.to_string());
    assert!(first["barrier"].is_object());
    let again = app.ask(&admin, Method::DELETE, &path, None).await;
    let again = again.data(200);
    assert_eq!(again["position"], first["position"]);
    assert!(again["effective_at"].as_str() > first["effective_at"].as_str());
    let project = || Some(json!({"name": "P"}));
    let dead = app.ask(&member, Method::POST, "/projects", project()).await;
    dead.refused(401, "invalid_api_key");
    let out = app
        .ask(&admin, Method::DELETE, "/sessions/self", None)
        .await;
    assert_eq!(out.data(200)["id"], admin.session_id.to_string());
    let dead = app
        .ask(&admin, Method::DELETE, "/sessions/self", None)
        .await;
    dead.refused(401, "invalid_api_key");
    let nobody = "/sessions/0192f0c1-2b7e-7c00-8000-00000000abcd";
    let back = app.sign_in(&admin.email).await;
    let secret = back.data(201)["token"].as_str().unwrap();
    let missing = app.call(&Method::DELETE, nobody, secret, None).await;
    missing.refused(404, "not_found");
}

#[tokio::test]
async fn a_session_in_another_org_is_for_members_of_it_and_told_once() {
    let app = TestApp::new().await;
    let (home, other) = (
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    );
    let person = app.person(home, Role::Admin).await;
    let join = Command::JoinMember {
        user_id: person.id,
        role: Role::Member,
    };
    app.operate(other, join).await;
    let open = async |org_id: Value, name: &str| {
        let ask = app
            .request(&Method::POST, "/sessions")
            .with_key(&person.secret);
        let ask = ask.header(api::header::IDEMPOTENCY_KEY, name);
        ask.json(&json!({"org_id": org_id})).send().await
    };
    let first = open(json!(other.to_string()), "a").await;
    let opened = first.data(201);
    assert_eq!(
        (&opened["role"], &opened["current"]),
        (&json!("member"), &json!(false))
    );
    assert_eq!(
        (&opened["ip"], &opened["last_used_at"]),
        (&json!("127.0.0.1"), &Value::Null)
    );
    assert!(opened["token"].as_str().unwrap().starts_with("tgs_"));
    let replay = open(json!(other.to_string()), "a").await;
    assert_eq!(replay.data(201)["token"], Value::Null);
    assert_eq!(replay.data(201)["id"], opened["id"]);
    // The name of a request is the caller's in their own org, wherever what it asks for is done.
    open(json!(home.to_string()), "a")
        .await
        .refused(422, "idempotency_mismatch");
    let foreign = app.bare_org(Plan::Ultra).await;
    for org in [
        json!(foreign.to_string()),
        json!("0192f0c1-2b7e-7c00-8000-00000000abcd"),
    ] {
        open(org, "b").await.refused(404, "not_found");
    }
    for body in [json!({}), json!({"org_id": "x"}), json!({"org_id": null})] {
        let answer = app
            .ask(&person, Method::POST, "/sessions", Some(body))
            .await;
        assert_eq!(
            answer.refused(400, "invalid_body")["issues"][0]["path"],
            "org_id"
        );
    }
}

/// Let in while the session lived, and decided after its end: the append itself looks again.
#[tokio::test]
async fn what_was_let_in_before_a_session_ended_opens_nothing_elsewhere() {
    let app = TestApp::new().await;
    let (home, other) = (
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    );
    let person = app.person(home, Role::Member).await;
    let join = Command::JoinMember {
        user_id: person.id,
        role: Role::Member,
    };
    app.operate(other, join).await;
    // Past the gate a session's row comes first, and its event second.
    let mut held = app.pool().begin().await.unwrap();
    sqlx::raw_sql("lock table auth.sessions in access exclusive mode")
        .execute(&mut *held)
        .await
        .unwrap();
    let body = json!({"org_id": other.to_string()});
    let ask = app.ask(&person, Method::POST, "/sessions", Some(body));
    let ended = async {
        let waiting = "select count(*) from pg_locks
            where relation = 'auth.sessions'::regclass and not granted";
        eventually(SOON, "its row is about to be written", async || {
            app.db_count(waiting).await == 1
        })
        .await;
        let end = SessionCommand::End {
            session_id: person.session_id,
        };
        app.operate(home, Command::Session(end)).await;
        held.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask, ended);
    answer.refused(401, "invalid_api_key");
    let live = "select count(*) from gate.credentials where kind = 2 and status < 3";
    assert_eq!(app.db_count(live).await, 0);
    let rows = app.db_count("select count(*) from auth.sessions").await;
    assert_eq!(rows, 1, "of what is refused nothing is kept");
}

/// A session whose end has returned opens nothing elsewhere either.
#[tokio::test]
async fn nothing_is_opened_elsewhere_by_a_session_that_has_ended() {
    let app = TestApp::new().await;
    let neighbour = app.neighbour();
    let (home, other) = (
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    );
    let admin = app.person(home, Role::Admin).await;
    for _ in 0..5 {
        let person = app.person(home, Role::Member).await;
        let join = Command::JoinMember {
            user_id: person.id,
            role: Role::Member,
        };
        app.operate(other, join).await;
        let opening = join_all((0..6).map(|n: usize| {
            let through = if n.is_multiple_of(2) {
                &app
            } else {
                &neighbour
            };
            let (person, body) = (&person, json!({"org_id": other.to_string()}));
            async move {
                let answer = through
                    .ask(person, Method::POST, "/sessions", Some(body))
                    .await;
                (answer.status == 201).then(|| answer.position())
            }
        }));
        let path = format!("/sessions/{}", person.session_id);
        let ending = async {
            let ended = app.ask(&admin, Method::DELETE, &path, None).await;
            ended.data(200)["position"].as_u64().unwrap()
        };
        let (opened, ended) = tokio::join!(opening, ending);
        for position in opened.into_iter().flatten() {
            assert!(position < ended, "opened at {position}, ended at {ended}");
        }
    }
}

#[tokio::test]
async fn the_twenty_first_session_ends_the_oldest_however_many_come_at_once() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let person = app.person(org, Role::Member).await;
    let mut secrets = vec![person.secret.clone()];
    for _ in 1..20 {
        secrets.push(app.session(org, person.id).await.1);
    }
    let extra = join_all((0..3).map(|_| app.session(org, person.id))).await;
    let project = json!({"name": "P"});
    for (n, secret) in secrets.iter().enumerate() {
        let answer = app
            .call(&Method::POST, "/projects", secret, Some(&project))
            .await;
        let is_dead = answer.status == 401;
        assert_eq!(is_dead, n < 3, "session {n}: {}", answer.body);
    }
    for (_, secret) in extra {
        // Ten projects is what the org may have: more is another refusal, not this one's.
        let answer = app
            .call(&Method::POST, "/projects", &secret, Some(&project))
            .await;
        assert_ne!(answer.status, 401);
    }
}

#[tokio::test]
async fn a_session_has_600_requests_a_minute_and_takes_none_of_the_orgs_day() {
    let (app, _) = TestApp::without_time(&[]).await;
    // On free a key may make no request.
    let org = app.bare_org(Plan::Free).await;
    let person = app.person(org, Role::Member).await;
    let nowhere = async || app.ask(&person, Method::POST, "/nowhere", None).await;
    let first = nowhere().await;
    first.refused(404, "not_found");
    assert_eq!(
        first.header("RateLimit-Policy"),
        r#""session-minute";q=600;w=60"#
    );
    assert!(
        first
            .header("RateLimit")
            .starts_with(r#""session-minute";r=599;"#)
    );
    assert!(!first.headers.contains_key("Tga-Key-Expires-At"));
    for _ in 1..600 {
        nowhere().await.refused(404, "not_found");
    }
    let limited = nowhere().await;
    let meta = limited.refused(429, "rate_limit_exceeded");
    assert_eq!(
        (&meta["policy"], &meta["limit"]),
        (&json!("session-minute"), &json!(600))
    );
    // Another session of the person has its own.
    let (_, other) = app.session(org, person.id).await;
    let fresh = app.call(&Method::POST, "/nowhere", &other, None).await;
    fresh.refused(404, "not_found");
}
