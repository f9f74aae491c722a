//! Events as requests, one after another: what is answered has been taken.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use domain::ids::GlobalPosition;
use event_log::StoredEvent;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use reqwest::{Client, Response, StatusCode, Url};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::retry::Policy;
use runtime::telemetry::chain;

use super::sink::SinkError;
use crate::terminal::remark;

/// How often a request is tried before the replay gives up.
const ATTEMPTS: u32 = 10;
/// Waits between tries: some two minutes in all.
const RETRY: Policy =
    Policy::exponential(Duration::from_millis(200), Duration::from_secs(30)).up_to(ATTEMPTS);
/// The longest wait that an answer may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A wait of which whoever watches is told.
const REMARKABLE: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A request takes no further event once it has as many bytes.
const BODY_BYTES: usize = 1024 * 1024;

const ONE: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
const SEVERAL: HeaderValue =
    HeaderValue::from_static("application/cloudevents-batch+json; charset=utf-8");

/// Where events are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// The text is no address to post to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    #[error("not an address such as https://example.com/events")]
    Form,
    #[error("credentials do not belong on a command line: use --authorization-file")]
    Credentials,
}

/// Posts events.
pub struct Http {
    client: Client,
    endpoint: Endpoint,
    batch: usize,
    clock: Clock,
    entropy: Entropy,
    given: Option<GlobalPosition>,
    taken: Option<GlobalPosition>,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let url: Url = text.parse().map_err(|_| InvalidEndpoint::Form)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidEndpoint::Form);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::Credentials);
        }
        Ok(Self(url))
    }
}

impl Http {
    pub fn new(
        endpoint: Endpoint,
        authorization_file: Option<&Path>,
        batch: usize,
        (clock, entropy): (Clock, Entropy),
    ) -> Result<Self, SinkError> {
        let mut headers = HeaderMap::new();
        if let Some(path) = authorization_file {
            headers.insert(AUTHORIZATION, authorization(path)?);
        }
        let client = Client::builder()
            .default_headers(headers)
            .timeout(ANSWER_WITHIN)
            // An endpoint may serve one connection at a time: beside one that is kept, no other is ever answered.
            .pool_max_idle_per_host(0)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SinkError::Client)?;
        Ok(Self {
            client,
            endpoint,
            batch,
            clock,
            entropy,
            given: None,
            taken: None,
        })
    }

    pub async fn send(&mut self, events: &[StoredEvent]) -> Result<(), SinkError> {
        let mut rest = events;
        while let Some(first) = rest.first() {
            let (body, count) = self.body(rest);
            let (some, later) = rest.split_at(count);
            let last = some.last().map(|event| event.position);
            self.given = last;
            self.post(body, first.position).await?;
            self.taken = last;
            rest = later;
        }
        Ok(())
    }

    /// As many events as fit, and how many they are.
    fn body(&self, events: &[StoredEvent]) -> (Bytes, usize) {
        let Some((first, more)) = events.split_first() else {
            return (Bytes::new(), 0);
        };
        let mut body = first.to_cloud_event();
        if self.batch == 1 {
            return (body.into(), 1);
        }
        body.insert(0, '[');
        let mut count = 1;
        for event in more.iter().take(self.batch - 1) {
            if body.len() >= BODY_BYTES {
                break;
            }
            body.push(',');
            body.push_str(&event.to_cloud_event());
            count += 1;
        }
        body.push(']');
        (body.into(), count)
    }

    async fn post(&self, body: Bytes, position: GlobalPosition) -> Result<(), SinkError> {
        let mut waits = RETRY.waits(&self.entropy);
        let content_type = if self.batch == 1 { ONE } else { SEVERAL };
        loop {
            let request = self
                .client
                .post(self.endpoint.0.clone())
                .header(CONTENT_TYPE, content_type.clone())
                .body(body.clone());
            let (failed, why, asked) = match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if may_pass(answer.status()) => {
                    let (status, attempts) = (answer.status(), ATTEMPTS);
                    let asked = retry_after(&answer);
                    let failed = SinkError::Unavailable { status, attempts };
                    (failed, format!("it answers {status}"), asked)
                }
                Ok(answer) => {
                    let status = answer.status();
                    return Err(SinkError::Refused { status, position });
                }
                Err(source) => {
                    let attempts = ATTEMPTS;
                    // An address may hold what nobody else should read.
                    let source = source.without_url();
                    let why = chain(&source).to_string();
                    (SinkError::Unreachable { attempts, source }, why, None)
                }
            };
            let wait = waits.next().ok_or(failed)?;
            let wait = asked.map_or(wait, |asked| wait.max(asked.min(LONGEST_WAIT)));
            if wait >= REMARKABLE {
                let seconds = wait.as_secs();
                remark(format_args!(
                    "the endpoint has not taken position {position} yet, tried again in {seconds} s: {why}"
                ));
            }
            self.clock.sleep(wait).await;
        }
    }

    pub const fn taken(&self) -> Option<GlobalPosition> {
        self.taken
    }

    pub fn has_all(&self) -> bool {
        self.taken == self.given
    }
}

/// Whether the same request may be taken later.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status)
}

/// Seconds; a date is not believed.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn authorization(path: &Path) -> Result<HeaderValue, SinkError> {
    let text = fs::read_to_string(path).map_err(|source| SinkError::File {
        path: path.to_owned(),
        source,
    })?;
    let refused = |_| SinkError::Authorization(path.to_owned());
    let mut value = HeaderValue::from_str(text.trim()).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::{Endpoint, InvalidEndpoint, may_pass};

    #[test]
    fn an_endpoint_is_an_address_without_credentials() {
        let endpoint = |text: &str| text.parse::<Endpoint>();
        assert!(endpoint("http://127.0.0.1:9/x?a=b").is_ok());
        for text in ["", "example.com", "ftp://example.com", "file:///etc/passwd"] {
            assert_eq!(endpoint(text), Err(InvalidEndpoint::Form), "{text}");
        }
        for text in ["https://me:secret@example.com", "https://me@example.com"] {
            assert_eq!(endpoint(text), Err(InvalidEndpoint::Credentials), "{text}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, expected) in [
            (StatusCode::BAD_GATEWAY, true),
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::BAD_REQUEST, false),
            (StatusCode::FOUND, false),
            (StatusCode::GONE, false),
        ] {
            assert_eq!(may_pass(status), expected, "{status}");
        }
    }
}
