//! Webhooks: made, changed, tried out; and what is told of their secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use runtime::clock::{Clock, ManualClock};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::eventually;
use uuid::Uuid;

use crate::support::{Answer, Org, Received, Receiver, Reply, TestApp};

pub const SOON: Duration = Duration::from_secs(40);

impl TestApp {
    /// A webhook of the org; gives its id and its secret.
    pub async fn webhook(&self, org: &Org, url: &str, types: &[&str]) -> (Uuid, String) {
        let made = self
            .post(org, "/webhooks", json!({"url": url, "types": types}))
            .await;
        let secret = made.data(201)["secret"].as_str().unwrap().to_owned();
        (made.id(201), secret)
    }
}

/// Whether one of the delivery's signatures is made with this secret.
pub fn is_signed(received: &Received, secret: &str) -> bool {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (
        received.header("webhook-id"),
        received.header("webhook-timestamp"),
    );
    mac.update(format!("{id}.{at}.{}", received.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let signatures = received.header("webhook-signature");
    signatures.split(' ').any(|signature| signature == expected)
}

/// Tries a webhook out while time passes.
async fn tried(app: &TestApp, hand: &ManualClock, org: &Org, webhook: Uuid) -> Answer {
    let path = format!("/webhooks/{webhook}/test");
    let body = json!({});
    let mut asking = Box::pin(app.post(org, &path, body));
    loop {
        tokio::select! {
            biased;
            answer = &mut asking => return answer,
            () = tokio::task::yield_now() => {}
        }
        let clock = Clock::system();
        clock.sleep(Duration::from_millis(10)).await;
        hand.advance(Duration::from_millis(100));
    }
}

#[tokio::test]
async fn a_secret_is_told_once_and_stands_nowhere_else() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let body = json!({"url": server.url("in"), "description": " To the pager ",
        "types": ["key.*", "video.discovered", "key.*"]});
    let named = |body: &Value| {
        let ask = app
            .request(&Method::POST, "/webhooks")
            .with_key(&org.secret);
        ask.header(http::HeaderName::from_static("idempotency-key"), "k")
            .json(body)
            .send()
    };
    let made = named(&body).await;
    let data = made.data(201).clone();
    assert_eq!(data["description"], "To the pager");
    assert_eq!(data["types"], json!(["key.*", "video.discovered"]));
    assert_eq!(
        (&data["enabled"], &data["disabled_reason"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        data["created_by"],
        json!({"type": "key", "id": org.key_id.to_string()})
    );
    assert_eq!(made.header("Cache-Control"), "private, no-store");
    let secret = data["secret"].as_str().unwrap().to_owned();
    let again = named(&body).await;
    assert_eq!(again.header("Idempotency-Replayed"), "true");
    assert_eq!(again.data(201)["secret"], Value::Null);
    assert_eq!(again.id(201), made.id(201));

    let path = format!("/webhooks/{}", made.id(201));
    let changed = app.patch(&org, &path, json!({"enabled": false})).await;
    assert_eq!(changed.data(200)["enabled"], false);
    let rotated = app
        .post(&org, &format!("{path}/rotate-secret"), json!({}))
        .await;
    let new_secret = rotated.data(200)["secret"].as_str().unwrap().to_owned();
    assert_ne!(new_secret, secret);
    for told in [&secret, &new_secret] {
        let encoded = told.strip_prefix("whsec_").unwrap();
        let bytes = STANDARD.decode(encoded).unwrap();
        let hex = runtime::files::hex(&bytes);
        for schema in ["log", "gate", "hooks"] {
            let dump = app.dump_of(schema).await;
            assert!(!dump.contains(encoded) && !dump.contains(&hex), "{schema}");
        }
        assert!(!changed.body.to_string().contains(encoded));
        assert!(
            app.dump_of("auth").await.contains(&hex),
            "the sender needs it"
        );
    }
    let removed = app.delete(&org, &path).await;
    assert_eq!(removed.data(200).get("secret"), None);
    app.delete(&org, &path).await.refused(404, "not_found");
    eventually(SOON, "secrets go with their webhook", async || {
        app.db_count("select count(*) from auth.webhook_secrets")
            .await
            == 0
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_no_event_names_is_forgotten() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    for _ in 0..20 {
        app.webhook(&org, &server.url("in"), &["goal.*"]).await;
    }
    let body = json!({"url": server.url("in")});
    let full = app.post(&org, "/webhooks", body).await;
    full.refused(409, "state_conflict");
    let nowhere = format!("/webhooks/{}/rotate-secret", Uuid::nil());
    let missing = app.post(&org, &nowhere, json!({})).await;
    missing.refused(404, "not_found");
    let kept = app.db_count("select count(*) from auth.webhook_secrets");
    assert_eq!(kept.await, 20);
}

#[tokio::test]
async fn where_nothing_may_be_sent_no_webhook_leads() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let (webhook, _) = app.webhook(&org, "https://hooks.example.com/in", &[]).await;
    for url in [
        "http://hooks.example.com/in",
        "https://hooks.example.com:8443/in",
        "https://user:pw@hooks.example.com/in",
        "https://10.0.0.1/in",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/in",
        "https://[::ffff:127.0.0.1]/in",
        "https://2130706433/in",
        "https://0x7f.1/in",
        "https://localhost/in",
        "https://bücher.example/in",
        "ftp://hooks.example.com/in",
    ] {
        let body = json!({"url": url});
        let refused = app.post(&org, "/webhooks", body.clone()).await;
        let meta = refused.refused(400, "invalid_body");
        assert_eq!(meta["issues"][0]["path"], "url", "{url}");
        let path = format!("/webhooks/{webhook}");
        let refused = app.patch(&org, &path, body).await;
        refused.refused(400, "invalid_body");
    }
    for types in [
        json!(["key"]),
        json!(["imagined.*"]),
        json!("key.*"),
        json!([1]),
    ] {
        let body = json!({"url": "https://hooks.example.com/in", "types": types});
        let refused = app.post(&org, "/webhooks", body).await;
        refused.refused(400, "invalid_body");
    }
}

#[tokio::test]
async fn an_org_tries_two_out_at_once_and_keeps_nobody_from_it() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let (org, other) = (app.org().await, app.org().await);
    let server = Receiver::new().await;
    let (webhook, _) = app.webhook(&org, &server.url("in"), &["goal.*"]).await;
    let (others, _) = app.webhook(&other, &server.url("other"), &["goal.*"]).await;
    server.answer(|received, _| match received.path.as_str() {
        "/in" => Reply::Hang,
        _ => Reply::Status(200, "ok"),
    });
    let path = format!("/webhooks/{webhook}/test");
    let ask = || app.post(&org, &path, json!({}));
    let under_way = async {
        eventually(SOON, "two are under way", async || {
            server.received().len() == 2
        })
        .await;
        let refused = Clock::system().timeout(SOON, ask()).await.unwrap();
        let meta = refused.refused(429, "rate_limit_exceeded");
        assert_eq!(
            (&meta["policy"], &meta["limit"], &meta["retryAfter"]),
            (&json!("org-tests"), &json!(2), &json!(15))
        );
        assert_eq!(refused.header("Retry-After"), "15");
        let path = format!("/webhooks/{others}/test");
        let taken = app.post(&other, &path, json!({})).await;
        assert_eq!(taken.data(200)["status"], "delivered");
        hand.advance(Duration::from_secs(15));
    };
    let (first, second, ()) = tokio::join!(ask(), ask(), under_way);
    for answer in [first, second] {
        assert_eq!(answer.data(200)["last_error"], "timeout");
    }
    server.answer_all(Reply::Status(200, "ok"));
    assert_eq!(ask().await.data(200)["status"], "delivered");
}

#[tokio::test]
async fn a_test_says_what_becomes_of_it_whoever_answers() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, secret) = app.webhook(&org, &server.url("in?a=b"), &["goal.*"]).await;
    let answer = tried(&app, &hand, &org, webhook).await;
    let data = answer.data(200);
    assert_eq!(
        (&data["status"], &data["test"], &data["position"]),
        (&json!("delivered"), &json!(true), &Value::Null)
    );
    assert_eq!(
        (&data["last_status"], &data["last_answer"]),
        (&json!(200), &json!("ok"))
    );
    let received = server.received().pop().unwrap();
    assert_eq!(received.path, "/in?a=b");
    assert_eq!(received.event_type(), "webhook.test");
    assert_eq!(received.header("webhook-id"), data["event_id"]);
    let message = &api::asyncapi::document()["components"]["messages"]["webhook.test.v1"];
    let (described, sent) = (&message["payload"]["properties"], received.event());
    let members = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(described), members(&sent));
    assert_eq!(described["type"]["const"], sent["type"]);
    let media_type = received.header("content-type");
    assert_eq!(media_type, "application/cloudevents+json; charset=utf-8");
    assert!(received.header("user-agent").starts_with("trackagoat/"));
    assert!(is_signed(&received, &secret));

    let elsewhere = Receiver::new().await;
    for (reply, status, error) in [
        (Reply::Status(500, "oh no"), json!(500), "status"),
        (Reply::Status(404, ""), json!(404), "status"),
        (Reply::Redirect(elsewhere.url("")), json!(302), "redirect"),
        (
            Reply::Redirect("http://169.254.169.254/latest".to_owned()),
            json!(302),
            "redirect",
        ),
        (Reply::Garbage, Value::Null, "protocol"),
        (Reply::Cut, Value::Null, "connection"),
        (Reply::Hang, Value::Null, "timeout"),
    ] {
        server.answer_all(reply.clone());
        let answer = tried(&app, &hand, &org, webhook).await;
        let data = answer.data(200);
        assert_eq!(data["status"], "failed", "{reply:?}");
        assert_eq!(
            (&data["last_error"], &data["last_status"]),
            (&json!(error), &status),
            "{reply:?}"
        );
    }
    assert!(elsewhere.received().is_empty(), "no redirect is followed");
    // What says yes and then goes on for ever has said yes.
    server.answer_all(Reply::Endless);
    let answer = tried(&app, &hand, &org, webhook).await;
    let data = answer.data(200);
    assert_eq!(data["status"], "delivered");
    assert_eq!(data["last_answer"].as_str().unwrap().len(), 1_000);
    // What says yes and then says nothing more has said yes as well; and no, if it said no.
    for (status, expected) in [(200, "delivered"), (500, "failed")] {
        server.answer_all(Reply::Unfinished(status));
        let answer = tried(&app, &hand, &org, webhook).await;
        let data = answer.data(200);
        assert_eq!(
            (&data["status"], &data["last_status"], &data["last_answer"]),
            (&json!(expected), &json!(status), &json!("begun"))
        );
    }
    // Where TLS should be spoken and is not, and where nobody is.
    for (url, error) in [
        (server.https_url(), "tls"),
        ("http://127.0.0.1:9/".to_owned(), "connection"),
    ] {
        server.answer_all(Reply::Garbage);
        let path = format!("/webhooks/{webhook}");
        app.patch(&org, &path, json!({"url": url})).await.data(200);
        let answer = tried(&app, &hand, &org, webhook).await;
        assert_eq!(answer.data(200)["last_error"], error, "{url}");
    }
    // The log knows of none.
    let events = app.events_after(domain::ids::GlobalPosition::ZERO).await;
    assert!(events.iter().all(|(_, name)| name != "webhook.test"));
}
