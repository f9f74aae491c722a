//! An OpenID Connect provider, which does what is wrong when it is told to.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use openidconnect::core::{
    CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey,
};
use openidconnect::{JsonWebKeyId, PrivateSigningKey};
use reqwest::Url;
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
use rsa::rand_core::OsRng;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, TaskKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

/// As what it knows the service.
pub const CLIENT_ID: &str = "trackagoat";
/// By what it knows it.
pub const CLIENT_SECRET: &str = "a secret: that+of/the service";
/// Of the RSA key.
const RSA_BITS: usize = 2_048;
/// Made when it is first needed, as PEM: one for all providers of a process, since it takes a while.
static RSA_KEY: LazyLock<Zeroizing<String>> = LazyLock::new(|| {
    let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS).unwrap();
    key.to_pkcs1_pem(LineEnding::LF).unwrap()
});
/// What stands before the 32 bytes of an Ed25519 key (RFC 8410).
const ED25519: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// How an ID token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Ed25519,
    Rsa,
    /// By a key that it does not publish, under the name of one that it does.
    Forged,
    /// With the secret that both know, as a key.
    Secret,
    /// `alg: none`, and nothing behind the last dot.
    Not,
}

/// What it does in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing, for ever.
    Hang,
    /// Says that it is elsewhere.
    Redirect(String),
    /// Never ends.
    Endless,
    /// Says that it is unwell.
    Status(u16),
    /// Says what is no JSON.
    Garbage,
}

type Change = Box<dyn Fn(&mut Value) + Send + Sync>;

struct Inner {
    issuer: String,
    clock: Clock,
    entropy: Entropy,
    rsa: CoreRsaPrivateSigningKey,
    state: Mutex<Inside>,
}

struct Inside {
    ed25519: CoreEdDsaPrivateSigningKey,
    /// Asked for, and not given away yet.
    codes: HashMap<String, Issued>,
    gives_codes_once: bool,
    signed: Signed,
    /// Who is there.
    person: Value,
    claims: Change,
    document: Change,
    faults: HashMap<String, Fault>,
    /// Paths that were asked for.
    asked: Vec<String>,
}

#[derive(Clone)]
struct Issued {
    challenge: String,
    nonce: String,
    redirect: String,
}

/// A provider on a port of its own on 127.0.0.1.
pub struct Provider {
    inner: Arc<Inner>,
    _lifecycle: Lifecycle,
}

/// What the browser comes back with.
pub struct Returned {
    pub code: String,
    pub state: String,
}

impl Provider {
    /// In which somebody with this address is signed in, in this time.
    pub async fn new(email: &str, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let entropy = Entropy::os();
        let rsa =
            CoreRsaPrivateSigningKey::from_pem(&RSA_KEY, Some(JsonWebKeyId::new("rsa".into())));
        let state = Inside {
            ed25519: ed25519(&entropy, "ed-1"),
            codes: HashMap::new(),
            gives_codes_once: true,
            signed: Signed::Ed25519,
            person: json!({"sub": "ada", "email": email, "email_verified": true}),
            claims: Box::new(|_| ()),
            document: Box::new(|_| ()),
            faults: HashMap::new(),
            asked: Vec::new(),
        };
        let inner = Arc::new(Inner {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            clock,
            entropy,
            rsa: rsa.unwrap(),
            state: Mutex::new(state),
        });
        let lifecycle = Lifecycle::new(Clock::system());
        let router = router(Arc::clone(&inner));
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        let tasks = lifecycle.handle();
        tasks.spawn(TaskKind::Disposable, "provider", serving);
        Self {
            inner,
            _lifecycle: lifecycle,
        }
    }

    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Sends somebody who is signed in there back, as a browser that goes to this address is.
    pub fn visit(&self, url: &str) -> Returned {
        let query = url.split_once('?').unwrap().1;
        let location = self.inner.authorize(query).unwrap();
        let mut told = fields(location.split_once('?').unwrap().1.as_bytes());
        Returned {
            code: told.remove("code").unwrap(),
            state: told.remove("state").unwrap(),
        }
    }

