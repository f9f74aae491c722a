//! Limits on requests, and what is said of them (v1-contract.md 4).

use domain::org::Command;
use domain::plan::{LimitKey, Plan};
use domain::scope::{Scope, Scopes};
use http::Method;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_keys_window_refuses_the_request_that_is_one_too_many() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (_, secret) = app.key_with(org.id, Scopes::DEFAULT, Some(3)).await;
    let call = async || {
        app.request(&Method::POST, "/nowhere")
            .with_key(&secret)
            .send()
            .await
    };
    for left in [2, 1, 0] {
        let answer = call().await;
        answer.refused(404, "not_found");
        assert!(
            answer
                .header("RateLimit")
                .contains(&format!("\"key-minute\";r={left};"))
        );
    }
    let before = app.head().await;
    let answer = call().await;
    let meta = answer.refused(429, "rate_limit_exceeded");
    assert_eq!(
        (&meta["policy"], &meta["limit"]),
        (&json!("key-minute"), &json!(3))
    );
    let wait = answer.header("Retry-After").parse::<u64>().unwrap();
    assert_eq!(meta["retryAfter"], wait);
    assert!((1..=60).contains(&wait));
    assert!(answer.header("RateLimit").contains("\"key-minute\";r=0;"));
    let policy = answer.header("RateLimit-Policy");
    assert!(
        policy.starts_with("\"key-minute\";q=3;w=60, \"org-day\";q="),
        "{policy}"
    );
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn an_orgs_day_refuses_all_its_keys() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let limit_key = LimitKey::MaxApiRequestsPerDay;
    let value = Some(2);
    app.operate(org.id, Command::SetLimit { limit_key, value })
        .await;
    let (_, other) = app.key(org.id, Scopes::DEFAULT).await;
    for secret in [&org.secret, &other] {
        let answer = app
            .request(&Method::POST, "/nowhere")
            .with_key(secret)
            .send()
            .await;
        answer.refused(404, "not_found");
    }
    let answer = app.post(&org, "/projects", json!({"name": "P"})).await;
    let meta = answer.refused(429, "rate_limit_exceeded");
    assert_eq!(
        (&meta["policy"], &meta["limit"]),
        (&json!("org-day"), &json!(2))
    );
}

#[tokio::test]
async fn a_free_plan_has_no_requests_at_all() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Free).await;
    let (_, secret) = app.key_with(org, Scopes::DEFAULT, None).await;
    let answer = app
        .request(&Method::POST, "/projects")
        .with_key(&secret)
        .send()
        .await;
    let meta = answer.refused(429, "rate_limit_exceeded");
    assert_eq!(
        (&meta["policy"], &meta["limit"]),
        (&json!("org-day"), &json!(0))
    );
    assert!(
        answer
            .header("RateLimit-Policy")
            .contains("\"org-day\";q=0;w=86400")
    );
}

#[tokio::test]
async fn a_request_that_is_refused_is_counted_and_a_stranger_is_not() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (_, secret) = app
        .key_with(org.id, Scopes::NONE.with(Scope::Audit), Some(100))
        .await;
    for left in [99, 98] {
        let ask = app.request(&Method::POST, "/projects").with_key(&secret);
        let answer = ask.json(&json!({})).send().await;
        answer.refused(403, "insufficient_scope");
        assert!(answer.header("RateLimit").contains(&format!("r={left};")));
    }
}
