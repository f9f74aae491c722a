//! One attempt at a delivery. Whoever answers is a stranger: they get little time, little of their
//! answer is read, and nothing that they say is followed.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::EventId;
use domain::limits::{
    DELIVERY_ANSWER_BYTES, DELIVERY_ANSWER_CHARS, DELIVERY_SECONDS, WEBHOOK_TESTS,
};
use domain::text::clean;
use domain::webhook::{DeliveryError, WebhookUrl};
use futures_util::StreamExt;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use runtime::clock::Clock;

use super::secret::WebhookSecret;
use super::sender::PLACES;
use crate::outgoing::{
    Authorities, Guard, LeadsInside, LeadsNowhere, Lookup, SystemLookup, client, same_host,
};

/// How long an answer may take, from the name to the last byte that is read.
const ANSWER_WITHIN: Duration = Duration::from_secs(DELIVERY_SECONDS);
/// How much of it may pass between the status and the last byte that is read.
const BODY_WITHIN: Duration = Duration::from_secs(3);
/// Names that the system is asked about at once: twice what is sent at once, since whoever gives up
/// leaves a thread that goes on asking.
const LOOKUPS: usize = 2 * (PLACES + WEBHOOK_TESTS);

/// What a delivery says it is: a CloudEvent in its structured form.
const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";
const AGENT: &str = concat!("trackagoat/", env!("CARGO_PKG_VERSION"));

/// What an operator says of deliveries.
#[derive(Debug, Clone, Default)]
pub struct CourierConfig {
    /// Where they may go.
    pub guard: Guard,
    /// Who is trusted beside the public authorities.
    pub authorities: Option<Authorities>,
}

/// Sends deliveries; cheap to clone.
#[derive(Clone)]
pub struct Courier {
    client: reqwest::Client,
    guard: Guard,
    clock: Clock,
}

/// What is sent.
pub(super) struct Message<'a> {
    /// By which whoever takes it tells repetitions.
    pub id: EventId,
    /// The event.
    pub body: String,
    /// Each of them signs.
    pub secrets: &'a [WebhookSecret],
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It was not.
    Failed(DeliveryError),
    /// 410: nothing is wanted there any more.
    Gone,
}

/// What became of an attempt, and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What became of it.
    pub outcome: Outcome,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How the answer begins, if it says something.
    pub answer: Option<String>,
}

impl Sent {
    fn failed(error: DeliveryError) -> Self {
        Self {
            outcome: Outcome::Failed(error),
            status: None,
            answer: None,
        }
    }

    /// The service itself was not able to.
    pub(super) fn internal() -> Self {
        Self::failed(DeliveryError::Internal)
    }

    /// Why it failed, if it did.
    pub const fn error(&self) -> Option<DeliveryError> {
        match self.outcome {
            Outcome::Taken => None,
            Outcome::Failed(error) => Some(error),
            Outcome::Gone => Some(DeliveryError::Status),
        }
    }
}

impl Courier {
    /// That asks the system where names lead.
    ///
    /// # Errors
    /// If an authority's certificate is none.
    pub fn try_new(config: &CourierConfig, clock: Clock) -> Result<Self, reqwest::Error> {
        Self::with_lookup(config, clock, Arc::new(SystemLookup::new(LOOKUPS)))
    }

    /// The same with other names.
    ///
    /// # Errors
    /// As of [`Self::try_new`]
    pub fn with_lookup(
        config: &CourierConfig,
        clock: Clock,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: client(&config.guard, lookup, config.authorities.as_ref())?,
            guard: config.guard.clone(),
            clock,
        })
    }

    /// Where deliveries may go.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// One attempt.
    pub(super) async fn send(&self, url: &WebhookUrl, message: &Message<'_>) -> Sent {
        // What the operator allows may have changed since the address was given.
        if self.guard.judge(url).is_err() {
            return Sent::failed(DeliveryError::AddressRefused);
        }
        let began = self.clock.monotonic();
        let answering = self.answer(url, message);
        let answer = match self.clock.timeout(ANSWER_WITHIN, answering).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Sent::failed(error),
            Err(_) => return Sent::failed(DeliveryError::Timeout),
        };
        let status = answer.status();
        let mut body = Vec::new();
        let took = self.clock.monotonic().saturating_since(began);
        let left = ANSWER_WITHIN.saturating_sub(took).min(BODY_WITHIN);
        // The status was told: what is late, or cut off, of a body is worth nothing more.
        let _ = self.clock.timeout(left, read(answer, &mut body)).await;
        let text = clean(&String::from_utf8_lossy(&body));
        Sent {
            outcome: outcome(status),
            status: Some(status.as_u16()),
            answer: text.map(|text| text.chars().take(DELIVERY_ANSWER_CHARS).collect()),
        }
    }

    async fn answer(
        &self,
        url: &WebhookUrl,
        message: &Message<'_>,
    ) -> Result<reqwest::Response, DeliveryError> {
        let target = same_host(url).ok_or(DeliveryError::AddressRefused)?;
        let (id, seconds) = (message.id.to_string(), self.clock.now().timestamp());
        let signatures: Vec<String> = message
            .secrets
            .iter()
            .map(|secret| secret.sign(&id, seconds, &message.body))
            .collect();
        self.client
            .post(target)
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(ACCEPT, "*/*")
            .header(USER_AGENT, AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "))
            .body(message.body.clone())
            .send()
            .await
            .map_err(|error| reason(&error))
    }
}

/// Reads the beginning of an answer, as far as it comes; the rest is not waited for.
async fn read(answer: reqwest::Response, body: &mut Vec<u8>) {
    let mut chunks = answer.bytes_stream();
    while body.len() < DELIVERY_ANSWER_BYTES {
        let Some(Ok(chunk)) = chunks.next().await else {
            return;
        };
        let room = DELIVERY_ANSWER_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
}

fn outcome(status: StatusCode) -> Outcome {
    if status.is_success() {
        Outcome::Taken
    } else if status == StatusCode::GONE {
        Outcome::Gone
    } else if status.is_redirection() {
        Outcome::Failed(DeliveryError::Redirect)
    } else {
        Outcome::Failed(DeliveryError::Status)
    }
}

/// Why there was no answer. The error itself names addresses, and goes nowhere.
fn reason(error: &reqwest::Error) -> DeliveryError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(one) = cause {
        if one.is::<LeadsInside>() {
            return DeliveryError::AddressRefused;
        }
        if one.is::<LeadsNowhere>() {
            return DeliveryError::NameNotResolved;
        }
        if is_tls(one) {
            return DeliveryError::Tls;
        }
        cause = one.source();
    }
    if error.is_timeout() {
        DeliveryError::Timeout
    } else if error.is_connect() {
        DeliveryError::Connection
    } else if error.is_request() || error.is_body() {
        broken(error)
    } else {
        DeliveryError::Protocol
    }
}

/// A connection that stood and broke, or on which something else than HTTP is spoken.
fn broken(error: &reqwest::Error) -> DeliveryError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(one) = cause {
        let is_cut = |it: &hyper::Error| it.is_incomplete_message() || it.is_closed();
        if one.is::<std::io::Error>() || one.downcast_ref().is_some_and(is_cut) {
            return DeliveryError::Connection;
        }
        cause = one.source();
    }
    DeliveryError::Protocol
}

/// An error of IO may hold another one, which its `source` leaves out.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}
