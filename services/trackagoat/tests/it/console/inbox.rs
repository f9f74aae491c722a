//! The inbox when something goes wrong: the list stays, and says what was not done.

use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use serde_json::json;

use super::{Browser, Page};
use crate::dev::Dev;

const TITLES: [&str; 3] = ["Goat one", "Goat <two>", "Goat three"];

/// A project with these videos in its inbox, and their ids by title.
async fn inbox(dev: &Dev, browser: &mut Browser<'_>) -> (String, Vec<String>) {
    let key = dev.demo_key();
    let project = dev.new_project().await;
    let creator = json!({"handle": "inbox.herder", "tracking_mode": "selective", "tracking_start_date": null});
    let creators = format!("/projects/{project}/creators");
    let made = dev.call(Method::POST, &creators, key, Some(creator)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let mut lines = String::new();
    for (n, title) in TITLES.iter().enumerate() {
        let line = json!({
            "kind": "video", "platform": "tiktok", "platform_video_id": format!("700000000000000000{n}"),
            "observed_at": Clock::system().now() - chrono::TimeDelta::minutes(1),
            "creator_handle": "inbox.herder", "title": title,
        });
        lines += &line.to_string();
        lines.push('\n');
    }
    let url = format!("{}/ingest/observations?project_id={project}", dev.api());
    let request = crate::dev::client().post(url).bearer_auth(key);
    let request = request
        .header("content-type", "application/x-ndjson")
        .body(lines);
    let sent = crate::dev::answer(request).await;
    assert_eq!(sent.body["data"]["rejected"], 0, "{}", sent.body);
    browser.see(&sent);
    let place = format!("/projects/{project}/inbox");
    let shown = browser.get(&place).await;
    let ids = TITLES.map(|title| {
        let title = title.replace('<', "&#60;").replace('>', "&#62;");
        let (before, _) = shown
            .text
            .split_once(&format!("aria-label=\"{title}\""))
            .unwrap();
        let (_, id) = before.rsplit_once("name=\"video_ids\" value=\"").unwrap();
        id.split_once('"').unwrap().0.to_owned()
    });
    (place, ids.to_vec())
}

/// The page, if it still lists these videos, of which those are ticked.
fn assert_lists(page: &Page, ids: &[&String], ticked: &[&String]) {
    for id in ids {
        let row = format!("name=\"video_ids\" value=\"{id}\"");
        let (_, row) = page.text.split_once(&row).unwrap();
        let tag = row.split_once('>').unwrap().0;
        assert_eq!(tag.contains(" checked"), ticked.contains(id), "{tag}");
    }
}

async fn post_part(browser: &mut Browser<'_>, place: &str, fields: &[(&str, &str)]) -> Page {
    let form = browser.form(place, fields).header("hx-request", "true");
    browser.send(form).await
}

#[tokio::test]
async fn a_decision_that_fails_leaves_the_list_as_it_was() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let (place, ids) = inbox(&dev, &mut browser).await;
    let shown = browser.get(&place).await;
    let (token, once) = (shown.field("form_token"), shown.field("once"));
    let (first, second, third) = (&ids[0], &ids[1], &ids[2]);
    let all = [first, second, third];

    // Without scripts: the page again, with what was ticked.
    let unknown = [
        ("form_token", &*token),
        ("video_ids", first),
        ("video_ids", third),
        ("decision", "applaud"),
    ];
    let refused = browser.post(&place, &unknown).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert!(refused.text.contains("role=\"alert\""), "{}", refused.text);
    assert_lists(&refused, &all, &[first, third]);
    let none = [("form_token", &*token), ("decision", "include")];
    let refused = browser.post(&place, &none).await;
    assert!(refused.text.contains("no video is selected"));
    assert_lists(&refused, &all, &[]);

    // With scripts: the message alone, for its place above the list, which nothing replaces.
    let refused = post_part(&mut browser, &place, &unknown).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.headers["hx-retarget"], "#inbox-told");
    assert_eq!(refused.headers["hx-reswap"], "innerHTML");
    assert!(refused.text.contains("role=\"alert\""), "{}", refused.text);
    assert!(!refused.text.contains("video_ids"), "{}", refused.text);
    assert!(shown.text.contains("id=\"inbox-told\""), "{}", shown.text);

    // Of several, some: what was done and what not is said, one by one.
    let gone = dev
        .call(
            Method::DELETE,
            &format!("/videos/{second}"),
            dev.demo_key(),
            None,
        )
        .await;
    assert!(gone.status.is_success(), "{}", gone.body);
    browser.see(&gone);
    let titles = [format!("{first} Goat one"), format!("{second} Goat <two>")];
    let some = [
        ("form_token", &*token),
        ("once", &*once),
        ("title", &titles[0]),
        ("title", &titles[1]),
        ("video_ids", first),
        ("video_ids", second),
        ("decision", "include"),
    ];
    let told = post_part(&mut browser, &place, &some).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text);
    for said in [
        "1 video was approved. 1 video was removed meanwhile.",
        "<li>Goat &#60;two&#62;: removed meanwhile</li>",
    ] {
        assert!(told.text.contains(said), "{said}: {}", told.text);
    }
    assert_lists(&told, &[third], &[]);
    let included = format!("{place}?status=included");
    assert_eq!(browser.api(&included).await[0]["id"], **first);

    // Sent again, after a colleague decided otherwise, it changes nothing.
    let otherwise = json!({"decision": "exclude", "video_ids": [first]});
    let review = format!("{place}/review");
    let excluded = dev
        .call(Method::POST, &review, dev.demo_key(), Some(otherwise))
        .await;
    assert!(excluded.status.is_success(), "{}", excluded.body);
    browser.see(&excluded);
    let again = browser.post(&place, &some).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    let said = "not done again. What was said then: 1 video was approved.";
    assert!(again.text.contains(said), "{}", again.text);
    assert!(again.text.contains("removed meanwhile</li>"));
    browser.see(&excluded);
    assert_eq!(browser.api(&included).await, json!([]));
}
