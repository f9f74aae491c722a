//! Reads and decodes ahead while a batch is being applied, and makes large batches of what has
//! waited: then the things that several events touch are written once.

use domain::event::{ChainHash, DecodeError, RecordedEvent};
use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{EventLog, Feed, FeedConfig, StoredEvent};
use tokio::sync::mpsc;

use super::ProjectorError;
use crate::metrics as names;

/// Pages of the feed, at most 2 MiB each, that may wait.
const WAITING: usize = 8;
/// A batch takes no further page once it has as many bytes of events.
const BATCH_BYTES: usize = 12 * 1024 * 1024;
/// Nor once it has as many events.
const BATCH_EVENTS: usize = 20_000;

/// Events that are applied together.
pub(super) struct Batch {
    pub events: Vec<RecordedEvent>,
    /// The last event's, whether this build knows its type or not.
    pub position: GlobalPosition,
    pub hash: ChainHash,
    bytes: usize,
}

/// The receiving end.
pub(super) struct Batches {
    pages: mpsc::Receiver<Batch>,
}

/// The sending end.
pub(super) struct Feeder {
    feed: Feed,
    pages: mpsc::Sender<Batch>,
}

impl Feeder {
    pub fn new(
        log: &EventLog,
        nats: Option<async_nats::Client>,
        after: GlobalPosition,
        epoch: LogEpoch,
    ) -> (Self, Batches) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let epoch = Some(epoch);
        let feed = log.subscribe(after, FeedConfig { nats, epoch });
        let feeder = Self {
            feed,
            pages: sender,
        };
        (feeder, Batches { pages: receiver })
    }

    /// Feeds until something fails.
    pub async fn run(mut self) -> ProjectorError {
        loop {
            if let Err(error) = self.feed_page().await {
                return error;
            }
        }
    }

    async fn feed_page(&mut self) -> Result<(), ProjectorError> {
        let stored = self.feed.next_batch().await?;
        if let Some(page) = decode(&stored)? {
            // Nobody receives any more: the session is over, and this future about to be dropped.
            let _ = self.pages.send(page).await;
        }
        Ok(())
    }
}

impl Batches {
    /// What has waited, at least one page; `None` once the feeder is gone.
    pub async fn next(&mut self) -> Option<Batch> {
        let mut batch = self.pages.recv().await?;
        while batch.bytes < BATCH_BYTES && batch.events.len() < BATCH_EVENTS {
            let Ok(page) = self.pages.try_recv() else {
                break;
            };
            batch.extend(page);
        }
        Some(batch)
    }
}

impl Batch {
    fn extend(&mut self, page: Self) {
        self.events.extend(page.events);
        self.position = page.position;
        self.hash = page.hash;
        self.bytes += page.bytes;
    }
}

fn decode(stored: &[StoredEvent]) -> Result<Option<Batch>, ProjectorError> {
    let Some(last) = stored.last() else {
        return Ok(None);
    };
    let mut batch = Batch {
        events: Vec::with_capacity(stored.len()),
        position: last.position,
        hash: last.hash,
        bytes: 0,
    };
    for event in stored {
        batch.bytes += event.data.len();
        match event.decode() {
            Ok(decoded) => batch.events.push(decoded),
            // A newer build writes it; this one answers nothing that could rest on it.
            Err(DecodeError::UnknownType { name }) => {
                metrics::counter!(names::SKIPPED).increment(1);
                tracing::warn!(position = %event.position, name, "an event of a newer build is left out");
            }
            Err(source) => {
                let position = event.position;
                return Err(ProjectorError::Undecodable { position, source });
            }
        }
    }
    Ok(Some(batch))
}
