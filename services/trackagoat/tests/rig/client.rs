//! What a caller does: asks with a key, revokes a key, and notes when, and what came of it.

use std::fmt::Write;
use std::net::IpAddr;

use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use serde_json::{Value, json};
use testkit::history::{Outcome, Request};
use uuid::Uuid;

use crate::limits::{ASK_TIMEOUT, PROBE_TIMEOUT};
use crate::process::SharedUrl;

/// What another org calls its project: no caller of ours may ever see it.
pub const CANARY: &str = "canary-of-another-org";

/// A service to ask.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub is_query: bool,
    pub url: SharedUrl,
}

/// A key, and the address it calls from.
#[derive(Clone)]
pub struct Key {
    pub id: Uuid,
    secret: String,
    client: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub begun: u64,
    pub ended: u64,
    /// None if there was none.
    pub status: Option<StatusCode>,
    /// The code of the envelope, if it has one.
    pub code: Option<String>,
    pub body: Value,
    /// Where in the log what was done stands.
    pub position: Option<u64>,
    pub saw_canary: bool,
    /// When the key ends, as it is told.
    pub key_ends: Option<String>,
}

/// Nanoseconds of the clock that all clients share.
pub fn now() -> u64 {
    Clock::system().monotonic().as_nanos()
}

/// A client that calls from this address.
pub fn client(source: impl Into<IpAddr>) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .local_address(source.into())
        .timeout(PROBE_TIMEOUT)
        .build()
        .expect("a client without certificates")
}

impl Key {
    pub fn new(id: Uuid, secret: String, client: reqwest::Client) -> Self {
        Self { id, secret, client }
    }

    /// As which the key is known.
    pub fn hash(&self) -> String {
        let (_, hash) = domain::credential::parse(&self.secret).expect("it was made by us");
        hash.as_bytes().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Asks for something that the key may: to read from a query service, to write at a command
    /// service.
    pub async fn ask(&self, target: &Target) -> Answer {
        let begun = now();
        let request = if target.is_query {
            self.request(target, Method::GET, "/creators?limit=1")
        } else {
            let body = json!({"name": format!("made by {}", self.id)});
            self.request(target, Method::POST, "/projects").json(&body)
        };
        answer_since(begun, request).await
    }

    /// Asks a query service for what there is not. Who is let in is told so by 404, by a replica that
    /// cannot see the log too: it reads for others no longer than that.
    pub async fn ask_for_nothing(&self, target: &Target) -> Answer {
        answer(self.request(target, Method::GET, "/nothing")).await
    }

    /// Asks a question that must be answered soon or not at all.
    pub async fn ask_briefly(&self, target: &Target) -> Answer {
        let request = self.request(target, Method::GET, "/creators?limit=1");
        answer(request.timeout(ASK_TIMEOUT)).await
    }

    /// Sends a request to the path.
    pub fn request(&self, target: &Target, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", target.url.get());
        self.client.request(method, url).bearer_auth(&self.secret)
    }
}

/// Sends it, and reads the whole answer.
pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    answer_since(now(), request).await
}

async fn answer_since(begun: u64, request: reqwest::RequestBuilder) -> Answer {
    let received = async {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        Some((status, headers, response.bytes().await.ok()?))
    };
    let received = received.await;
    let ended = now();
    let Some((status, headers, bytes)) = received else {
        return Answer::none(begun, ended);
    };
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let header = |name| headers.get(name)?.to_str().ok();
    let canary = CANARY.as_bytes();
    Answer {
        begun,
        ended,
        status: Some(status),
        code: body["meta"]["code"].as_str().map(str::to_owned),
        position: header("tga-position").and_then(|text| text.parse().ok()),
        key_ends: header("tga-key-expires-at").map(str::to_owned),
        saw_canary: bytes.windows(canary.len()).any(|window| window == canary),
        body,
    }
}

impl Answer {
    fn none(begun: u64, ended: u64) -> Self {
        Self {
            begun,
            ended,
            status: None,
            code: None,
            body: Value::Null,
            position: None,
            saw_canary: false,
            key_ends: None,
        }
    }

    pub fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }

    /// What it proves of the key (faults.md 4).
    pub fn outcome(&self) -> Outcome {
        match self.status.map(|status| status.as_u16()) {
            Some(200..=299 | 304 | 403 | 404 | 409 | 422 | 429) => Outcome::Accepted,
            Some(401) => Outcome::Refused,
            _ => Outcome::Unknown,
        }
    }

    /// For the judge.
    pub fn as_request(&self) -> Request {
        Request {
            begun: self.begun,
            ended: self.ended,
            outcome: self.outcome(),
        }
    }

    /// How it reads in a report.
    pub fn told(&self) -> String {
        match (self.status, &self.code) {
            (Some(status), Some(code)) => format!("{} {code}", status.as_u16()),
            (Some(status), None) => status.as_u16().to_string(),
            (None, _) => "no answer".to_owned(),
        }
    }
}
