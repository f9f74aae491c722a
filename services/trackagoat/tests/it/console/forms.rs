//! What becomes of what people enter: it counts, or they are told why not and still have it.

use chrono::TimeDelta;
use reqwest::header::REFERER;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use serde_json::{Value, json};
use testkit::eventually;

use super::{Browser, Page, SOON};
use crate::dev::Dev;

/// The fields that a form holds without anybody's doing, as a browser sends them.
fn carried(page: &Page) -> Vec<(String, String)> {
    let (_, form) = page.text.split_once("<main").unwrap();
    let hidden = form.split("type=\"hidden\" name=\"").skip(1);
    let hidden = hidden.map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        let (value, _) = rest.split_once('"').unwrap();
        (name.to_owned(), value.to_owned())
    });
    hidden.collect()
}

fn with<'a>(
    carried: &'a [(String, String)],
    entered: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let carried = carried.iter();
    let carried = carried.map(|(name, value)| (name.as_str(), value.as_str()));
    carried.chain(entered.iter().copied()).collect()
}

async fn signed_in(dev: &Dev) -> Browser<'_> {
    let mut browser = Browser::new(dev);
    browser.sign_in().await;
    browser
}

async fn key_named(browser: &Browser<'_>, name: &str) -> Option<Value> {
    let keys = browser.api("/api-keys").await;
    let keys = keys.as_array().unwrap().clone();
    keys.into_iter().find(|key| key["name"] == name)
}

#[tokio::test]
async fn a_day_that_was_entered_counts_or_is_refused() {
    let dev = Dev::start(&[]).await;
    let mut browser = signed_in(&dev).await;
    let day = Clock::system().now() + TimeDelta::days(40);
    let day = day.date_naive().to_string();
    let entered = |name, expiry| {
        [
            ("name", name),
            ("scopes", "read"),
            ("expiry", expiry),
            ("expiry_date", &*day),
        ]
    };

    let fields = carried(&browser.get("/settings/api-keys/new").await);
    let unclear = with(&fields, &entered("Unclear", "never"));
    let refused = browser.post("/settings/api-keys", &unclear).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    for shown in [
        "You entered a day",
        "href=\"#expires_at\"",
        "value=\"Unclear\"",
        &format!("value=\"{day}\""),
    ] {
        assert!(refused.text.contains(shown), "{shown}: {}", refused.text);
    }
    assert_eq!(key_named(&browser, "Unclear").await, None);

    // The button beside the day was not pressed.
    let clear = with(&fields, &entered("Clear", "90"));
    let made = browser.post("/settings/api-keys", &clear).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let key = key_named(&browser, "Clear").await.unwrap();
    let end = key["expires_at"].as_str().unwrap();
    assert!(end.starts_with(&format!("{day}T23:59:59")), "{end}");
}

