//! The public API as a client sees it, with retries where they are safe.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::ids::ProjectId;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::telemetry::chain;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::rows::CsvError;
use crate::terminal::remark;

/// How often a request is tried before the import gives up.
const ATTEMPTS: u32 = 12;
/// Longest wait for one answer, and between two tries.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The projection may be late for a project that was made a moment before: how long one may be
/// unknown, and when it is asked for again.
const PROJECT_WITHIN: Duration = Duration::from_secs(3);
const PROJECT_AGAIN: Duration = Duration::from_millis(200);
/// Longest wait for the read side after everything was sent.
const READ_SIDE_TIMEOUT: Duration = Duration::from_mins(10);

/// Why an import ended early.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("cannot read {path}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is not a list of trending videos")]
    Csv { path: PathBuf, source: CsvError },
    #[error("{path} holds no API key: expected tga_ and 64 hexadecimal digits")]
    NoKey { path: PathBuf },
    #[error("the address {0} is not one of an API: expected http(s)://host/api/v1")]
    Address(String),
    #[error("the API refused the request ({status} {code}): {message}")]
    Refused {
        status: StatusCode,
        code: String,
        message: String,
    },
    #[error("no API of trackagoat answers at this address ({status}): check --api")]
    NoApi { status: StatusCode },
    #[error("the API cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the API did not answer as expected to {0}")]
    Unexpected(&'static str),
    #[error("everything was sent, but the read side is not at position {0} after ten minutes")]
    ReadSide(u64),
}

impl ImportError {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

/// What became of creators.
#[derive(Debug, Default)]
pub struct CreatorsAnswer {
    pub created: u64,
    pub known: u64,
    /// Code and message of those refused.
    pub refused: Vec<(String, String)>,
}

/// What became of lines.
#[derive(Debug, Deserialize)]
pub struct IngestAnswer {
    pub accepted: u64,
    pub duplicate: u64,
    pub errors: Vec<IngestError>,
}

/// A line that was refused.
#[derive(Debug, Deserialize)]
pub struct IngestError {
    pub line: usize,
    pub code: String,
    pub message: String,
}

/// A client of one project.
pub struct Api {
    client: reqwest::Client,
    base: String,
    project: ProjectId,
    clock: Clock,
    entropy: Entropy,
    started: Monotonic,
    position: AtomicU64,
    /// Whether it was said that something is tried again; once is enough.
    has_remarked: AtomicBool,
}

impl Api {
    pub fn new(
        address: &str,
        key_file: &Path,
        project: ProjectId,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, ImportError> {
        let url: reqwest::Url = address
            .parse()
            .map_err(|_| ImportError::Address(address.to_owned()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ImportError::Address(address.to_owned()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization(key_file)?);
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(ImportError::Unreachable)?;
        let started = clock.monotonic();
        let base = address.trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            base,
            project,
            clock,
            entropy,
            started,
            position: AtomicU64::new(0),
            has_remarked: AtomicBool::new(false),
        })
    }

    /// Fails early if the key, the address or the project is wrong.
    pub async fn check(&self) -> Result<(), ImportError> {
        let path = self.project_path("");
        let deadline = self.clock.monotonic() + PROJECT_WITHIN;
        loop {
            let asked = self.send("the project", || self.request(Method::GET, &path));
            match asked.await {
                Err(error) if error.is_not_found() && self.clock.monotonic() < deadline => {
                    self.clock.sleep(PROJECT_AGAIN).await;
                }
                answered => return answered.map(drop),
            }
        }
    }

    /// Follows channels; what is followed already stays as it is.
    pub async fn add_creators(&self, channels: &[String]) -> Result<CreatorsAnswer, ImportError> {
        let creators: Vec<Value> = channels
            .iter()
            .map(|id| json!({"platform": "youtube", "handle": id, "tracking_start_date": null}))
            .collect();
        let body = json!({ "creators": creators });
        let path = self.project_path("/creators");
        let data = self
            .send("creators", || self.request(Method::POST, &path).json(&body))
            .await?;
        let results = data["results"]
            .as_array()
            .ok_or(ImportError::Unexpected("creators"))?;
        let mut answer = CreatorsAnswer::default();
        for result in results {
            let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
            match (text("status").as_str(), text("code").as_str()) {
                ("created" | "reactivated", _) => answer.created += 1,
                (_, "duplicate") => answer.known += 1,
                (_, code) => answer.refused.push((code.to_owned(), text("message"))),
            }
        }
        Ok(answer)
    }

    /// Sends lines.
    pub async fn ingest(&self, body: &[u8]) -> Result<IngestAnswer, ImportError> {
        let path = format!("/ingest/observations?project_id={}", self.project);
        let request = || {
            self.request(Method::POST, &path)
                .header(CONTENT_TYPE, "application/x-ndjson")
                .body(body.to_vec())
        };
        let data = self.send("ingest", request).await?;
        serde_json::from_value(data).map_err(|_| ImportError::Unexpected("ingest"))
    }

    /// How long it has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_since(self.started)
    }

