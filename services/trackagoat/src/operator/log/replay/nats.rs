//! Events on a subject of the operator's choice, for whoever subscribes to it now or keeps it in a
//! stream.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Event, HeaderMap, HeaderValue, Subscriber};
use domain::ids::{GlobalPosition, LogEpoch};
use event_log::StoredEvent;
use futures_util::StreamExt;
use runtime::clock::Clock;
use secrecy::SecretString;
use tokio::sync::watch;

use super::sink::SinkError;
use crate::nats::connect_and_hear;

const POSITION: &str = "Tga-Position";
const EPOCH: &str = "Tga-Epoch";
const HASH: &str = "Tga-Hash";

/// Events between two questions whether the server has taken all so far.
const UNCONFIRMED: usize = 1_000;
/// How long the server may take to do so.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// Characters of the longest subject.
const SUBJECT_CHARS: usize = 200;

/// Where events are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(String);

/// The text is no subject to publish to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    #[error("not a subject such as replay.orders: words with dots between, without wildcards")]
    Form,
    #[error("subjects under tga. are the log's own, and those under $ and _INBOX. the server's")]
    Reserved,
}

/// Publishes events.
pub struct Nats {
    client: Client,
    subject: Subject,
    epoch: HeaderValue,
    clock: Clock,
    /// What comes back on it was sent after everything before it was taken.
    echo: Subscriber,
    echo_subject: String,
    refusals: watch::Receiver<Option<String>>,
    given: Option<GlobalPosition>,
    taken: Option<GlobalPosition>,
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let is_word = |word: &str| {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>');
            !word.is_empty() && word.bytes().all(is_plain)
        };
        if text.len() > SUBJECT_CHARS || !text.split('.').all(is_word) {
            return Err(InvalidSubject::Form);
        }
        let first = text.split('.').next().unwrap_or_default();
        let is_reserved = first.starts_with('$') || ["tga", "_INBOX"].contains(&first);
        if is_reserved {
            return Err(InvalidSubject::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Nats {
    pub async fn connect(
        subject: Subject,
        url: &SecretString,
        epoch: LogEpoch,
        clock: Clock,
    ) -> Result<Self, SinkError> {
        let (sender, refusals) = watch::channel(None);
        let sender = Arc::new(sender);
        let client = connect_and_hear(url, move |event| {
            let sender = Arc::clone(&sender);
            async move {
                // A subject that may not be published to is told this way alone.
                if let Event::ServerError(error) = event {
                    sender.send_replace(Some(error.to_string()));
                }
            }
        })
        .await?;
        let echo_subject = client.new_inbox();
        let echo = client.subscribe(echo_subject.clone()).await;
        Ok(Self {
            echo: echo.map_err(SinkError::Replies)?,
            echo_subject,
            client,
            subject,
            epoch: HeaderValue::from(epoch.to_string()),
            clock,
            refusals,
            given: None,
            taken: None,
        })
    }

    pub async fn send(&mut self, events: &[StoredEvent]) -> Result<(), SinkError> {
        for some in events.chunks(UNCONFIRMED) {
            for event in some {
                self.given = Some(event.position);
                let mut headers = HeaderMap::new();
                headers.insert(POSITION, HeaderValue::from(event.position.get()));
                headers.insert(EPOCH, self.epoch.clone());
                headers.insert(HASH, event.hash.to_string());
                let payload = event.to_cloud_event().into();
                let subject = self.subject.0.clone();
                let published = self.client.publish_with_headers(subject, headers, payload);
                published.await.map_err(SinkError::Publish)?;
            }
            self.confirm().await?;
            self.taken = self.given;
        }
        Ok(())
    }

    /// The server handles what one connection sends in order: once a message to ourselves is back,
    /// it has taken all that was sent before.
    async fn confirm(&mut self) -> Result<(), SinkError> {
        let mark = self.given.unwrap_or_default().to_string();
        let echo_subject = self.echo_subject.clone();
        let sent = self.client.publish(echo_subject, mark.clone().into()).await;
        sent.map_err(SinkError::Publish)?;
        let (echo, refusals) = (&mut self.echo, &mut self.refusals);
        let is_back = async {
            while let Some(message) = echo.next().await {
                if message.payload == mark.as_bytes() {
                    return;
                }
            }
        };
        let refused = async { refusals.wait_for(Option::is_some).await.is_ok() };
        let waited = self.clock.timeout(TAKEN_WITHIN, async {
            tokio::select! {
                () = is_back => {}
                true = refused => {}
            }
        });
        let is_late = waited.await.is_err();
        if let Some(refusal) = self.refusals.borrow().clone() {
            return Err(SinkError::NatsRefused(refusal));
        }
        if is_late {
            return Err(SinkError::NatsSilent(TAKEN_WITHIN.as_secs()));
        }
        Ok(())
    }

    pub const fn taken(&self) -> Option<GlobalPosition> {
        self.taken
    }

    pub fn has_all(&self) -> bool {
        self.taken == self.given
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidSubject, Subject};

    #[test]
    fn only_subjects_of_others_are_published_to() {
        for text in ["replay", "replay.orders-1", "a.$b", "tgax.events"] {
            assert!(text.parse::<Subject>().is_ok(), "{text}");
        }
        for text in ["", ".", "a.", "a..b", "a b", "a.*", "a.>", "ä"] {
            assert_eq!(text.parse::<Subject>(), Err(InvalidSubject::Form), "{text}");
        }
        for text in ["tga", "tga.events.x", "$JS.API.INFO", "_INBOX.x", "$SYS"] {
            let refused = Err(InvalidSubject::Reserved);
            assert_eq!(text.parse::<Subject>(), refused, "{text}");
        }
    }
}
