//! Publishing a run of events, pipelined. Each message names the sequence before it, so the stream
//! takes none after one that it refused: whoever knows that it has the last knows that it has all.
//! Only the first and the last of a window are acknowledged, on one inbox; the first, because only
//! it says why the stream takes nothing.

use std::time::Duration;

use async_nats::header::HeaderValue;
use async_nats::{StatusCode, Subscriber};
use domain::ids::{GlobalPosition, LogEpoch};
use futures_util::StreamExt;
use runtime::clock::Clock;
use serde::Deserialize;

use super::{MirrorError, message};
use crate::log::EventLog;
use crate::metrics as names;
use crate::stored::StoredEvent;

/// Bytes sent before an acknowledgement is awaited.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// JetStream's code for "wrong last sequence".
const WRONG_LAST_SEQUENCE: u64 = 10_071;

/// Publishes to the stream and hears what became of it.
pub struct Publisher {
    client: async_nats::Client,
    clock: Clock,
    epoch: LogEpoch,
    epoch_header: HeaderValue,
    inbox: String,
    answers: Subscriber,
}

/// What became of a run of events.
#[derive(Debug, PartialEq, Eq)]
pub enum Published {
    /// All are on the stream, up to this position.
    All(GlobalPosition),
    /// The stream does not stand where they would follow, or is not there.
    Elsewhere,
}

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<AckError>,
}

#[derive(Deserialize)]
struct AckError {
    err_code: u64,
    description: String,
}

impl Publisher {
    pub async fn open(
        client: &async_nats::Client,
        log: &EventLog,
        epoch: LogEpoch,
    ) -> Result<Self, MirrorError> {
        let inbox = client.new_inbox();
        let answers = client
            .subscribe(format!("{inbox}.*"))
            .await
            .map_err(|source| MirrorError::Nats {
                what: "open an inbox",
                source: source.into(),
            })?;
        Ok(Self {
            client: client.clone(),
            clock: log.clock().clone(),
            epoch,
            epoch_header: HeaderValue::from(epoch.to_string()),
            inbox,
            answers,
        })
    }

    /// The epoch that the messages state.
    pub const fn epoch(&self) -> LogEpoch {
        self.epoch
    }

    /// Publishes consecutive events.
    pub async fn publish(
        &mut self,
        events: &[StoredEvent],
        deadline: Duration,
    ) -> Result<Published, MirrorError> {
        let mut outcome = Published::Elsewhere;
        let mut rest = events;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |event: &&StoredEvent| {
                bytes += event.text_bytes();
                bytes <= WINDOW_BYTES
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (window, after) = rest.split_at(count);
            let clock = self.clock.clone();
            outcome = clock
                .timeout(deadline, self.publish_window(window))
                .await
                .unwrap_or(Err(MirrorError::Late {
                    what: "acknowledge",
                }))?;
            if outcome == Published::Elsewhere {
                break;
            }
            rest = after;
        }
        Ok(outcome)
    }

    async fn publish_window(&mut self, window: &[StoredEvent]) -> Result<Published, MirrorError> {
        let began = self.clock.monotonic();
        let last = window.len().saturating_sub(1);
        for (index, event) in window.iter().enumerate() {
            self.send(event, index == 0 || index == last).await?;
        }
        let mut outcome = Published::Elsewhere;
        for event in ends(window) {
            outcome = self.answer_for(event.position).await?;
            if outcome == Published::Elsewhere {
                return Ok(outcome);
            }
        }
        let took = self.clock.monotonic().saturating_since(began);
        metrics::histogram!(names::PUBLISH_SECONDS).record(took);
        metrics::counter!(names::MIRRORED).increment(window.len() as u64);
        Ok(outcome)
    }

    async fn send(&self, event: &StoredEvent, acknowledged: bool) -> Result<(), MirrorError> {
        let subject = message::subject(event);
        let headers = message::headers(event, &self.epoch_header);
        let payload = message::payload(event);
        let sent = if acknowledged {
            let reply = format!("{}.{}", self.inbox, event.position);
            self.client
                .publish_with_reply_and_headers(subject, reply, headers, payload)
                .await
        } else {
            self.client
                .publish_with_headers(subject, headers, payload)
                .await
        };
        sent.map_err(|source| MirrorError::Nats {
            what: "publish",
            source: source.into(),
        })
    }

    /// The answer for one position; late answers to others are passed over.
    async fn answer_for(&mut self, position: GlobalPosition) -> Result<Published, MirrorError> {
        loop {
            let Some(message) = self.answers.next().await else {
                return Err(MirrorError::Late {
                    what: "keep the connection",
                });
            };
            let of = message.subject.rsplit('.').next();
            if of.and_then(|text| text.parse().ok()) != Some(position.get()) {
                continue;
            }
            return read_answer(position, &message);
        }
    }
}

/// The first and the last.
fn ends(window: &[StoredEvent]) -> impl Iterator<Item = &StoredEvent> {
    let last = window.get(1..).and_then(<[_]>::last);
    window.first().into_iter().chain(last)
}

fn read_answer(
    position: GlobalPosition,
    message: &async_nats::Message,
) -> Result<Published, MirrorError> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        // No stream takes the subject.
        return Ok(Published::Elsewhere);
    }
    let refused = |source: Box<dyn std::error::Error + Send + Sync>| MirrorError::Nats {
        what: "store an event",
        source,
    };
    let ack: Ack = serde_json::from_slice(&message.payload).map_err(|e| refused(e.into()))?;
    match ack.error {
        Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(Published::Elsewhere),
        Some(error) => Err(refused(error.description.into())),
        None if ack.seq == position.get() => Ok(Published::All(position)),
        None => Err(refused("it was stored at another sequence".into())),
    }
}
