//! Signing in with a provider as a browser does it: through the console of a real `trackagoat dev`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Duration;

use http::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use runtime::clock::Clock;
use serde_json::json;
use testkit::eventually;

use self::provider::{CLIENT_ID, CLIENT_SECRET, Fault, Provider};
use crate::dev::{Dev, client};

#[path = "../../../command/tests/it/support/provider.rs"]
#[expect(dead_code, reason = "the command service's tests need more of it")]
mod provider;

const EMAIL: &str = "ada@example.com";
const SESSION: &str = "__Host-tga_session";
const FLOW: &str = "__Host-tga_flow";
/// How long a busy machine may take.
const SOON: Duration = Duration::from_mins(1);

/// A browser that keeps what it is told to, and follows nothing by itself.
struct Browser {
    client: Client,
    origin: String,
}

impl Browser {
    fn of(dev: &Dev) -> Self {
        // The one of other tests makes TLS known first.
        drop(client());
        let console = dev.ready["console"].as_str().unwrap();
        let client = Client::builder().no_proxy().redirect(Policy::none());
        Self {
            client: client.build().unwrap(),
            origin: console.trim_end_matches('/').to_owned(),
        }
    }

    async fn get(&self, place: &str, cookies: &[&str]) -> Response {
        let url = if place.starts_with('/') {
            format!("{}{place}", self.origin)
        } else {
            place.to_owned()
        };
        let request = self.client.get(url).header(COOKIE, cookies.join("; "));
        request.send().await.unwrap()
    }

    /// A page for somebody who is signed in.
    async fn page(&self, place: &str, session: &str) -> Response {
        eventually(SOON, "the session can be checked", async || {
            let page = self.get(place, &[session]).await;
            let is_unchecked = page.status() == StatusCode::SERVICE_UNAVAILABLE;
            (!is_unchecked).then_some(page)
        })
        .await
    }

    /// Begins at the console and comes back from the provider: to where, and with which cookie.
    async fn at_the_provider(&self) -> (String, String) {
        let begun = self.get("/login/oidc", &[]).await;
        let flow = cookie(&begun, FLOW).unwrap();
        let back = self.get(&location(&begun), &[]).await;
        (location(&back), flow)
    }
}

fn location(response: &Response) -> String {
    let status = response.status();
    let location = response.headers().get(LOCATION);
    let location = location.unwrap_or_else(|| panic!("{status} without a location"));
    location.to_str().unwrap().to_owned()
}

/// A cookie as it is sent back; none if it is not set, or taken away.
fn cookie(response: &Response, name: &str) -> Option<String> {
    let pair = set_cookie(response, name)?.split_once(';')?.0.to_owned();
    (!pair.ends_with('=')).then_some(pair)
}

fn set_cookie(response: &Response, name: &str) -> Option<String> {
    let set = response.headers().get_all(SET_COOKIE).iter();
    let mut set = set.map(|value| value.to_str().unwrap());
    let start = format!("{name}=");
    set.find(|it| it.starts_with(&start)).map(str::to_owned)
}

/// A service that its first admin has set up, with this provider to sign in with.
async fn set_up(provider: &Provider) -> Dev {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{CLIENT_SECRET}\n")).unwrap();
    let arguments = [
        "--oidc-issuer",
        provider.issuer(),
        "--oidc-client-id",
        CLIENT_ID,
        "--oidc-client-secret-file",
        secret.to_str().unwrap(),
        "--oidc-name",
        "Example & Co",
    ];
    let dev = Dev::start_bare(&arguments).await;
    let body = json!({"setup_token": dev.ready["setup_token"], "email": EMAIL, "name": "Ada",
        "password": "correct horse battery", "org_name": "Goats", "timezone": "UTC"});
    let origin = dev.api().trim_end_matches("/api/v1");
    let made = client().post(format!("{origin}/auth/setup")).json(&body);
    let made = made.send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    dev
}

