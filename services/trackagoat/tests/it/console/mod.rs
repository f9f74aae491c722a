//! The console beside the APIs, as a browser speaks to it: what holds without any script.
#![expect(clippy::unwrap_used, reason = "tests")]

mod charts;
mod forms;
mod inbox;
mod lists;
mod trail;

use reqwest::header::{HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::dev::{Answer, Dev, answer};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// As much of a browser as these tests need: it keeps cookies, and sends forms with their tokens.
struct Browser<'a> {
    dev: &'a Dev,
    client: Client,
    cookies: Vec<(String, String)>,
}

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// One that follows no redirect.
fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(Policy::none());
    client
        .timeout(std::time::Duration::from_mins(1))
        .build()
        .unwrap()
}

impl Page {
    fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    /// What stands between two texts, wherever it does.
    fn all_between(&self, before: &str, after: &str) -> Vec<&str> {
        let parts = self.text.split(before).skip(1);
        parts
            .map(|part| part.split(after).next().unwrap())
            .collect()
    }

    /// Whether a field is told to be wrong, and where what is wrong with it stands.
    fn blames(&self, field: &str) -> bool {
        let tie = format!("aria-invalid=\"true\" aria-describedby=\"{field}-error\"");
        let text = format!("id=\"{field}-error\"");
        self.text.contains(&tie) && self.text.contains(&text)
    }

    /// The value of the first field with this name.
    fn field(&self, name: &str) -> String {
        let (_, rest) = self
            .text
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl<'a> Browser<'a> {
    fn new(dev: &'a Dev) -> Self {
        Self {
            dev,
            client: client(),
            cookies: Vec::new(),
        }
    }

    fn origin(&self) -> &str {
        self.dev.ready["console"]
            .as_str()
            .unwrap()
            .trim_end_matches('/')
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let pairs: Vec<_> = pairs.collect();
        let url = format!("{}{path}", self.origin());
        self.client
            .request(method, url)
            .header("cookie", pairs.join("; "))
    }

    async fn send(&mut self, request: RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(attribute), "{attribute}: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            self.cookies.retain(|(kept, _)| kept != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Page {
            status: answer.status(),
            headers: answer.headers().clone(),
            text: answer.text().await.unwrap(),
        }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.request(Method::POST, path)
            .header(ORIGIN, self.origin())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.finish())
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.form(path, fields)).await
    }

    /// Signs in as the demo's admin.
    async fn sign_in(&mut self) {
        let token = self.get("/login").await.field("form_token");
        let (email, password) = (self.demo("admin_email"), self.demo("admin_password"));
        let fields = [
            ("form_token", &*token),
            ("email", &email),
            ("password", &password),
        ];
        let entered = self.post("/login", &fields).await;
        assert_eq!(entered.status, StatusCode::SEE_OTHER, "{}", entered.text);
    }

    /// Asks for a part of a page, as htmx does.
    async fn part(&mut self, path: &str) -> Page {
        let request = self.request(Method::GET, path);
        self.send(request.header("hx-request", "true")).await
    }

    /// Reads show what was done so far.
    fn see(&mut self, done: &Answer) {
        let position = done.headers["tga-position"].to_str().unwrap();
        let kept = ("__Host-tga_seen".to_owned(), position.to_owned());
        self.cookies.retain(|(name, _)| *name != kept.0);
        self.cookies.push(kept);
    }

    /// What the API has, no older than what the browser has seen.
    async fn api(&self, path: &str) -> Value {
        let seen = self
            .cookies
            .iter()
            .find(|(name, _)| name == "__Host-tga_seen");
        let seen = seen.map_or("0", |(_, position)| position);
        let request = crate::dev::client().get(format!("{}{path}", self.dev.api()));
        let request = request.bearer_auth(self.dev.demo_key());
        let answer = answer(request.header("tga-min-position", seen)).await;
        answer.body["data"].clone()
    }

    fn demo(&self, name: &str) -> String {
        self.dev.ready["demo"][name].as_str().unwrap().to_owned()
    }

    fn credential(&self) -> &str {
        let found = self
            .cookies
            .iter()
            .find(|(name, _)| name == "__Host-tga_session");
        &found.unwrap().1
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_dead_when_its_page_says_so() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;

    let new = browser.get("/settings/api-keys/new").await;
    let (token, once) = (new.field("form_token"), new.field("once"));
    let opened_at = new.field("opened_at");
    let fields = [
        ("form_token", &*token),
        ("once", &once),
        ("opened_at", &opened_at),
        ("name", "<script>alert(1)</script>"),
        ("scopes", "read"),
        ("expiry", "30"),
    ];
    let made = browser.post("/settings/api-keys", &fields).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.headers["cache-control"], "private, no-store");
    assert!(!made.text.contains("<script>alert"), "a name is text");
    let (_, rest) = made.text.split_once("data-secret>").unwrap();
    let secret = rest.split_once('<').unwrap().0.to_owned();
    // Alone, and in the line that puts it into a variable.
    let exported = format!("export TRACKAGOAT_KEY={secret}<");
    assert!(made.text.contains(&exported), "{}", made.text);
    assert_eq!(made.text.matches(&secret).count(), 2);
    assert_eq!(
        dev.get_as("/projects", &secret).await.status,
        StatusCode::OK
    );

    // The same form again is the same key, and does not show it.
    let again = browser.post("/settings/api-keys", &fields).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert!(!again.text.contains(&secret));
    let place = again.location().to_owned();
    let shown = browser.get(&place).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(
        shown.text.contains("made its key already"),
        "{}",
        shown.text
    );
    let list = browser.get("/settings/api-keys").await;
    assert!(list.text.contains("&#60;script&#62;"), "{}", list.text);
    for page in [&shown, &list] {
        assert!(!page.text.contains(&secret));
    }

    let revoke = format!("{place}/revoke");
    let confirm = browser.get(&revoke).await;
    assert!(
        confirm.text.contains("yesterday; they are usually counted"),
        "{}",
        confirm.text
    );
    let revoked = browser.post(&revoke, &[("form_token", &token)]).await;
    assert_eq!(revoked.status, StatusCode::SEE_OTHER);
    let refused = dev.get_as("/projects", &secret).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let told = browser.get(&place).await;
    assert!(told.text.contains("no replica accepts it"), "{}", told.text);
    assert!(told.text.contains("1 of 1"), "{}", told.text);
    // It is told once.
    let later = browser.get(&place).await;
    assert!(!later.text.contains("no replica accepts it"));
}

