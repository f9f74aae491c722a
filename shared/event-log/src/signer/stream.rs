//! Copies of signed heads on JetStream.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use runtime::clock::Clock;
use thiserror::Error;

use super::copies::{CheckpointCopy, End};

/// The stream.
pub const CHECKPOINT_STREAM: &str = "TGA_CHECKPOINTS";
/// Its one subject.
pub const CHECKPOINT_SUBJECT: &str = "tga.checkpoints";
/// How long NATS may take for one step.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of copies that are kept, some half a million; the oldest go first.
const MAX_BYTES: i64 = 256 * 1024 * 1024;
const MESSAGE_BYTES: i32 = 32 * 1024;
/// Messages among which the newest head is looked for, if the last one is none: more than all notes of
/// restorations that are carried.
const NOTES: u64 = 4_096;

/// NATS does not take or give copies.
#[derive(Debug, Error)]
#[error("NATS could not {what} the checkpoints")]
pub struct StreamCopyError {
    what: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

pub(super) struct CheckpointStream {
    context: Context,
    clock: Clock,
    replicas: usize,
}

impl CheckpointStream {
    pub fn new(client: Client, clock: Clock, replicas: usize) -> Self {
        Self {
            context: jetstream::new(client),
            clock,
            replicas,
        }
    }

    /// The newest head and what stands behind it; the stream is made unless it is there.
    pub async fn end(&self) -> Result<End, StreamCopyError> {
        let asking = async {
            let stream = self.ensure().await?;
            let last = stream.get_last_raw_message_by_subject(CHECKPOINT_SUBJECT);
            let last = match last.await {
                Ok(message) => message,
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                    return Ok(End::default());
                }
                Err(error) => return Err(failure("read", error)),
            };
            let mut end = End::default();
            let copy = CheckpointCopy::parse(&last.payload).ok();
            if let Some(head) = copy.filter(|copy| !copy.is_restoration()) {
                end.push(head);
                return Ok(end);
            }
            let from = DeliverPolicy::ByStartSequence {
                start_sequence: last.sequence.saturating_sub(NOTES).max(1),
            };
            let take = |copy| end.push(copy);
            read(&stream, &self.clock, from, last.sequence, take).await?;
            Ok(end)
        };
        self.in_time("read", asking).await
    }

    /// Publishes copies; NATS has acknowledged them when this returns.
    pub async fn add(&self, copies: Vec<CheckpointCopy>) -> Result<(), StreamCopyError> {
        for copy in copies {
            let publish = async {
                let sent = self.context.publish(CHECKPOINT_SUBJECT, copy.line().into());
                let acknowledged = sent.await.map_err(|error| failure("take", error))?;
                acknowledged.await.map_err(|error| failure("take", error))
            };
            self.in_time("take", publish).await?;
        }
        Ok(())
    }

    async fn ensure(&self) -> Result<Stream, StreamCopyError> {
        let made = self.context.get_or_create_stream(Config {
            name: CHECKPOINT_STREAM.to_owned(),
            description: Some(
                "Signed heads of the log, one for each size that was signed".to_owned(),
            ),
            subjects: vec![CHECKPOINT_SUBJECT.to_owned()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            max_bytes: MAX_BYTES,
            max_message_size: MESSAGE_BYTES,
            num_replicas: self.replicas,
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            ..Config::default()
        });
        made.await.map_err(|error| failure("keep", error))
    }

    async fn in_time<T>(
        &self,
        what: &'static str,
        step: impl Future<Output = Result<T, StreamCopyError>>,
    ) -> Result<T, StreamCopyError> {
        let done = self.clock.timeout(ANSWER, Box::pin(step)).await;
        done.unwrap_or_else(|late| Err(failure(what, late)))
    }
}

/// Every copy on the stream, in order; none if there is no stream.
///
/// # Errors
/// If NATS does not answer.
pub async fn checkpoints_of_stream(
    client: Client,
    clock: &Clock,
    take: impl FnMut(CheckpointCopy),
) -> Result<(), StreamCopyError> {
    let step = |what, late| failure(what, late);
    let context = jetstream::new(client);
    let stream = clock
        .timeout(ANSWER, context.get_stream(CHECKPOINT_STREAM))
        .await
        .map_err(|late| step("describe", late))?;
    let Ok(stream) = stream else { return Ok(()) };
    let state = &stream.cached_info().state;
    if state.messages == 0 {
        return Ok(());
    }
    let end = state.last_sequence;
    read(&stream, clock, DeliverPolicy::All, end, take).await
}

/// The copies from one message to another.
async fn read(
    stream: &Stream,
    clock: &Clock,
    from: DeliverPolicy,
    to: u64,
    mut take: impl FnMut(CheckpointCopy),
) -> Result<(), StreamCopyError> {
    let config = jetstream::consumer::pull::OrderedConfig {
        deliver_policy: from,
        ..Default::default()
    };
    let consumer = clock
        .timeout(ANSWER, stream.create_consumer(config))
        .await
        .map_err(|late| failure("give", late))?
        .map_err(|error| failure("give", error))?;
    let mut messages = clock
        .timeout(ANSWER, consumer.messages())
        .await
        .map_err(|late| failure("give", late))?
        .map_err(|error| failure("give", error))?;
    loop {
        let next = clock.timeout(ANSWER, messages.next()).await;
        let next = next.map_err(|late| failure("give", late))?;
        let Some(message) = next else { return Ok(()) };
        let message = message.map_err(|error| failure("give", error))?;
        if let Ok(copy) = CheckpointCopy::parse(&message.payload) {
            take(copy);
        }
        let info = message.info().map_err(|error| failure("give", error))?;
        if info.stream_sequence >= to {
            return Ok(());
        }
    }
}

fn failure(
    what: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StreamCopyError {
    StreamCopyError {
        what,
        source: source.into(),
    }
}
