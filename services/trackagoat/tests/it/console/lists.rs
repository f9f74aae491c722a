//! Lists of every kind: pages, searches and what stands where there is nothing.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Browser;
use crate::dev::Dev;

const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\">&lt;'\"";

#[tokio::test]
async fn every_list_has_pages_a_search_and_a_word_for_nothing() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let project = format!("/projects/{}", dev.project());
    for (list, noun) in [("creators", "creator"), ("videos", "video")] {
        let place = format!("{project}/{list}");
        let first = browser.get(&place).await;
        assert!(
            first.text.contains(&format!("first 50 {noun}s")),
            "{}",
            first.text
        );
        let next = first.all_between("rel=\"next\"", "<");
        assert_eq!(next, [">Next page"]);
        let (before, _) = first.text.split_once("\" rel=\"next\"").unwrap();
        let next = before
            .rsplit_once("href=\"")
            .unwrap()
            .1
            .replace("&#38;", "&");
        let second = browser.get(&next).await;
        assert_eq!(second.status, StatusCode::OK);
        assert!(second.text.contains("First page"), "{}", second.text);
        let none = browser
            .get(&format!("{place}?search=nothing+is+called+so"))
            .await;
        let said = format!("No {noun} is like that.");
        assert!(none.text.contains(&said), "{}", none.text);
        assert!(
            none.text
                .contains(&format!("<a class=\"clear\" href=\"{place}\">Show all</a>"))
        );
    }
    // Filters stay where a page is turned.
    let filtered = browser
        .get(&format!(
            "{project}/videos?platform=youtube&tracking_status=auto_tracked"
        ))
        .await;
    let (before, _) = filtered.text.split_once("\" rel=\"next\"").unwrap();
    let next = before.rsplit_once("href=\"").unwrap().1;
    assert!(next.contains("platform=youtube"), "{next}");
    assert!(next.contains("tracking_status=auto_tracked"), "{next}");

    // An org's first project, under a name that would do harm: nothing in it, and each page says what belongs there.
    let key = dev.demo_key();
    let body = json!({"name": HOSTILE, "readme": HOSTILE});
    let made = dev.call(Method::POST, "/projects", key, Some(body)).await;
    browser.see(&made);
    let id = made.body["data"]["id"].as_str().unwrap();
    for (list, said) in [
        ("", "No creators yet."),
        ("/creators", "No creators yet"),
        ("/videos", "No videos yet"),
        ("/campaigns", "No campaigns yet"),
        ("/inbox", "Nothing waits for you"),
        ("/inbox?status=excluded", "None yet"),
    ] {
        let page = browser.get(&format!("/projects/{id}{list}")).await;
        assert_eq!(page.status, StatusCode::OK, "{list}");
        assert!(page.text.contains(said), "{list}: {}", page.text);
        assert!(!page.text.contains("<img src=x"), "{list}");
        assert!(page.text.contains("&#60;img src=x"), "{list}");
    }
}