#[tokio::test]
async fn nothing_is_taken_but_from_its_own_forms() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    browser.sign_in().await;
    let new = browser.get("/settings/api-keys/new").await;
    let (token, once) = (new.field("form_token"), new.field("once"));
    let fields = |token| {
        [
            ("form_token", token),
            ("once", &*once),
            ("name", "Forged"),
            ("scopes", "read"),
        ]
    };

    let foreign = browser.form("/settings/api-keys", &fields(&*token));
    let foreign = foreign.header("sec-fetch-site", "cross-site");
    let foreign = browser.send(foreign).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{}", foreign.text);
    let zeros = "0".repeat(128);
    for wrong in ["", &*zeros] {
        let refused = browser.post("/settings/api-keys", &fields(wrong)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(
            refused.text.contains("Nothing was done"),
            "{}",
            refused.text
        );
    }
    // A token is of its session alone.
    let mut other = Browser::new(&dev);
    other.sign_in().await;
    let refused = other.post("/settings/api-keys", &fields(&*token)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let keys = dev.get("/api-keys").await;
    assert!(!keys.body.to_string().contains("Forged"));

    for page in [
        "/login",
        "/settings/api-keys",
        "/settings/nowhere",
        "/projects",
    ] {
        let page = browser.get(page).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'; script-src 'self'"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn a_session_is_new_at_sign_in_and_ends_everywhere_with_it() {
    let dev = Dev::start(&[]).await;
    let mut browser = Browser::new(&dev);
    let asked = browser.get("/settings/api-keys?show=all").await;
    assert_eq!(
        asked.location(),
        "/login?next=%2Fsettings%2Fapi-keys%3Fshow%3Dall"
    );
    // What somebody else put there is not what they are signed in with.
    let planted = format!("tgs_{}", "0".repeat(64));
    browser
        .cookies
        .push(("__Host-tga_session".to_owned(), planted.clone()));
    let token = browser.get("/login").await.field("form_token");
    let (email, password) = (browser.demo("admin_email"), browser.demo("admin_password"));
    let fields = |password, next| {
        [
            ("form_token", &*token),
            ("email", &*email),
            ("password", password),
            ("next", next),
        ]
    };
    let wrong = browser
        .post("/login", &fields("not the password", "/"))
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text.contains("is wrong"), "{}", wrong.text);
    let entered = browser
        .post("/login", &fields(&password, "//example.com"))
        .await;
    assert_eq!(
        (entered.status, entered.location()),
        (StatusCode::SEE_OTHER, "/")
    );
    let credential = browser.credential().to_owned();
    assert_ne!(credential, planted);

    let own = dev.get_as("/sessions/self", &credential).await;
    assert_eq!(own.status, StatusCode::OK);
    // The browser's address, and not the console's way to the API.
    assert_eq!(own.body["data"]["ip"], "127.0.0.1");
    let token = browser.get("/settings/api-keys").await.field("form_token");
    let ended = browser.post("/logout", &[("form_token", &token)]).await;
    assert_eq!(ended.location(), "/login");
    let dead = dev.get_as("/sessions/self", &credential).await;
    assert_eq!(dead.status, StatusCode::UNAUTHORIZED);

    // A cookie that is kept all the same leads to signing in, and back.
    browser
        .cookies
        .push(("__Host-tga_session".to_owned(), credential));
    let asked = browser.get("/settings/api-keys").await;
    assert_eq!(asked.location(), "/login?next=%2Fsettings%2Fapi-keys");
    assert!(
        browser
            .cookies
            .iter()
            .all(|(name, _)| name != "__Host-tga_session")
    );
}

#[tokio::test]
async fn pages_take_no_path_of_the_api() {
    let dev = Dev::start(&[]).await;
    let origin = dev.ready["console"].as_str().unwrap();
    for (path, status) in [
        ("api/v1/openapi.json", StatusCode::OK),
        ("docs/", StatusCode::OK),
        ("api/v1/projects", StatusCode::UNAUTHORIZED),
        ("elsewhere", StatusCode::NOT_FOUND),
        ("favicon.ico", StatusCode::NOT_FOUND),
        ("", StatusCode::SEE_OTHER),
    ] {
        let answer = client()
            .get(format!("{origin}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
    let body: Value = client()
        .post(format!("{origin}auth/sessions"))
        .json(&serde_json::json!({"email": "a@example.com", "password": "not this one"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(body["meta"]["code"], "invalid_credentials");
}
