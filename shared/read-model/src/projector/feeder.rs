//! Reads and decodes ahead while a batch is being applied, and makes large batches of what has
//! waited: then the things that several events touch are written once.

use domain::event::{ChainHash, DecodeError, RecordedEvent};
use domain::ids::{GlobalPosition, LogEpoch};
use event_log::{EventLog, Feed, FeedConfig, StoredEvent};
use tokio::sync::mpsc;

use super::ProjectorError;
use crate::metrics as names;
use crate::projection::Indexed;

/// Pages of the feed, at most 2 MiB each, that may wait.
const WAITING: usize = 8;
/// A batch takes no further page once it has as many bytes of events.
const BATCH_BYTES: usize = 12 * 1024 * 1024;
/// Nor once it has as many events.
const BATCH_EVENTS: usize = 20_000;

/// Events that are applied together.
pub(super) struct Batch {
    pub events: Vec<RecordedEvent>,
    /// Of all of them, whether this build knows their types or not.
    pub indexed: Vec<Indexed>,
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
        self.indexed.extend(page.indexed);
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
        indexed: stored.iter().map(Indexed::from).collect(),
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
                let position = event.position;
                tracing::warn!(%position, name, "an event of a newer build is left out");
            }
            Err(source) => {
                let position = event.position;
                return Err(ProjectorError::Undecodable { position, source });
            }
        }
    }
    Ok(Some(batch))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::event::{Actor, ChainHash, Stream};
    use domain::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
    use domain::time::Timestamp;
    use event_log::StoredEvent;
    use uuid::Uuid;

    use super::{ProjectorError, decode};

    fn stored(position: u64, type_name: &'static str, schema_version: u16) -> StoredEvent {
        StoredEvent {
            position: GlobalPosition::new(position),
            event_id: EventId::from_uuid(Uuid::nil()),
            org_id: OrgId::from_uuid(Uuid::nil()),
            stream: Stream::Decisions,
            version: StreamVersion::new(position),
            type_name: type_name.into(),
            schema_version,
            subject: "orgs/x".into(),
            actor: Actor::System,
            correlation_id: "".into(),
            recorded_at: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
            auth_prev: None,
            prev_hash: ChainHash::ZERO,
            hash: ChainHash::from_bytes([7; 32]),
            data: "{}".into(),
        }
    }

    #[test]
    fn events_of_unknown_types_are_left_out_but_passed() {
        let events = [stored(4, "org.reinstated", 1), stored(5, "moon.landed", 1)];
        let batch = decode(&events).unwrap().unwrap();
        assert_eq!(batch.events.len(), 1);
        assert_eq!(batch.indexed.len(), 2, "the trail has all of them");
        assert_eq!(batch.position, GlobalPosition::new(5));
        assert_eq!(batch.hash, ChainHash::from_bytes([7; 32]));
        assert!(decode(&[]).unwrap().is_none());
    }

    #[test]
    fn a_known_event_that_cannot_be_read_stops_the_projection() {
        for event in [stored(4, "org.reinstated", 2), stored(4, "org.created", 1)] {
            let refused = decode(&[event]).err().unwrap();
            let ProjectorError::Undecodable { position, .. } = refused else {
                panic!("{refused}");
            };
            assert_eq!(position, GlobalPosition::new(4));
        }
    }
}
