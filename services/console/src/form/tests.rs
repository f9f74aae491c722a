//! What people entered when it could not be done: it is theirs again.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::thread;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONTENT_TYPE, COOKIE, REFERER, SET_COOKIE};
use http::{Method, StatusCode};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::http::{PeerAddr, Respond};

use super::token::Token;
use crate::service::{Console, Parts};

const SESSION: &str = "tgs_a-session";

/// A console whose APIs hang up.
fn console() -> Console {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || listener.incoming().for_each(drop));
    let nowhere: url::Url = format!("http://{address}/").parse().expect("a base");
    let parts = Parts {
        query_url: nowhere.clone(),
        command_url: nowhere,
        public_url: None,
        mcp_url: None,
        oidc_name: None,
        clock: Clock::system(),
        entropy: Entropy::seeded(1),
    };
    Console::new(parts).expect("a console")
}

async fn asked(console: &Console, request: http::request::Builder, body: &str) -> Response {
    let mut request: Request = request
        .body(Body::from(body.to_owned()))
        .expect("a request");
    let peer = PeerAddr(IpAddr::V4(Ipv4Addr::LOCALHOST));
    request.extensions_mut().insert(peer);
    console.respond(request).await
}

fn post(place: &str, cookie: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(place)
        .header(COOKIE, cookie)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(REFERER, format!("https://console.example{place}"))
}

async fn text(response: Response) -> String {
    let body = to_bytes(response.into_body(), 1_000_000).await;
    String::from_utf8_lossy(&body.expect("a body")).into_owned()
}

fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .expect("a field");
    rest.split('"').next().expect("its value")
}

#[tokio::test]
async fn a_sign_in_that_failed_holds_the_address_and_not_the_password() {
    let console = console();
    let login = Request::builder().uri("/login?next=/audit");
    let login = asked(&console, login, "").await;
    let cookie = login.headers()[SET_COOKIE].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let page = text(login).await;
    let token = field(&page, "form_token");
    let body = format!("form_token={token}&next=/audit&email=a@b.example&password=correct-horse");

    let failed = asked(&console, post("/login", &cookie), &body).await;
    assert_eq!(failed.status(), StatusCode::BAD_GATEWAY);
    let page = text(failed).await;
    assert_eq!(field(&page, "next"), "/audit");
    assert!(page.contains("value=\"a@b.example\""), "{page}");
    assert!(page.contains("cannot be reached"), "{page}");
    assert!(!page.contains("correct-horse"), "{page}");
}

#[tokio::test]
async fn a_form_whose_page_cannot_be_made_can_be_sent_again_as_it_was() {
    let console = console();
    let cookie = format!("__Host-tga_session={SESSION}");
    let token = Token::of(SESSION).masked(&Entropy::seeded(2));
    let body = format!("form_token={token}&name=%22Goats%22&timezone=UTC");
    let failed = asked(&console, post("/settings/general", &cookie), &body).await;
    assert_eq!(failed.status(), StatusCode::BAD_GATEWAY);
    let page = text(failed).await;
    assert!(page.contains("action=\"/settings/general\""), "{page}");
    assert_eq!(field(&page, "name"), "&#34;Goats&#34;");
    assert_eq!(field(&page, "timezone"), "UTC");
    assert!(Token::of(SESSION).is(field(&page, "form_token")));
    assert_ne!(field(&page, "form_token"), token);
}

#[tokio::test]
async fn a_password_is_not_kept_to_be_sent_again() {
    let console = console();
    let cookie = format!("__Host-tga_session={SESSION}");
    let token = Token::of(SESSION).masked(&Entropy::seeded(2));
    let body = format!("form_token={token}&current=correct-horse&new=battery-staple");
    let failed = asked(&console, post("/settings/account", &cookie), &body).await;
    assert_eq!(failed.status(), StatusCode::BAD_GATEWAY);
    let page = text(failed).await;
    assert!(!page.contains("correct-horse") && !page.contains("battery-staple"));
    assert!(page.contains("href=\"/settings/account\""), "{page}");
}

#[tokio::test]
async fn a_form_without_a_session_is_told_to_be_not_done() {
    let console = console();
    let sent = asked(&console, post("/settings/general", "a=b"), "name=Goats").await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let login = sent.headers()[http::header::LOCATION]
        .to_str()
        .expect("text");
    assert_eq!(login, "/login?next=%2Fsettings%2Fgeneral&unsent=1");
    let login = asked(&console, Request::builder().uri(login), "").await;
    let page = text(login).await;
    assert!(page.contains("was not done"), "{page}");
    assert_eq!(field(&page, "unsent"), "1");
}
