//! An event as it stands in the log, its data undecoded: what is mirrored, hashed and streamed
//! without knowing its type, so that events of a newer build pass through an older one.

use std::borrow::Cow;
use std::sync::Arc;

use domain::cloud_event::{CloudEvent, Envelope};
use domain::event::{Actor, ChainHash, DecodeError, Event, EventType, RecordedEvent, Stream};
use domain::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
use domain::time::Timestamp;

/// One event of the log; cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its place in the whole log.
    pub position: GlobalPosition,
    /// Its own id.
    pub event_id: EventId,
    /// Whose it is.
    pub org_id: OrgId,
    /// Its stream.
    pub stream: Stream,
    /// Its place in the stream.
    pub version: StreamVersion,
    /// The stable name of its type, known to this build or not.
    pub type_name: Cow<'static, str>,
    /// The version of the form of its data.
    pub schema_version: u16,
    /// What it is about.
    pub subject: Arc<str>,
    /// Who caused it.
    pub actor: Actor,
    /// The request that caused it.
    pub correlation_id: Arc<str>,
    /// When it was appended; never earlier than the event before it in the log.
    pub recorded_at: Timestamp,
    /// Set exactly for events that change who may call: the position of the one before.
    pub auth_prev: Option<GlobalPosition>,
    /// Hash of the event before it in its stream.
    pub prev_hash: ChainHash,
    /// Hash of this event and all before it in its stream.
    pub hash: ChainHash,
    /// Its data in RFC 8785 form: the bytes that were hashed.
    pub data: Arc<str>,
}

impl StoredEvent {
    /// Its type, if this build knows it.
    pub fn event_type(&self) -> Option<EventType> {
        EventType::from_name(&self.type_name)
    }

    /// Whether it changes who may call; true also of types that this build does not know.
    pub const fn is_auth(&self) -> bool {
        self.auth_prev.is_some()
    }

    /// What happened, typed. A credential's hash is never at hand here.
    pub fn decode(&self) -> Result<RecordedEvent, DecodeError> {
        Ok(RecordedEvent {
            position: self.position,
            event_id: self.event_id,
            org_id: self.org_id,
            version: self.version,
            event: Event::decode(&self.type_name, self.schema_version, &self.data, None)?,
            actor: self.actor,
            correlation_id: self.correlation_id.to_string(),
            recorded_at: self.recorded_at,
            auth_prev: self.auth_prev,
            prev_hash: self.prev_hash,
            hash: self.hash,
        })
    }

    /// The public form: what is published and what event streams send.
    pub fn to_cloud_event(&self) -> String {
        self.envelope()
            .to_json(self.prev_hash, self.hash, &self.data)
    }

    /// The same as a line at the end of a text.
    pub fn write_line(&self, out: &mut String) {
        self.envelope()
            .write_json(out, self.prev_hash, self.hash, &self.data);
        out.push('\n');
    }

    /// The hash that its content and the previous hash give; equal to `hash` unless altered.
    pub fn computed_hash(&self) -> ChainHash {
        self.envelope().hash(self.prev_hash, &self.data)
    }

    /// Reads the public form, to which `auth_prev` does not belong; none if it is malformed or does
    /// not agree with its hash.
    pub fn from_public(text: &[u8], auth_prev: Option<GlobalPosition>) -> Option<Self> {
        let event = Self::parse_public(text, auth_prev)?;
        (event.computed_hash() == event.hash).then_some(event)
    }

    /// The same, whether it agrees with its hash or not.
    pub(crate) fn parse_public(text: &[u8], auth_prev: Option<GlobalPosition>) -> Option<Self> {
        let event = CloudEvent::parse(text).ok()?;
        Some(Self::from_cloud_event(event, auth_prev))
    }

    /// From the public form, to which `auth_prev` does not belong.
    fn from_cloud_event(event: CloudEvent, auth_prev: Option<GlobalPosition>) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            org_id: event.org_id,
            stream: event.stream,
            version: event.version,
            type_name: type_name(event.type_name),
            schema_version: event.schema_version,
            subject: event.subject.into(),
            actor: event.actor,
            correlation_id: event.correlation_id.into(),
            recorded_at: event.time,
            auth_prev,
            prev_hash: event.prev_hash,
            hash: event.hash,
            data: event.data.get().into(),
        }
    }

    /// Memory that its texts take, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.data.len() + self.subject.len() + self.correlation_id.len()
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            event_id: self.event_id,
            org_id: self.org_id,
            type_name: &self.type_name,
            schema_version: self.schema_version,
            subject: &self.subject,
            time: self.recorded_at,
            position: self.position,
            stream: self.stream,
            version: self.version,
            actor: self.actor,
            correlation_id: &self.correlation_id,
        }
    }
}

/// Known names are not kept twice.
pub(crate) fn type_name(name: String) -> Cow<'static, str> {
    EventType::from_name(&name).map_or(Cow::Owned(name), |known| Cow::Borrowed(known.name()))
}
