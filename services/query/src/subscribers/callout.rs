//! Answers the server when somebody connects: the gate decides, as about any request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use domain::ids::OrgId;
use domain::scope::Scope;
use domain::time::Timestamp;
use futures_util::StreamExt;
use gate::{Denial, Gate, InsufficientScope, Principal, Purpose};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::nats_keys::SubscriberKeys;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use thiserror::Error;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::durables::{DurableError, Durables};
use super::grant::{self, Grant};
use super::request::{AuthRequest, NotAsked, Presented};
use crate::metrics::SUBSCRIBER_CONNECTS;

/// Where a server asks.
const SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// One of all services answers.
const QUEUE: &str = "subscribers";
/// In which a server says under which key it seals.
const CURVE: &str = "Nats-Server-Xkey";
/// Most that are looked at at once; beyond them nobody answers, and the server refuses.
const AT_ONCE: usize = 64;
/// What a connection is counted as: it is the stream of events by another way.
const PURPOSE: Purpose = Purpose {
    method: "GET",
    route: "/audit/stream",
    scope: Some(Scope::Audit),
};
const RETRY: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(2));

/// Answers who asks to connect.
pub struct Callout {
    /// Who may call.
    pub gate: Gate,
    /// Where the server asks.
    pub system: Client,
    /// What must be there before a subscriber is.
    pub durables: Durables,
    /// Under which the server takes answers.
    pub keys: SubscriberKeys,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
}

/// Why somebody is not let in.
#[derive(Debug, Error)]
enum Refusal {
    #[error(transparent)]
    Gate(#[from] Denial),
    #[error(transparent)]
    Scope(#[from] InsufficientScope),
    #[error("a session is no subscriber")]
    Session,
    #[error("the durable cannot be had")]
    Durable(#[from] DurableError),
}

impl Callout {
    /// Answers until the stage stops; then the server asks others.
    pub async fn run(self, tasks: Tasks) {
        let callout = Arc::new(self);
        let answering = async {
            let mut waits = RETRY.waits(&callout.entropy);
            loop {
                let asked = callout.system.queue_subscribe(SUBJECT, QUEUE.to_owned());
                match asked.await {
                    Ok(asked) => {
                        callout.answer_all(asked, &tasks).await;
                        waits = RETRY.waits(&callout.entropy);
                    }
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "nobody lets subscribers in here");
                    }
                }
                if let Some(wait) = waits.next() {
                    callout.clock.sleep(wait).await;
                }
            }
        };
        tokio::select! {
            () = answering => {}
            () = tasks.stopping() => {}
        }
    }

    async fn answer_all(self: &Arc<Self>, mut asked: Subscriber, tasks: &Tasks) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(message) = asked.next().await {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                count("crowded");
                continue;
            };
            let callout = Arc::clone(self);
            tasks.spawn(TaskKind::Request, "subscriber", async move {
                callout.answer(message).await;
                drop(place);
            });
        }
    }

    async fn answer(&self, message: Message) {
        let Some(reply) = message.reply.clone() else {
            return;
        };
        let request = match read(&message, &self.keys) {
            Ok(request) => request,
            Err(error) => {
                count("malformed");
                tracing::warn!(error = %error, "what NATS asks about a connection is not read");
                return;
            }
        };
        // The message holds what was sealed, and nobody needs it.
        drop(message);
        let admitted = self.admit(&request).await;
        note(&admitted, request.peer);
        let now = self.now();
        let grant = admitted.ok();
        let answer = grant::answer(&request, grant.as_ref(), &self.keys, now, &self.entropy);
        let Some(answer) = answer else {
            tracing::error!("an answer about a connection cannot be written");
            return;
        };
        if let Err(error) = self.system.publish(reply, answer.into()).await {
            tracing::warn!(error = %chain(&error), "an answer about a connection is not sent");
        }
    }

    /// Steps 1 to 3 and the scope, as of any request; then what the subscriber will ask.
    async fn admit(&self, request: &AuthRequest) -> Result<Grant, Refusal> {
        let headers = headers(&request.presented)?;
        let admission = self.gate.authorize(&headers, request.peer).await?;
        let Principal::Key { id, org, .. } = admission.principal else {
            return Err(Refusal::Session);
        };
        if let Err(missing) = admission.require(Scope::Audit) {
            self.gate.may_tell(&admission).await?;
            return Err(missing.into());
        }
        self.gate.count(&admission, PURPOSE);
        self.durables.ensure(org, id).await?;
        let ends = admission.key_expires_at;
        Ok(Grant::new(org, id, ends, self.now(), &self.entropy))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }
}

fn read(message: &Message, keys: &SubscriberKeys) -> Result<AuthRequest, NotAsked> {
    let headers = message.headers.as_ref();
    let curve = headers.and_then(|headers| headers.get(CURVE));
    AuthRequest::read(
        &message.payload,
        curve.map(async_nats::HeaderValue::as_str),
        keys,
    )
}

/// The credential as a request would present it.
fn headers(presented: &Presented) -> Result<HeaderMap, Denial> {
    let presented = presented.reveal();
    if presented.is_empty() {
        return Err(Denial::Missing);
    }
    let bearer = Zeroizing::new(format!("Bearer {presented}"));
    let value = HeaderValue::from_str(&bearer);
    let mut value = value.map_err(|_| Denial::Invalid)?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

fn note(admitted: &Result<Grant, Refusal>, peer: IpAddr) {
    match admitted {
        Ok(grant) => {
            count("admitted");
            let Grant { org, key, until } = *grant;
            let org: OrgId = org;
            tracing::info!(%org, %key, %peer, %until, "a subscriber is let in");
        }
        Err(refusal) => {
            let is_away = matches!(
                refusal,
                Refusal::Durable(_) | Refusal::Gate(Denial::VerificationUnavailable)
            );
            count(if is_away { "unavailable" } else { "refused" });
            tracing::info!(%peer, why = %chain(refusal), "a subscriber is not let in");
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(SUBSCRIBER_CONNECTS, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn presented(text: &str) -> Presented {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn nothing_is_told_from_what_is_no_credential() {
        assert_eq!(headers(&presented("")).unwrap_err(), Denial::Missing);
        assert_eq!(headers(&presented("a\r\nb")).unwrap_err(), Denial::Invalid);
        let headers = headers(&presented("tga_x")).unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer tga_x");
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
}
