//! What can be done before an append has its place: in the caller's task, many at once.

use std::sync::Arc;

use domain::event::{Actor, ChainHash, Event, EventType, Stream};
use domain::ids::{EventId, OrgId, StreamVersion};
use domain::limits::EVENT_DATA_BYTES;
use domain::time::Timestamp;
use runtime::entropy::Entropy;

use super::{APPEND_BYTES, APPEND_EVENTS, AppendError, AppendRequest, Guard, IdempotencyRecord};
use crate::inline::{Change, change_of};
use crate::readings::ReadingRow;

/// An append that lacks nothing but its place.
#[derive(Debug)]
pub struct Prepared {
    pub org_id: OrgId,
    pub expected: Option<StreamVersion>,
    pub guard: Option<Guard>,
    pub idempotency: Option<IdempotencyRecord>,
    pub actor: Actor,
    pub correlation_id: Arc<str>,
    pub events: Vec<PreparedEvent>,
    /// What it counts for in queues and batches.
    pub bytes: usize,
}

#[derive(Debug)]
pub struct PreparedEvent {
    pub event_id: EventId,
    pub event_type: EventType,
    pub subject: Arc<str>,
    pub data: Arc<str>,
    /// JSON of what is neither hashed nor sent.
    pub metadata: Option<Arc<str>>,
    pub change: Option<Arc<Change>>,
    pub readings: Vec<ReadingRow>,
}

/// Room that an append takes beside its events' data.
const OVERHEAD_BYTES: usize = 512;

impl Prepared {
    /// Encodes the events and checks what one append may have.
    pub fn try_new(
        request: AppendRequest,
        now: Timestamp,
        entropy: &Entropy,
    ) -> Result<Self, AppendError> {
        check("events of one append", request.events.len(), APPEND_EVENTS)?;
        let events: Vec<_> = request
            .events
            .iter()
            .map(|event| PreparedEvent::new(event, request.org_id, now, entropy))
            .collect();
        for event in &events {
            check("bytes of one event", event.data.len(), EVENT_DATA_BYTES)?;
        }
        let answer = request.idempotency.as_ref().map_or(0, |r| r.answer.len());
        let data: usize = events.iter().map(|event| event.data.len()).sum();
        let bytes = data + answer + OVERHEAD_BYTES * (1 + events.len());
        check("bytes of one append", bytes, APPEND_BYTES as usize)?;
        Ok(Self {
            org_id: request.org_id,
            expected: request.expected,
            guard: request.guard,
            idempotency: request.idempotency,
            actor: request.actor,
            correlation_id: request.correlation_id.into(),
            events,
            bytes,
        })
    }

    /// Whether it writes events alone.
    pub fn is_plain(&self) -> bool {
        let plain = |event: &PreparedEvent| event.change.is_none() && event.readings.is_empty();
        self.idempotency.is_none() && self.events.iter().all(plain)
    }

    /// The streams its place depends on.
    pub fn streams(&self) -> impl Iterator<Item = (OrgId, Stream)> {
        let expected = self.expected.map(|_| Stream::Decisions);
        let has = |stream| self.events.iter().any(|event| event.stream() == stream);
        [Stream::Decisions, Stream::Observations]
            .into_iter()
            .filter(move |stream| expected == Some(*stream) || has(*stream))
            .map(|stream| (self.org_id, stream))
    }
}

impl PreparedEvent {
    fn new(event: &Event, org: OrgId, now: Timestamp, entropy: &Entropy) -> Self {
        let readings = match event {
            Event::ObservationRecorded(recorded) => {
                recorded.readings.iter().map(ReadingRow::of).collect()
            }
            _ => Vec::new(),
        };
        Self {
            event_id: EventId::generate(now, entropy.public_bytes()),
            event_type: event.event_type(),
            subject: event.subject(org).into(),
            data: event.data().into(),
            metadata: event.secret().map(|hash| {
                let hash = ChainHash::from_bytes(*hash.as_bytes());
                format!("{{\"credential_sha256\":\"{hash}\"}}").into()
            }),
            change: change_of(event).map(Arc::new),
            readings,
        }
    }

    pub const fn stream(&self) -> Stream {
        self.event_type.stream()
    }
}

fn check(what: &'static str, size: usize, max: usize) -> Result<(), AppendError> {
    if size <= max {
        Ok(())
    } else {
        Err(AppendError::TooLarge { what, size, max })
    }
}
