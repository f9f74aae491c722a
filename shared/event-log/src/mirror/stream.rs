//! The stream itself: made when it is gone, compared with the log, replaced when it holds another
//! history.

use std::collections::HashMap;

use async_nats::jetstream::context::{Context, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, RawMessageErrorKind, RetentionPolicy, State, StorageType,
};
use async_nats::jetstream::{ErrorCode, context, stream};
use domain::ids::{GlobalPosition, LogEpoch};

use super::message::HASH;
use super::{ALL_SUBJECTS, MirrorConfig, MirrorError, STREAM_NAME};
use crate::error::ReadError;
use crate::log::{EventLog, Head};
use crate::metrics as names;
use crate::read;

/// Where the stream's metadata keep the epoch of the log it mirrors.
pub const EPOCH_KEY: &str = "tga_epoch";

/// Where the stream stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The last position on it.
    pub last: GlobalPosition,
    /// The epoch of the log whose history it holds.
    pub epoch: LogEpoch,
}

/// How many of the newest messages may be lost before nothing is known of what the stream holds.
const LOST_MAX: u64 = 64;

/// What a stream of the log's epoch holds.
enum Content {
    ThisLog,
    /// This log, but for what was lost from its midst.
    Holes,
    AnotherHistory,
}

pub struct MirrorStream {
    context: Context,
    log: EventLog,
    config: MirrorConfig,
}

impl MirrorStream {
    pub const fn new(context: Context, log: EventLog, config: MirrorConfig) -> Self {
        Self {
            context,
            log,
            config,
        }
    }

    /// Where the stream stands, as it says.
    pub async fn standing(&self) -> Result<Standing, MirrorError> {
        let found = self.info().await?;
        let whole = found.filter(|(_, info)| is_whole(&info.state));
        let said = whole.and_then(|(_, info)| {
            Some(Standing {
                last: GlobalPosition::new(info.state.last_sequence),
                epoch: info.config.metadata.get(EPOCH_KEY)?.parse().ok()?,
            })
        });
        match said {
            Some(standing) => Ok(standing),
            None => self.ensure().await,
        }
    }

    /// Makes sure that the stream is there and holds this log's history.
    pub async fn ensure(&self) -> Result<Standing, MirrorError> {
        // First the stream, then the log: what is on the stream was committed before.
        let found = self.info().await?;
        let head = self.log.head().await?;
        let Some((stream, info)) = found else {
            return self.make(&head).await;
        };
        let of_epoch = info.config.metadata.get(EPOCH_KEY);
        let last = GlobalPosition::new(info.state.last_sequence);
        if of_epoch != Some(&head.epoch.to_string()) {
            tracing::warn!("the stream is of another epoch of the log, replacing it");
            return self.replace(&head).await;
        }
        let earliest = self.log.earliest().await?;
        if last.next() < earliest && !self.log.shelf().is_there() {
            tracing::warn!(
                stream.last = last.get(),
                log.earliest = earliest.get(),
                "what follows on the stream is archived and not at hand, making it anew"
            );
            return self.replace(&head).await;
        }
        match self.compare(&stream, &info.state, &head).await? {
            Content::ThisLog => {
                let epoch = head.epoch;
                return Ok(Standing { last, epoch });
            }
            Content::Holes => {
                tracing::error!("the stream has lost messages from its midst, making it anew");
                return self.replace(&head).await;
            }
            Content::AnotherHistory => {}
        }
        // The log went back without anybody saying so: a restore, a failover that lost commits.
        tracing::error!(
            stream.last = last.get(),
            log.head = head.position.get(),
            "the stream holds another history than the log, beginning a new epoch"
        );
        let epoch = LogEpoch::from_uuid(self.log.entropy().uuid_v4());
        let old = head.epoch;
        self.log
            .ask(async |c| read::begin_epoch(c, old, epoch).await)
            .await?;
        let head = self.log.head().await?;
        self.replace(&head).await
    }