    /// From now on says this of whoever is there.
    pub fn person(&self, person: Value) {
        self.inside(|it| it.person = person);
    }

    /// From now on ID tokens say something else.
    pub fn claims(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.inside(|it| it.claims = Box::new(change));
    }

    /// From now on it describes itself otherwise.
    pub fn document(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.inside(|it| it.document = Box::new(change));
    }

    /// From now on ID tokens are signed so.
    pub fn sign(&self, signed: Signed) {
        self.inside(|it| it.signed = signed);
    }

    /// Has another key from now on.
    pub fn change_key(&self) {
        let key = ed25519(&self.inner.entropy, "ed-2");
        self.inside(|it| it.ed25519 = key);
    }

    /// From now on gives tokens for a code as often as it is asked.
    pub fn give_again(&self) {
        self.inside(|it| it.gives_codes_once = false);
    }

    /// From now on does this where it is asked for `path`; with none what it should.
    pub fn fail(&self, path: &str, fault: impl Into<Option<Fault>>) {
        let (path, fault) = (path.to_owned(), fault.into());
        self.inside(|it| match fault {
            Some(fault) => it.faults.insert(path, fault),
            None => it.faults.remove(&path),
        });
    }

    /// How often it was asked for `path`.
    pub fn asked(&self, path: &str) -> usize {
        self.inside(|it| it.asked.iter().filter(|asked| *asked == path).count())
    }

    fn inside<T>(&self, with: impl FnOnce(&mut Inside) -> T) -> T {
        with(&mut self.inner.state.lock().unwrap())
    }
}

fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(document))
        .route("/keys", get(keys))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .route("/userinfo", get(userinfo))
        .layer(from_fn_with_state(Arc::clone(&inner), faults))
        .with_state(inner)
}

