//! Asking a replica, and what it answers.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::{PATIENCE, Replica, recorder};

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Replica {
    /// The answer, once the primary can be asked, which may be late on a busy machine, and a denial
    /// may be told: nobody settles it here but time.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        testkit::eventually(PATIENCE, "the gate says yes or no", async || {
            let reply = self.send_once(method.clone(), path, headers).await;
            let says = |code: &str| {
                let mut parts = reply.body.windows(code.len());
                parts.any(|part| part == code.as_bytes())
            };
            let waits = says("verification_unavailable") || says("key_revocation_in_progress");
            (!waits).then_some(reply)
        })
        .await
    }

    pub async fn send_once(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask(method, &format!("/api/v1{path}"), headers).await
    }

    /// The answer to a path that need not be one of v1.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, mut body) = response.into_parts();
        // What never ends is looked at once.
        let goes_on = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it == "text/event-stream");
        let body = if goes_on {
            let first = body.frame().await.unwrap().unwrap();
            first.into_data().unwrap()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// An answer whose body is read by the test, once the primary could be asked.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        testkit::eventually(PATIENCE, "the gate says yes or no", async || {
            let response = self.open_once(path, headers).await;
            (response.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(response)
        })
        .await
    }

    async fn open_once(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().uri(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks for whatever there is now.
    pub async fn get(&self, key: &str, path: &str) -> Reply {
        self.send(Method::GET, path, &[bearer(key)]).await
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `data` of a success.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{:?}", self.body);
        self.json()["data"].clone()
    }

    /// `meta.code` of a refusal.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["data"], Value::Null);
        body["meta"]["code"].as_str().unwrap().to_owned()
    }

    /// `invalid_query`, first of all for this parameter, with this hint.
    #[track_caller]
    pub fn is_refused_for(&self, parameter: &str, hint: &str) {
        assert_eq!(self.code(), "invalid_query", "{:?}", self.body);
        let issue = self.json()["meta"]["issues"][0].clone();
        assert_eq!(issue["path"], parameter, "{issue}");
        let message = issue["message"].as_str().unwrap();
        assert!(message.contains(hint), "{issue}");
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn position(&self) -> u64 {
        self.header("tga-position").parse().unwrap()
    }
}

/// The Authorization header; leaked, since a test names its few keys once.
pub fn bearer(key: &str) -> (&'static str, &'static str) {
    ("authorization", Box::leak(format!("Bearer {key}").into()))
}

/// A metric of this process as it is exported, all its tests together.
pub fn metric(line: &str) -> f64 {
    let text = recorder().render();
    let value = text.lines().find_map(|known| known.strip_prefix(line));
    value.map_or(0.0, |value| value.trim().parse().unwrap())
}
