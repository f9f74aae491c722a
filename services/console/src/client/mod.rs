//! Calls of the two APIs, as one person, each with a deadline.

mod download;
mod failure;
mod path;

use std::net::IpAddr;
use std::time::Duration;

use api::header::{
    IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, TGA_MIN_POSITION, TGA_POSITION, X_REQUEST_ID,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use reqwest::redirect;
use runtime::clock::Clock;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::download::Download;
pub use self::failure::{Failure, Refusal};
pub use self::path::Path;

/// How long a read may take, from asking to the last byte of its answer, whatever has to be asked again:
/// the query service itself waits 2 s for a position.
const READ_WITHIN: Duration = Duration::from_secs(8);
/// How long a command may take, likewise: longer than a barrier's bound, and the log's deadline before it.
const COMMAND_WITHIN: Duration = Duration::from_secs(20);
/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Waits before a call is made again that a busy system was late with. Nothing was done for it, and
/// a page makes several: people would see such a moment more often than programs do.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(700)];
/// The longest answer that is read whole, in bytes.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The two APIs.
pub struct Api {
    client: reqwest::Client,
    query: Url,
    command: Url,
    clock: Clock,
}

/// For whom a call is made, and by whom it was asked for.
#[derive(Clone)]
pub struct Caller {
    pub credential: Option<SecretString>,
    /// The browser's address. Nothing is asked for one that nobody knows: it would count as the console's.
    pub peer: Option<IpAddr>,
    pub request_id: HeaderValue,
    pub user_agent: Option<HeaderValue>,
    /// What reads must show.
    pub min_position: Option<u64>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer<T> {
    pub data: T,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// The log position of the answer.
    pub position: Option<u64>,
    /// Whether a command was carried out before, and this is what was answered then.
    pub is_replay: bool,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
}

impl Api {
    /// Reads go to the one, commands to the other.
    pub fn new(query: Url, command: Url, clock: Clock) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            query,
            command,
            clock,
        })
    }

    /// Asks for `path` below `/api/v1`.
    pub async fn get<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &Path,
    ) -> Result<Answer<T>, Failure> {
        let request = self.request(caller, Method::GET, &self.query, path)?;
        let passing = passing(path, caller.min_position.is_some());
        self.within(READ_WITHIN, self.answer(request, passing))
            .await
    }

    /// Asks for a file, of which only the head has come yet.
    pub async fn download(&self, caller: &Caller, path: &Path) -> Result<Download, Failure> {
        let request = self.request(caller, Method::GET, &self.query, path)?;
        let passing = passing(path, caller.min_position.is_some());
        let sent = self.send(request, passing);
        let response = self.within(READ_WITHIN, sent).await?;
        Ok(Download::new(response, self.clock.clone()))
    }

    /// Commands. The same `key` twice is one command.
    pub async fn command<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        method: Method,
        path: &Path,
        body: Option<&(impl Serialize + ?Sized + Sync)>,
        key: Option<&str>,
    ) -> Result<Answer<T>, Failure> {
        let mut request = self.request(caller, method, &self.command, path)?;
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|_| Failure::Unreadable)?;
            request = request
                .header(CONTENT_TYPE, api::header::APPLICATION_JSON)
                .body(body);
        }
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let answer = self.answer(request, passing(path, false));
        self.within(COMMAND_WITHIN, answer).await
    }

    fn request(
        &self,
        caller: &Caller,
        method: Method,
        base: &Url,
        path: &Path,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        let is_read = method == Method::GET;
        let peer = caller.peer.ok_or(Failure::NoPeer)?;
        let mut request = self
            .client
            .request(method, path.at(base))
            .header(X_FORWARDED_FOR, peer.to_string())
            .header(FORWARDED, forwarded_for(peer))
            .header(X_REQUEST_ID, caller.request_id.clone());
        if let Some(agent) = &caller.user_agent {
            request = request.header(USER_AGENT, agent.clone());
        }
        if let Some(credential) = &caller.credential
            && let Ok(mut bearer) =
                HeaderValue::try_from(format!("Bearer {}", credential.expose_secret()))
        {
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        Ok(match caller.min_position {
            Some(position) if is_read => request.header(TGA_MIN_POSITION, position),
            _ => request,
        })
    }

    /// The one deadline of a call: what of it is under way then is dropped. Apart, so that pages do not carry it.
    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let called = self.clock.timeout(limit, Box::pin(call)).await;
        called.unwrap_or(Err(Failure::Late))
    }

    async fn send(
        &self,
        mut request: reqwest::RequestBuilder,
        passing: &[&str],
    ) -> Result<reqwest::Response, Failure> {
        for wait in AGAIN_AFTER {
            let again = request.try_clone().filter(|_| !passing.is_empty());
            let sent = send_once(request).await;
            match (sent, again) {
                (Err(failure), Some(again))
                    if passing.iter().any(|code| failure.refusal(code).is_some()) =>
                {
                    self.clock.sleep(wait).await;
                    request = again;
                }
                (sent, _) => return sent,
            }
        }
        send_once(request).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        passing: &[&str],
    ) -> Result<Answer<T>, Failure> {
        let response = self.send(request, passing).await?;
        let position = response.headers().get(&TGA_POSITION);
        let position = position.and_then(|value| value.to_str().ok()?.parse().ok());
        let is_replay = response.headers().contains_key(&IDEMPOTENCY_REPLAYED);
        let body = body(response).await?;
        let envelope: Envelope<T> = serde_json::from_slice(&body).map_err(|error| {
            tracing::error!(%error, "an answer of the API cannot be read");
            Failure::Unreadable
        })?;
        Ok(Answer {
            data: envelope.data,
            next_cursor: envelope.meta.and_then(|meta| meta.next_cursor),
            position,
            is_replay,
        })
    }
}

/// Codes after which a call is made again: the gate could not check a credential, and a read came before what it is
/// to show. Beside the gate a call counts as a guess.
fn passing(path: &Path, is_of_position: bool) -> &'static [&'static str] {
    match (path.is_behind_gate(), is_of_position) {
        (false, _) => &[],
        (true, false) => &["verification_unavailable"],
        (true, true) => &["verification_unavailable", "projection_unavailable"],
    }
}

async fn send_once(request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
    let response = request.send().await.map_err(Failure::away)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let body = body(response).await?;
    Err(Failure::refused(status, &headers, &body))
}

async fn body(response: reqwest::Response) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        body.extend_from_slice(&part.map_err(Failure::away)?);
        if body.len() > ANSWER_BYTES {
            return Err(Failure::Unreadable);
        }
    }
    Ok(body.freeze())
}

/// RFC 7239, for services that were told to read this header.
fn forwarded_for(peer: IpAddr) -> String {
    match peer {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}

#[cfg(test)]
mod tests;