async fn faults(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let fault = {
        let mut state = inner.state.lock().unwrap();
        state.asked.push(path.clone());
        state.faults.get(&path).cloned()
    };
    match fault {
        None => next.run(request).await,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Redirect(to)) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
        Some(Fault::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::Garbage) => ([(CONTENT_TYPE, "application/json")], "{").into_response(),
        Some(Fault::Endless) => {
            let chunk = Bytes::from(vec![b' '; 16 * 1024]);
            let chunks = futures_util::stream::repeat(Ok::<_, Infallible>(chunk));
            let body = Body::from_stream(chunks);
            ([(CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}

async fn document(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", inner.issuer);
    let mut document = json!({
        "issuer": inner.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
    });
    (inner.state.lock().unwrap().document)(&mut document);
    Json(document)
}

async fn keys(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let state = inner.state.lock().unwrap();
    let (rsa, ed25519) = (
        inner.rsa.as_verification_key(),
        state.ed25519.as_verification_key(),
    );
    Json(json!({"keys": [rsa, ed25519]}))
}

async fn authorize(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    match inner.authorize(request.uri().query().unwrap_or_default()) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Err(wrong) => (StatusCode::BAD_REQUEST, wrong).into_response(),
    }
}

async fn token(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    match inner.token(&headers, &body) {
        Ok(answer) => (StatusCode::OK, Json(answer)),
        Err(code) => (StatusCode::BAD_REQUEST, Json(json!({"error": code}))),
    }
}

async fn userinfo(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    if headers[AUTHORIZATION] != "Bearer an-access-token" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(inner.state.lock().unwrap().person.clone()).into_response()
}

impl Inner {
    /// Where a browser is sent that comes with this query.
    fn authorize(&self, query: &str) -> Result<String, &'static str> {
        let asked = fields(query.as_bytes());
        let of = |name: &str| asked.get(name).map_or("", String::as_str);
        let scopes: Vec<_> = of("scope").split(' ').collect();
        for (is_right, wrong) in [
            (of("response_type") == "code", "response_type"),
            (of("client_id") == CLIENT_ID, "client_id"),
            (of("code_challenge_method") == "S256", "code_challenge"),
            (of("state").len() >= 43, "state"),
            (of("nonce").len() >= 43, "nonce"),
            (scopes == ["openid", "email"], "scope"),
        ] {
            if !is_right {
                return Err(wrong);
            }
        }
        let code = URL_SAFE_NO_PAD.encode(self.entropy.bytes::<16>());
        let issued = Issued {
            challenge: of("code_challenge").to_owned(),
            nonce: of("nonce").to_owned(),
            redirect: of("redirect_uri").to_owned(),
        };
        let location = format!(
            "{}?code={code}&state={}&session_state=7",
            issued.redirect,
            of("state")
        );
        self.state.lock().unwrap().codes.insert(code, issued);
        Ok(location)
    }

    fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, &'static str> {
        let asked = fields(body);
        let of = |name: &str| asked.get(name).map_or("", String::as_str);
        if !knows(headers, &asked) {
            return Err("invalid_client");
        }
        let mut state = self.state.lock().unwrap();
        let issued = state.codes.get(of("code")).cloned();
        let issued = issued.ok_or("invalid_grant")?;
        if state.gives_codes_once {
            state.codes.remove(of("code"));
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
        let is_right = challenge == issued.challenge && of("redirect_uri") == issued.redirect;
        if !is_right || of("grant_type") != "authorization_code" {
            return Err("invalid_grant");
        }
        let now = self.clock.now().timestamp();
        let mut claims = state.person.clone();
        for (name, value) in [
            ("iss", json!(self.issuer)),
            ("aud", json!(CLIENT_ID)),
            ("iat", json!(now)),
            ("exp", json!(now + 300)),
            ("nonce", json!(issued.nonce)),
        ] {
            claims[name] = value;
        }
        (state.claims)(&mut claims);
        Ok(json!({
            "access_token": "an-access-token",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.id_token(&state, &claims),
        }))
    }

    fn id_token(&self, state: &Inside, claims: &Value) -> String {
        let (algorithm, key) = match state.signed {
            Signed::Ed25519 | Signed::Forged => ("EdDSA", state.key_name()),
            Signed::Rsa => ("RS256", json!("rsa")),
            Signed::Secret => ("HS256", Value::Null),
            Signed::Not => ("none", Value::Null),
        };
        let mut header = json!({"typ": "JWT", "alg": algorithm});
        if !key.is_null() {
            header["kid"] = key;
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = match state.signed {
            Signed::Ed25519 => sign_ed25519(&state.ed25519, &message),
            Signed::Forged => sign_ed25519(&ed25519(&self.entropy, "ed-1"), &message),
            Signed::Rsa => {
                let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
                self.rsa.sign(&algorithm, message.as_bytes()).unwrap()
            }
            Signed::Secret => hmac(CLIENT_SECRET.as_bytes(), message.as_bytes()),
            Signed::Not => Vec::new(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Inside {
    fn key_name(&self) -> Value {
        serde_json::to_value(self.ed25519.as_verification_key()).unwrap()["kid"].clone()
    }
}

/// Whether whoever asks shows that they are the service, in the header or in the body.
fn knows(headers: &HeaderMap, asked: &HashMap<String, String>) -> bool {
    let pair = format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let in_header = headers.get(AUTHORIZATION).is_some_and(|it| *it == basic);
    let of = |name: &str| asked.get(name).map_or("", String::as_str);
    in_header || of("client_id") == CLIENT_ID && of("client_secret") == CLIENT_SECRET
}

fn ed25519(entropy: &Entropy, name: &str) -> CoreEdDsaPrivateSigningKey {
    let der = STANDARD.encode([&ED25519[..], &entropy.bytes::<32>()].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let name = Some(JsonWebKeyId::new(name.to_owned()));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, name).unwrap()
}

fn sign_ed25519(key: &CoreEdDsaPrivateSigningKey, message: &str) -> Vec<u8> {
    key.sign(&CoreJwsSigningAlgorithm::EdDsa, message.as_bytes())
        .unwrap()
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Fields of a form or a query.
fn fields(text: &[u8]) -> HashMap<String, String> {
    let mut url: Url = "http://localhost/".parse().unwrap();
    url.set_query(Some(std::str::from_utf8(text).unwrap()));
    url.query_pairs().into_owned().collect()
}

/// As a form has it.
fn encoded(text: &str) -> String {
    let mut url: Url = "http://localhost/".parse().unwrap();
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap().to_owned()
}
