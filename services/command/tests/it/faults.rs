//! The database away, slow, or silent at the worst moment: no false success, nothing twice.

use std::task::{Context, Waker};
use std::time::Duration;

use api::header::IDEMPOTENCY_KEY;
use http::Method;
use serde_json::json;
use testkit::{Direction, Proxy, eventually};

use crate::support::{Answer, Org, TestApp};

const SOON: Duration = Duration::from_secs(30);

async fn named(app: &TestApp, org: &Org, key: &str) -> Answer {
    let ask = app
        .request(&Method::POST, "/projects")
        .with_key(&org.secret);
    ask.header(IDEMPOTENCY_KEY, key)
        .json(&json!({"name": "P"}))
        .send()
        .await
}

/// How often something of this type stands in the log.
async fn count(app: &TestApp) -> i64 {
    app.db_count("select count(*) from log.events where type = 'project.added'")
        .await
}

#[tokio::test]
async fn while_the_log_cannot_be_written_commands_are_refused_and_change_nothing() {
    let (app, proxy) = TestApp::behind(Proxy::to).await;
    let org = app.org().await;
    app.project(&org).await;
    proxy.cut();
    // What was on its way when the connection broke may have arrived, so much is unknown; what is
    // sent later is not.
    let answer = eventually(SOON, "commands are refused for certain", async || {
        let answer = app.post(&org, "/projects", json!({"name": "P"})).await;
        let code = answer.body["meta"]["code"].as_str().unwrap();
        assert!(
            ["not_committed", "outcome_unknown"].contains(&code),
            "{code}"
        );
        (code == "not_committed").then_some(answer)
    })
    .await;
    let wait: u64 = answer.header("Retry-After").parse().unwrap();
    assert!((1..=3).contains(&wait));
    let line = r#"{"kind":"video_stats","platform":"tiktok","platform_video_id":"1","observed_at":"2026-01-05T05:00:00Z","view_count":5}"#;
    app.ingest(&org, line).await.refused(503, "not_committed");
    assert_eq!(count(&app).await, 1);
    proxy.heal();
    eventually(SOON, "commands are taken again", async || {
        named(&app, &org, "again").await.status == 201
    })
    .await;
    assert_eq!(count(&app).await, 2);
}

#[tokio::test]
async fn a_lost_answer_to_commit_is_never_guessed() {
    let (app, proxy) = TestApp::behind(Proxy::to).await;
    let org = app.org().await;
    app.project(&org).await;
    for round in 0..4 {
        let before = count(&app).await;
        let key = format!("round {round}").replace(' ', "-");
        // The row of the key goes over the wire just before its commit.
        let cut = proxy.cut_after(Direction::ToServer, key.as_bytes());
        let first = named(&app, &org, &key).await;
        cut.await;
        proxy.heal();
        let answer = eventually(SOON, "the retry is answered", async || {
            let answer = named(&app, &org, &key).await;
            (answer.status == 201).then_some(answer)
        })
        .await;
        assert_eq!(count(&app).await, before + 1, "{}", first.body);
        if first.status == 201 {
            assert_eq!(first.id(201), answer.id(201));
        } else {
            let code = first.body["meta"]["code"].as_str().unwrap();
            assert!(
                ["not_committed", "outcome_unknown"].contains(&code),
                "{code}"
            );
        }
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_nothing_half_done() {
    let app = TestApp::new().await;
    let org = app.org().await;
    for round in 0..10 {
        let (id, _) = app.key(org.id, domain::scope::Scopes::DEFAULT).await;
        let path = format!("/api-keys/{id}");
        let ask = app
            .request(&Method::DELETE, &path)
            .with_key(&org.secret)
            .send();
        let mut ask = Box::pin(ask);
        // Polled a few times, then dropped.
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..round {
            if ask.as_mut().poll(&mut context).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(ask);
        let settled = app.delete(&org, &path).await;
        settled.data(200);
    }
    let revoked = "select count(*) from log.events where type = 'key.revoked'";
    assert_eq!(app.db_count(revoked).await, 10);
}

#[tokio::test]
async fn a_new_key_is_told_even_if_nothing_can_be_said_of_its_use() {
    let app = TestApp::new().await;
    let org = app.org().await;
    app.project(&org).await;
    app.db_execute("alter table gate.usage rename to usage_elsewhere")
        .await;
    let made = app.post(&org, "/api-keys", json!({"name": "K"})).await;
    let id = made.id(201);
    assert!(made.body["data"]["key"].is_string());
    let path = format!("/api-keys/{id}");
    let changed = app.patch(&org, &path, json!({"name": "L"})).await;
    assert_eq!(changed.data(200)["requests_today"], 0);
}