#[tokio::test]
async fn of_two_who_change_a_key_neither_undoes_the_other_unseen() {
    let dev = Dev::start(&[]).await;
    let mut browser = signed_in(&dev).await;
    let session = browser.credential().to_owned();
    let body = json!({"name": "Shared", "scopes": ["read", "write"]});
    let made = dev
        .call(Method::POST, "/api-keys", &session, Some(body))
        .await;
    browser.see(&made);
    let id = made.body["data"]["id"].as_str().unwrap().to_owned();
    let at = format!("/api-keys/{id}");
    let place = format!("/settings/api-keys/{id}/change");
    let entered = [
        ("name", "Mine"),
        ("scopes", "read"),
        ("scopes", "write"),
        ("expiry", "keep"),
        ("rate_limit_per_minute", ""),
    ];

    // While the form is open another admin narrows the key.
    let fields = carried(&browser.get(&place).await);
    let narrowed = json!({"scopes": ["read"], "ip_allowlist": ["192.0.2.0/24"]});
    let narrowed = dev.call(Method::PATCH, &at, &session, Some(narrowed)).await;
    assert_eq!(narrowed.status, StatusCode::OK);
    browser.see(&narrowed);
    let saved = browser.post(&place, &with(&fields, &entered)).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let key = browser.api(&at).await;
    assert_eq!(key["name"], "Mine");
    assert_eq!(key["scopes"], json!(["read"]));
    assert_eq!(key["ip_allowlist"], json!(["192.0.2.0/24"]));

    // Both change the same.
    let fields = carried(&browser.get(&place).await);
    let theirs = json!({"name": "Theirs"});
    let theirs = dev.call(Method::PATCH, &at, &session, Some(theirs)).await;
    assert_eq!(theirs.status, StatusCode::OK);
    browser.see(&theirs);
    let entered = [
        ("name", "Again mine"),
        ("scopes", "read"),
        ("ip_allowlist", "192.0.2.0/24"),
    ];
    let refused = browser.post(&place, &with(&fields, &entered)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    for shown in ["“Theirs”", "value=\"Again mine\"", "aria-invalid=\"true\""] {
        assert!(refused.text.contains(shown), "{shown}: {}", refused.text);
    }
    assert_eq!(browser.api(&at).await["name"], "Theirs");
    // Whoever saves again has seen what they overwrite.
    let fields = carried(&refused);
    let saved = browser.post(&place, &with(&fields, &entered)).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(browser.api(&at).await["name"], "Again mine");
}

#[tokio::test]
async fn what_is_sent_after_the_session_is_told_to_be_not_done() {
    let dev = Dev::start(&[]).await;
    let mut browser = signed_in(&dev).await;
    let general = browser.get("/settings/general").await;
    let fields = carried(&general);
    let session = browser.credential().to_owned();
    let ended = dev.call(Method::DELETE, "/sessions/self", &session, None);
    assert_eq!(ended.await.status, StatusCode::OK);

    let entered = with(&fields, &[("name", "In vain"), ("timezone", "UTC")]);
    let place = format!("{}/settings/general", browser.origin());
    let sent = browser.form("/settings/general", &entered);
    let sent = browser.send(sent.header(REFERER, place)).await;
    let login = "/login?next=%2Fsettings%2Fgeneral&unsent=1";
    assert_eq!(
        (sent.status, sent.location()),
        (StatusCode::SEE_OTHER, login)
    );
    let asked = browser.get(login).await;
    assert!(asked.text.contains("was not done"), "{}", asked.text);

    let (email, password) = (browser.demo("admin_email"), browser.demo("admin_password"));
    let fields = carried(&asked);
    let fields = with(&fields, &[("email", &email), ("password", &password)]);
    let entered = browser.post("/login", &fields).await;
    assert_eq!(entered.location(), "/settings/general", "{}", entered.text);
    let back = browser.get("/settings/general").await;
    assert!(back.text.contains("was not done"), "{}", back.text);
    assert!(!back.text.contains("In vain"));
    let later = browser.get("/settings/general").await;
    assert!(!later.text.contains("was not done"), "it is told once");
}

#[tokio::test]
async fn a_refused_form_still_holds_what_was_entered() {
    let dev = Dev::start(&[]).await;
    let mut browser = signed_in(&dev).await;
    let general = browser.get("/settings/general").await;
    let fields = carried(&general);
    let long = "x".repeat(101);
    let entered = with(&fields, &[("name", &long), ("timezone", "Europe/Vienna")]);
    let refused = browser.post("/settings/general", &entered).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    for shown in [
        &format!("value=\"{long}\""),
        "<option selected>Europe/Vienna",
        "id=\"name\" aria-invalid=\"true\" aria-describedby=\"name-error\"",
        "id=\"name-error\"",
        "href=\"#name\"",
        "autofocus",
    ] {
        assert!(refused.text.contains(shown), "{shown}: {}", refused.text);
    }

    // No two answers hold the same token, and each holds one that is taken.
    let other = browser.get("/settings/general").await;
    assert_ne!(general.field("form_token"), other.field("form_token"));
    for page in [&general, &other] {
        let fields = carried(page);
        let entered = with(&fields, &[("name", "Goats"), ("timezone", "UTC")]);
        let saved = browser.post("/settings/general", &entered).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    }
    let org = browser.api("/orgs/self").await;
    assert_eq!(org["name"], "Goats");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_at_once_makes_one_key() {
    let dev = Dev::start(&[]).await;
    let mut browser = signed_in(&dev).await;
    let fields = carried(&browser.get("/settings/api-keys/new").await);
    let entered = with(
        &fields,
        &[("name", "Twice"), ("scopes", "read"), ("expiry", "30")],
    );
    let send = async || {
        let sent = browser.form("/settings/api-keys", &entered).send().await;
        let sent = sent.unwrap();
        (sent.status(), sent.text().await.unwrap())
    };
    let (one, other) = tokio::join!(send(), send());
    let made = [&one, &other];
    let made = made
        .iter()
        .filter(|(status, _)| *status == StatusCode::CREATED);
    assert_eq!(made.count(), 1, "{} {}", one.0, other.0);
    for (status, text) in [&one, &other] {
        assert!(!text.contains("Idempotency-Key"), "{text}");
        if *status == StatusCode::CONFLICT {
            assert!(text.contains("sent twice") && text.contains("href=\"/settings/api-keys\""));
        }
    }
    eventually(SOON, "the key is shown, once", async || {
        let keys = dev.get("/api-keys").await.body["data"].clone();
        let keys = keys.as_array().unwrap().iter();
        let count = keys.filter(|key| key["name"] == "Twice").count();
        assert!(count < 2, "two keys were made");
        (count == 1).then_some(())
    })
    .await;
}