    /// Waits until a read answers at the last position written.
    pub async fn wait_until_readable(&self) -> Result<(), ImportError> {
        let position = self.position.load(Ordering::Relaxed);
        let path = self.project_path("");
        let deadline = self.clock.monotonic() + READ_SIDE_TIMEOUT;
        loop {
            let request = self
                .request(Method::GET, &path)
                .header("Tga-Min-Position", position.to_string());
            match self.attempt(request).await? {
                Attempt::Answer(_) => return Ok(()),
                Attempt::Again(wait, error) => {
                    if self.clock.monotonic() >= deadline {
                        return Err(match error {
                            ImportError::Refused { .. } => ImportError::ReadSide(position),
                            other => other,
                        });
                    }
                    self.clock
                        .sleep(wait.unwrap_or(Duration::from_millis(500)))
                        .await;
                }
            }
        }
    }

    fn project_path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.project)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Tries until it is answered. Everything an import sends may be sent twice.
    async fn send(
        &self,
        what: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Value, ImportError> {
        let mut pause = Duration::from_millis(200);
        let mut attempt = 1;
        loop {
            match self.attempt(request()).await? {
                Attempt::Answer(mut body) => {
                    let data = body.get_mut("data").map(Value::take);
                    return data.ok_or(ImportError::Unexpected(what));
                }
                Attempt::Again(_, error) if attempt == ATTEMPTS => return Err(error),
                Attempt::Again(wait, error) => {
                    if attempt == 1 && !self.has_remarked.swap(true, Ordering::Relaxed) {
                        remark(format!("trying again: {}", chain(&error)));
                    }
                    let wait = wait.unwrap_or(pause).min(LONGEST_WAIT);
                    self.clock.sleep(self.entropy.jitter(wait, 0.2)).await;
                    pause = (pause * 2).min(LONGEST_WAIT);
                    attempt += 1;
                }
            }
        }
    }

    async fn attempt(&self, request: RequestBuilder) -> Result<Attempt, ImportError> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Err(ImportError::Unreachable(error)),
            Err(error) => return Ok(Attempt::Again(None, ImportError::Unreachable(error))),
        };
        let status = response.status();
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        };
        if let Some(position) = header("tga-position") {
            self.position.fetch_max(position, Ordering::Relaxed);
        }
        let wait = header(RETRY_AFTER.as_str()).map(Duration::from_secs);
        let text = match response.bytes().await {
            Ok(text) => text,
            Err(error) => return Ok(Attempt::Again(wait, ImportError::Unreachable(error))),
        };
        let body: Value = match serde_json::from_slice(&text) {
            Ok(body) => body,
            // A proxy whose API is away.
            Err(_) if status.is_server_error() => {
                return Ok(Attempt::Again(wait, ImportError::NoApi { status }));
            }
            Err(_) => return Err(ImportError::NoApi { status }),
        };
        if status.is_success() {
            return Ok(Attempt::Answer(body));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let code = text(&body["meta"]["code"]);
        let refused = ImportError::Refused {
            status,
            code,
            message: text(&body["error"]),
        };
        if status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::CONFLICT
            || status.is_server_error()
        {
            Ok(Attempt::Again(wait, refused))
        } else {
            Err(refused)
        }
    }
}

enum Attempt {
    Answer(Value),
    /// Worth another try, after this long if the server said so.
    Again(Option<Duration>, ImportError),
}

/// The key of a file that holds just the key, or of a ready-file.
fn authorization(path: &Path) -> Result<HeaderValue, ImportError> {
    let text = fs::read_to_string(path).map_err(|source| ImportError::File {
        path: path.to_owned(),
        source,
    })?;
    let no_key = || ImportError::NoKey {
        path: path.to_owned(),
    };
    let key = match serde_json::from_str::<Value>(&text) {
        Ok(ready) => ready["demo"]["api_key"]
            .as_str()
            .ok_or_else(no_key)?
            .to_owned(),
        Err(_) => text.trim().to_owned(),
    };
    domain::credential::parse(&key).map_err(|_| no_key())?;
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| no_key())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::Arc;

    use axum::routing::get;
    use axum::{Json, Router};
    use domain::credential::{CredentialKind, CredentialSecret, RANDOM_BYTES};
    use tokio::net::TcpListener;

    use super::*;

    /// An API whose read side knows the project from the third question on.
    fn late_api() -> Router {
        let asked = Arc::new(AtomicU64::new(0));
        let project = get(async move || {
            if asked.fetch_add(1, Ordering::Relaxed) < 2 {
                let refused =
                    json!({"data": null, "error": "Not found", "meta": {"code": "not_found"}});
                return (StatusCode::NOT_FOUND, Json(refused));
            }
            (StatusCode::OK, Json(json!({"data": {}})))
        });
        Router::new().route("/api/v1/projects/{id}", project)
    }

    #[tokio::test]
    async fn a_project_that_was_made_a_moment_before_is_found() -> Result<(), Box<dyn Error>> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key_file = tempfile::NamedTempFile::new()?;
        let key = CredentialSecret::generate(CredentialKind::ApiKey, &[7; RANDOM_BYTES]);
        fs::write(key_file.path(), key.reveal())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/api/v1", listener.local_addr()?);
        let project = ProjectId::from_uuid(uuid::Uuid::nil());
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let api = Api::new(&address, key_file.path(), project, clock, entropy)?;
        tokio::select! {
            checked = api.check() => Ok(checked?),
            served = axum::serve(listener, late_api()).into_future() => {
                Err(format!("the API is gone: {served:?}").into())
            }
        }
    }
}