    async fn compare(
        &self,
        stream: &stream::Stream,
        state: &State,
        head: &Head,
    ) -> Result<Content, MirrorError> {
        let last = GlobalPosition::new(state.last_sequence);
        if last > head.position {
            return Ok(Content::AnotherHistory);
        }
        let holds = if is_whole(state) {
            Content::ThisLog
        } else {
            Content::Holes
        };
        if state.messages == 0 {
            return Ok(holds);
        }
        // Of whatever is there: a stream with holes may hold another history besides.
        let oldest = state
            .first_sequence
            .max(last.get().saturating_sub(LOST_MAX));
        for sequence in (oldest..=last.get()).rev() {
            let message = match stream.get_raw_message(sequence).await {
                Ok(message) => message,
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => continue,
                Err(error) => return Err(nats("read its newest message", error)),
            };
            let row = match self.log.read_at(&[GlobalPosition::new(sequence)]).await {
                Ok(row) => row,
                // Not at hand, so nothing is known of the stream: one made anew needs no archive.
                Err(ReadError::Archived { .. }) => return Ok(Content::Holes),
                Err(error) => return Err(error.into()),
            };
            let stated = message
                .headers
                .get(HASH)
                .map(|hash| hash.as_str().to_owned());
            let is_this = stated == row.first().map(|event| event.hash.to_string());
            return Ok(match (is_this, holds) {
                (false, _) => Content::AnotherHistory,
                (true, _) if sequence < last.get() => Content::Holes,
                (true, holds) => holds,
            });
        }
        Ok(Content::AnotherHistory)
    }

    async fn replace(&self, head: &Head) -> Result<Standing, MirrorError> {
        match self.context.delete_stream(STREAM_NAME).await {
            Ok(_) => {}
            Err(error) if is_gone(error.kind()) => {}
            Err(error) => return Err(nats("delete a stream", error)),
        }
        self.make(head).await
    }

    /// Makes a stream that begins so that the newest events fit the backfill, and none is archived.
    async fn make(&self, head: &Head) -> Result<Standing, MirrorError> {
        let earliest = self.log.earliest().await?.get();
        let before = head.position.get().saturating_sub(self.config.backfill);
        let wanted = earliest.max(before + 1);
        let made = self
            .context
            .create_stream(Config {
                name: STREAM_NAME.to_owned(),
                description: Some("The log, event by event: sequence is position".to_owned()),
                subjects: vec![ALL_SUBJECTS.to_owned()],
                retention: RetentionPolicy::Limits,
                discard: DiscardPolicy::Old,
                storage: StorageType::File,
                max_age: self.config.max_age,
                max_bytes: self.config.max_bytes,
                num_replicas: self.config.replicas,
                deny_delete: true,
                deny_purge: true,
                allow_direct: true,
                first_sequence: Some(wanted),
                metadata: HashMap::from([(EPOCH_KEY.to_owned(), head.epoch.to_string())]),
                ..Config::default()
            })
            .await
            .map_err(|error| nats("make a stream", error))?;
        metrics::counter!(names::STREAMS_MADE).increment(1);
        let state = &made.cached_info().state;
        if state.messages == 0 && state.last_sequence + 1 != wanted {
            return Err(MirrorError::TooOld {
                wanted,
                found: state.last_sequence + 1,
            });
        }
        tracing::info!(stream.first = wanted, "a new stream mirrors the log");
        Ok(Standing {
            last: GlobalPosition::new(state.last_sequence),
            epoch: head.epoch,
        })
    }

    async fn info(&self) -> Result<Option<(stream::Stream, Info)>, MirrorError> {
        let clock = self.log.clock();
        let get = self.context.get_stream(STREAM_NAME);
        let Ok(found) = clock.timeout(self.config.deadline, get).await else {
            return Err(MirrorError::Late {
                what: "describe the stream",
            });
        };
        match found {
            Ok(stream) => {
                let info = stream.cached_info().clone();
                Ok(Some((stream, info)))
            }
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(nats("describe the stream", error)),
        }
    }
}

/// Whether no message is missing between the first and the last: nobody may take one out, but a server
/// whose files were damaged leaves out what it cannot read, and goes on behind it.
const fn is_whole(state: &State) -> bool {
    let between = state.last_sequence.checked_sub(state.first_sequence);
    state.messages == 0 || matches!(between, Some(between) if between == state.messages - 1)
}

fn is_not_found(error: &context::GetStreamError) -> bool {
    matches!(
        error.kind(),
        GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND
    )
}

fn is_gone(kind: context::DeleteStreamErrorKind) -> bool {
    matches!(
        kind,
        context::DeleteStreamErrorKind::JetStream(cause)
            if cause.error_code() == ErrorCode::STREAM_NOT_FOUND
    )
}

fn nats(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> MirrorError {
    MirrorError::Nats {
        what,
        source: Box::new(source),
    }
}
