//! What a refusal gives away: nothing but that there was one. And where a key counts: in its header.

use std::time::Duration;

use chrono::TimeDelta;
use domain::event::{Actor, KeyCreated};
use domain::scope::Scopes;
use domain::text::Name;
use event_log::AppendRequest;
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::json;

use crate::support::{Answer, Org, TestApp};

const REFUSED: &str =
    r#"{"data":null,"error":"Invalid or missing API key","meta":{"code":"invalid_api_key"}}"#;
/// Every header of a refusal; the request's id is the caller's own.
const HEADERS: &str = "cache-control: private, no-store
content-type: application/json
www-authenticate: Bearer realm=\"trackagoat\", error=\"invalid_token\"
x-request-id: one";
const SOON: TimeDelta = TimeDelta::milliseconds(200);
const PATIENCE: Duration = Duration::from_secs(20);

/// A key that has ended by itself: sooner than one may be made to.
async fn expired(app: &TestApp, org: &Org) -> String {
    let commander = app.service.commander();
    let minted = commander.mint();
    let created = KeyCreated {
        key_id: minted.key_id,
        name: Name::parse("Short").unwrap(),
        prefix: minted.secret.prefix(),
        scopes: Scopes::DEFAULT,
        owner_id: None,
        expires_at: Some(commander.now().plus(SOON)),
        ip_allowlist: None,
        rate_limit_per_minute: 60,
        strict: false,
        replaces: None,
        hash: Some(minted.secret.hash()),
    };
    let request = AppendRequest {
        org_id: org.id,
        expected: None,
        events: vec![created.into()],
        actor: Actor::System,
        correlation_id: "test".to_owned(),
        idempotency: None,
        guard: None,
    };
    app.service.log().append(request).await.unwrap();
    let secret = minted.secret.reveal().to_owned();
    testkit::eventually(PATIENCE, "the key has ended", async || {
        let asked = app.request(&Method::GET, "/projects").with_key(&secret);
        asked.send().await.status == 401
    })
    .await;
    secret
}

/// A key whose revocation has returned.
async fn revoked(app: &TestApp, org: &Org) -> String {
    let (key_id, secret) = app.key(org.id, Scopes::DEFAULT).await;
    app.delete(org, &format!("/api-keys/{key_id}"))
        .await
        .data(200);
    secret
}

#[tokio::test]
async fn every_bad_key_is_answered_with_the_same_bytes() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let unknown = app.service.commander().mint().secret.reveal().to_owned();
    let (kept, last) = unknown.split_at(unknown.len() - 1);
    let miswritten = format!("{kept}{}", if last == "0" { '1' } else { '0' });
    let (revoked, expired) = (revoked(&app, &org).await, expired(&app, &org).await);
    let keys = [
        ("malformed", "tga_nonsense".to_owned()),
        ("empty", String::new()),
        ("of another kind", unknown.replace("tga_", "tgs_")),
        ("with a wrong checksum", miswritten),
        ("unknown", unknown),
        ("revoked", revoked),
        ("expired", expired),
    ];
    for (method, path) in [
        (Method::POST, "/projects"),
        (Method::DELETE, "/api-keys/self"),
        (Method::POST, "/nowhere"),
        (Method::GET, "/projects"),
    ] {
        for (kind, key) in &keys {
            for _ in 0..2 {
                let ask = app.request(&method, path).with_key(key);
                let ask = ask.header(api::header::X_REQUEST_ID, "one");
                let answer = ask.json(&json!({"name": "Launch"})).send().await;
                assert_eq!(headers(&answer), HEADERS, "{kind}");
                assert_eq!(answer.bytes, REFUSED.as_bytes(), "{kind}");
            }
        }
    }
}

fn headers(answer: &Answer) -> String {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    headers.join("\n")
}

#[tokio::test]
async fn a_key_counts_in_its_header_alone() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let key = org.secret.as_str();
    let before = app.head().await;
    let nothing_presented = |answer: &Answer| {
        assert_eq!(answer.status, 401, "{}", answer.body);
        assert_eq!(answer.bytes, REFUSED.as_bytes());
        let challenge = answer.header("WWW-Authenticate");
        assert_eq!(challenge, "Bearer realm=\"trackagoat\"");
    };
    for name in ["api_key", "key", "access_token", "authorization"] {
        let path = format!("/projects?{name}={key}");
        let good = json!({"name": "Launch"});
        let with_it = json!({"name": "Launch", name: key});
        let asked = app.request(&Method::POST, &path).json(&good).send().await;
        nothing_presented(&asked);
        let asked = app.request(&Method::POST, "/projects");
        nothing_presented(&asked.json(&with_it).send().await);
        // Beside the header neither is known, nor repeated.
        let in_query = app.call(&Method::POST, &path, key, Some(&good)).await;
        in_query.refused(400, "invalid_query");
        let in_body = app
            .call(&Method::POST, "/projects", key, Some(&with_it))
            .await;
        in_body.refused(400, "invalid_body");
        for answer in [in_query, in_body] {
            assert!(!String::from_utf8_lossy(&answer.bytes).contains(key));
        }
    }
    for (name, value) in [
        ("cookie", format!("key={key}; __Host-session={key}")),
        ("x-api-key", key.to_owned()),
        ("proxy-authorization", format!("Bearer {key}")),
        ("authorization", key.to_owned()),
        ("authorization", format!("Basic {key}")),
    ] {
        let name: http::HeaderName = name.parse().unwrap();
        let asked = app.request(&Method::POST, "/projects").header(name, &value);
        nothing_presented(&asked.json(&json!({"name": "Launch"})).send().await);
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn two_authorizations_are_one_too_many_even_if_both_are_good() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let before = app.head().await;
    let good = format!("Bearer {}", org.secret);
    for other in [good.as_str(), "Basic x", ""] {
        for two in [[good.as_str(), other], [other, good.as_str()]] {
            let mut asked = app.request(&Method::POST, "/projects");
            for value in two {
                asked = asked.header(AUTHORIZATION, value);
            }
            let answer = asked.json(&json!({"name": "Launch"})).send().await;
            answer.refused(400, "invalid_params");
            assert!(!String::from_utf8_lossy(&answer.bytes).contains(&org.secret));
        }
    }
    assert_eq!(app.head().await, before);
}