#[tokio::test]
async fn a_browser_signs_in_with_a_provider_and_comes_back_to_its_page() {
    let provider = Provider::new(EMAIL, Clock::system()).await;
    let dev = set_up(&provider).await;
    let browser = Browser::of(&dev);

    let page = browser
        .get("/login?next=/settings/api-keys?a%26b", &[])
        .await;
    let page = page.text().await.unwrap();
    assert!(page.contains("Sign in with Example &#38; Co"), "{page}");
    let link = "/login/oidc?next=%2Fsettings%2Fapi-keys%3Fa%26b";
    assert!(page.contains(link), "{page}");

    let begun = browser.get(link, &[]).await;
    assert_eq!(begun.status(), StatusCode::SEE_OTHER);
    let flow = set_cookie(&begun, FLOW).unwrap();
    for attribute in [
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=600",
    ] {
        assert!(flow.contains(attribute), "{flow}");
    }
    let flow = cookie(&begun, FLOW).unwrap();
    let back = location(&browser.get(&location(&begun), &[]).await);
    assert!(back.starts_with(&format!("{}/login/oidc/callback?", browser.origin)));

    let strange = browser.get(&back, &[]).await;
    assert_eq!(strange.status(), StatusCode::BAD_REQUEST);
    assert!(cookie(&strange, SESSION).is_none());

    let signed = browser.get(&back, &[&flow]).await;
    assert_eq!(location(&signed), "/settings/api-keys?a&b");
    assert!(cookie(&signed, FLOW).is_none() && set_cookie(&signed, FLOW).is_some());
    let session = cookie(&signed, SESSION).unwrap();
    let page = browser.page("/settings/api-keys", &session).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("Goats"));

    // Going back and loading it again signs nobody in again.
    let again = browser.get(&back, &[&flow]).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    assert!(cookie(&again, SESSION).is_none());
    assert!(again.text().await.unwrap().contains("used already"));

    let credential = session.split_once('=').unwrap().1;
    let ended = dev.call(Method::DELETE, "/sessions/self", credential, None);
    assert_eq!(ended.await.status, StatusCode::OK);
    let page = browser.page("/settings/api-keys", &session).await;
    assert_eq!(location(&page), "/login?next=%2Fsettings%2Fapi-keys");

    let written = dev.written();
    let told = back.split_once("code=").unwrap().1.split_once('&').unwrap();
    let state = told
        .1
        .split_once("state=")
        .unwrap()
        .1
        .split_once('&')
        .unwrap();
    let sealed = flow.split_once("flow").unwrap().1;
    for secret in [told.0, state.0, &sealed[10..100], credential, CLIENT_SECRET] {
        assert!(!written.contains(secret), "{secret} is in the logs");
    }
}

#[tokio::test]
async fn why_somebody_is_not_signed_in_stands_on_the_page_to_sign_in() {
    let provider = Provider::new(EMAIL, Clock::system()).await;
    let dev = set_up(&provider).await;
    let browser = Browser::of(&dev);

    let (_, flow) = browser.at_the_provider().await;
    for (query, status, text) in [
        (
            "error=access_denied&state=x",
            401,
            "was not allowed to say who you are",
        ),
        ("error=server_error", 401, "did not sign you in"),
        ("", 401, "did not sign you in"),
        ("code=a&code=b", 401, "did not sign you in"),
        ("code=a&state=b", 401, "not begun here"),
    ] {
        let place = format!("/login/oidc/callback?{query}");
        let page = browser.get(&place, &[&flow]).await;
        assert_eq!(page.status().as_u16(), status, "{query}");
        let page = page.text().await.unwrap();
        assert!(
            page.contains(text) && page.contains("name=\"password\""),
            "{query}: {page}"
        );
    }

    provider.person(json!({"sub": "2", "email": "eve@example.com", "email_verified": true}));
    let (back, flow) = browser.at_the_provider().await;
    let page = browser.get(&back, &[&flow]).await;
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    assert!(page.text().await.unwrap().contains("has verified for you"));

    let (back, flow) = browser.at_the_provider().await;
    provider.fail("/token", Fault::Status(500));
    let page = browser.get(&back, &[&flow]).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("does not work just now")
    );

    // Where browsers keep no cookie of ours, nobody is sent in circles.
    for (origin, text) in [
        ("http://console.example.com", "This console needs HTTPS"),
        ("https://console.example.com", "keeps no cookies"),
    ] {
        let form = browser.client.post(format!("{}/login", browser.origin));
        let form = form
            .header(HOST, "console.example.com")
            .header(ORIGIN, origin);
        let page = form.body("email=a&password=b").send().await.unwrap();
        assert_eq!(page.status(), StatusCode::FORBIDDEN);
        let page = page.text().await.unwrap();
        assert!(page.contains(text), "{page}");
    }
}
