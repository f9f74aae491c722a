//! The audit trail: filters in the address, sentences with names, and how it stood at a moment.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use serde_json::json;

use super::Browser;
use crate::dev::Dev;

const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\">&lt;'\"";
const SHOWN: &str =
    "&#60;img src=x onerror=&#34;document.title=&#39;owned&#39;&#34;&#62;&#38;lt;&#39;&#34;";

#[tokio::test]
async fn events_are_told_with_names_and_filters_stay_in_the_address() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let key = dev.demo_key();
    let made = dev
        .call(
            Method::POST,
            "/api-keys",
            key,
            Some(json!({"name": HOSTILE})),
        )
        .await;
    let id = made.body["data"]["id"].as_str().unwrap();
    let ended = dev
        .call(Method::DELETE, &format!("/api-keys/{id}"), key, None)
        .await;
    browser.see(&ended);

    let asked = format!("/audit?type=key.*&subject=keys%2F{id}&stream=decisions");
    let trail = browser.get(&asked).await;
    assert_eq!(trail.status, StatusCode::OK, "{}", trail.text);
    for said in [
        SHOWN,
        "<option value=\"key.*\" selected>",
        "<option value=\"decisions\" selected>",
        "2 events",
    ] {
        assert!(trail.text.contains(said), "{said}: {}", trail.text);
    }
    assert!(trail.text.contains(&format!("value=\"keys/{id}\"")));
    // Words alone, without where they lead.
    let told = trail.all_between("<td class=\"told\">", "<br>")[0];
    let words: String = told
        .split('<')
        .map(|piece| piece.rsplit('>').next().unwrap())
        .collect();
    assert_eq!(words, format!("The key Demo revoked the key {SHOWN}"));
    assert!(!trail.text.contains("<img src=x"));
    let event = trail.all_between("<a href=\"/audit/events/", "\"");
    let event = browser.get(&format!("/audit/events/{}", event[0])).await;
    assert_eq!(event.status, StatusCode::OK, "{}", event.text);
    assert!(event.text.contains(SHOWN) && !event.text.contains("<img src=x"));

    for (query, field) in [
        ("type=nothing.*", "type"),
        ("actor=nobody", "actor"),
        ("from=2026-02-30", "from"),
        ("to=someday", "to"),
        ("stream=rumours", "stream"),
    ] {
        let asked = browser.get(&format!("/audit?{query}")).await;
        assert_eq!(asked.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(asked.blames(field), "{query}: {}", asked.text);
    }
    let none = browser.get("/audit?type=project.removed").await;
    assert!(
        none.text.contains("No event is like that."),
        "{}",
        none.text
    );
}

#[tokio::test]
async fn how_it_stood_is_told_for_moments_that_were_and_refused_for_others() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let zone = browser.get("/audit/as-of").await;
    assert_eq!(zone.status, StatusCode::OK);
    let form = "%Y-%m-%dT%H:%M:%SZ";
    let later = (Clock::system().now() + TimeDelta::days(1)).format(form);
    for (query, status, field, said) in [
        (
            format!("at={later}"),
            StatusCode::BAD_REQUEST,
            "at",
            "That moment lies ahead",
        ),
        (
            "at=2006-01-01T00:00:00Z".to_owned(),
            StatusCode::NOT_FOUND,
            "at",
            "The organization was not there yet",
        ),
        (
            "position=0".to_owned(),
            StatusCode::NOT_FOUND,
            "position",
            "The organization was not there yet",
        ),
        ("at=yesterday".to_owned(), StatusCode::BAD_REQUEST, "at", ""),
        (
            "position=999999999".to_owned(),
            StatusCode::BAD_REQUEST,
            "position",
            "beyond the head of the log",
        ),
        (
            "at=2026-01-01T00:00:00Z&position=1".to_owned(),
            StatusCode::BAD_REQUEST,
            "position",
            "not both",
        ),
    ] {
        let asked = browser.get(&format!("/audit/as-of?{query}")).await;
        assert_eq!(asked.status, status, "{query}: {}", asked.text);
        assert!(asked.blames(field), "{query}: {}", asked.text);
        assert!(asked.text.contains(said), "{query}: {}", asked.text);
        assert!(asked.text.contains("State at a moment"), "{query}");
    }
}

#[tokio::test]
async fn a_key_stood_from_its_creation_to_its_end() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let key = dev.demo_key();
    let name = Some(json!({"name": "Brief"}));
    let made = dev.call(Method::POST, "/api-keys", key, name).await;
    let id = made.body["data"]["id"].as_str().unwrap();
    let path = format!("/api-keys/{id}");
    let ended = dev.call(Method::DELETE, &path, key, None).await;
    browser.see(&ended);
    // Newest first.
    let trail = browser.get(&format!("/audit?subject=keys%2F{id}")).await;
    let positions = trail.all_between("<a href=\"/audit/events/", "\"");
    let positions: Vec<u64> = positions.iter().map(|at| at.parse().unwrap()).collect();
    let (ended, made) = (positions[0], positions[1]);
    let row = format!("<a href=\"/settings/api-keys/{id}\">Brief</a>");
    for (position, stood) in [
        (made - 1, false),
        (made, true),
        (ended - 1, true),
        (ended, false),
    ] {
        let page = browser
            .get(&format!("/audit/as-of?position={position}"))
            .await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_eq!(page.text.contains(&row), stood, "{position}: {}", page.text);
        let head = page.text.contains("Last event up to then");
        assert!(head, "{position}: {}", page.text);
        let admin = page
            .text
            .contains("<tr><td class=\"by\">Demo admin</td><td>admin</td></tr>");
        assert!(admin, "{position}: {}", page.text);
    }
}
