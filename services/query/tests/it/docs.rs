//! The reference under `/docs/`, as a browser loads it.

use std::collections::BTreeSet;

use http::{Method, StatusCode};

use crate::support::{Replica, Reply, World};

const PAGE: &str = "/docs/";
const DOCUMENT: &str = "/api/v1/openapi.json";

#[tokio::test]
async fn a_stranger_gets_the_page_and_every_file_that_it_names() {
    let world = World::start().await;
    let page = read(&world.replica, PAGE).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = text(&page);
    let named: BTreeSet<_> = addresses(&html).collect();
    assert!(named.contains(DOCUMENT), "{named:?}");
    let files: Vec<_> = named.iter().filter(|name| **name != DOCUMENT).collect();
    for name in &files {
        let file = read(&world.replica, &format!("{PAGE}{name}")).await;
        let media_type = file.header("content-type").to_owned();
        let expected = match name.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/png",
        };
        assert_eq!(media_type, expected, "{name}");
    }
    assert_eq!(files.len(), 4, "{files:?}");
    let start = read(&world.replica, "/docs/start.js").await;
    assert!(text(&start).contains(&format!("url: \"{DOCUMENT}\"")));
    let document = world.replica.ask(Method::GET, DOCUMENT, &[]).await;
    assert_eq!(document.json()["openapi"], "3.1.0");
}

/// What is ours names no other host; what is not ours can reach none.
#[tokio::test]
async fn nothing_comes_from_another_host() {
    let world = World::start().await;
    for path in [PAGE, "/docs/start.js"] {
        let reply = read(&world.replica, path).await;
        let text = text(&reply);
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!line.contains("//"), "{path}: {line}");
        }
    }
    let page = read(&world.replica, PAGE).await;
    let html = text(&page);
    for inline in ["<style", "style=", "<script>", " on"] {
        let is_there = html.lines().any(|line| line.contains(inline));
        assert!(!is_there, "{inline}");
    }
    let policy = page.header("content-security-policy");
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let start = read(&world.replica, "/docs/start.js").await;
    assert!(text(&start).contains("persistAuthorization: false"));
    assert!(text(&start).contains("validatorUrl: null"));
}

#[tokio::test]
async fn files_are_asked_for_again_and_sent_once() {
    let world = World::start().await;
    let bundle = "/docs/swagger-ui-bundle.js";
    let whole = read(&world.replica, bundle).await;
    assert_eq!(whole.header("cache-control"), "no-cache");
    let tag = [("if-none-match", whole.header("etag"))];
    let again = world.replica.ask(Method::GET, bundle, &tag).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    is_guarded(&again);

    let head = world.replica.ask(Method::HEAD, bundle, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let length = whole.body.len().to_string();
    assert_eq!(head.header("content-length"), length);

    let gzip = [("accept-encoding", "gzip")];
    let small = world.replica.ask(Method::GET, bundle, &gzip).await;
    assert_eq!(small.header("content-encoding"), "gzip");
    assert!(small.body.len() < whole.body.len() / 2);
}

#[tokio::test]
async fn what_is_no_file_of_it_is_refused() {
    let world = World::start().await;
    let replica = &world.replica;
    let without_slash = replica.ask(Method::GET, "/docs", &[]).await;
    assert_eq!(without_slash.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(without_slash.header("location"), PAGE);
    is_guarded(&without_slash);

    for path in ["/docs/nothing", "/docs//", "/docs/../start.js"] {
        let missing = replica.ask(Method::GET, path, &[]).await;
        assert_eq!(missing.code(), "not_found", "{path}");
        is_guarded(&missing);
    }
    let posted = replica.ask(Method::POST, PAGE, &[]).await;
    assert_eq!(
        (posted.code().as_str(), posted.header("allow")),
        ("method_not_allowed", "GET, HEAD")
    );
    let beside = replica.ask(Method::GET, "/docsx", &[]).await;
    assert_eq!(beside.status, 401);
}

/// A file, without a credential.
async fn read(replica: &Replica, path: &str) -> Reply {
    let reply = replica.ask(Method::GET, path, &[]).await;
    assert_eq!(reply.status, 200, "{path}");
    assert_eq!(reply.header("ratelimit"), "", "{path}");
    is_guarded(&reply);
    reply
}

#[track_caller]
fn is_guarded(reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    let policy = reply.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// What a page loads or links to.
fn addresses(html: &str) -> impl Iterator<Item = &str> {
    let after = |attribute| {
        let parts = html.split(attribute).skip(1);
        parts.map(|rest| rest.split('"').next().unwrap())
    };
    after("href=\"").chain(after("src=\""))
}
