//! The public form of an event, CloudEvents 1.0 as structured JSON, and its hash
//! (v1-contract.md 19.1). One mapping serves the mirror and every event stream.

use std::fmt::{Arguments, Display, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::event::{Actor, ChainHash, EventType, RecordedEvent, Stream};
use crate::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
use crate::jcs;
use crate::time::Timestamp;

/// More than the envelope of most events takes, in bytes.
const ENVELOPE_BYTES: usize = 640;
const TYPE_PREFIX: &str = "com.trackagoat.";

/// Everything that stands around an event's data and is hashed with it.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The event's own id.
    pub event_id: EventId,
    /// Whose it is.
    pub org_id: OrgId,
    /// Its type by its stable name, so that types of newer builds pass through.
    pub type_name: &'a str,
    /// The version of its data.
    pub schema_version: u16,
    /// What it is about.
    pub subject: &'a str,
    /// When it was appended.
    pub time: Timestamp,
    /// Its place in the log.
    pub position: GlobalPosition,
    /// Its stream.
    pub stream: Stream,
    /// Its place in the stream.
    pub version: StreamVersion,
    /// Who caused it.
    pub actor: Actor,
    /// The request that caused it.
    pub correlation_id: &'a str,
}

impl Envelope<'_> {
    /// SHA-256 of the previous hash, the canonical envelope and the canonical data.
    pub fn hash(&self, previous: ChainHash, data: &str) -> ChainHash {
        let mut hash = Sha256::new();
        hash.update(previous.as_bytes());
        hash.update(self.canonical().as_bytes());
        hash.update(data.as_bytes());
        ChainHash::from_bytes(hash.finalize().into())
    }

    /// The whole public event as canonical JSON.
    pub fn to_json(&self, previous: ChainHash, hash: ChainHash, data: &str) -> String {
        let mut out = String::with_capacity(ENVELOPE_BYTES + data.len());
        self.write_json(&mut out, previous, hash, data);
        out
    }

    /// The same at the end of a text.
    pub fn write_json(&self, out: &mut String, previous: ChainHash, hash: ChainHash, data: &str) {
        self.write_canonical(out, Some((previous, hash, data)));
    }

    fn canonical(&self) -> String {
        let mut out = String::with_capacity(ENVELOPE_BYTES);
        self.write_canonical(&mut out, None);
        out
    }

    /// Members in the order of RFC 8785; the sealed ones only in the public form.
    fn write_canonical(&self, out: &mut String, sealed: Option<(ChainHash, ChainHash, &str)>) {
        let (name, version) = (self.type_name, self.schema_version);
        let mut members = Members::begin(out);
        members.plain("actor", self.actor);
        members.text("correlationid", self.correlation_id);
        if let Some((_, _, data)) = sealed {
            members.name("data");
            members.out.push_str(data);
        }
        members.plain("datacontenttype", "application/json");
        members.typed(
            "dataschema",
            "/schemas/events/",
            name,
            format_args!(".v{version}.json"),
        );
        if let Some((_, hash, _)) = sealed {
            members.plain("hash", hash);
        }
        members.plain("id", self.event_id);
        members.plain("position", self.position);
        if let Some((previous, _, _)) = sealed {
            members.plain("prevhash", previous);
        }
        members.plain("source", format_args!("/orgs/{}", self.org_id));
        members.plain("specversion", "1.0");
        members.plain("stream", self.stream.name());
        members.plain("streamversion", self.version);
        members.text("subject", self.subject);
        members.plain("time", self.time);
        members.typed("type", TYPE_PREFIX, name, format_args!(".v{version}"));
        out.push('}');
    }
}

/// Members of an object, written where the text ends without a text of their own: this is done for
/// every event that is read.
struct Members<'a> {
    out: &'a mut String,
    separator: char,
}

impl<'a> Members<'a> {
    const fn begin(out: &'a mut String) -> Self {
        Self {
            out,
            separator: '{',
        }
    }

    fn name(&mut self, name: &str) {
        self.out.push(self.separator);
        self.separator = ',';
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    /// A text of any characters.
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        jcs::write_string(self.out, value);
    }

    /// A text without any that are escaped.
    fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.write(format_args!("\"{value}\""));
    }

    /// A text with an event type's name in it, which may be of any characters.
    fn typed(&mut self, name: &str, before: &str, type_name: &str, after: Arguments<'_>) {
        self.name(name);
        self.out.push('"');
        self.out.push_str(before);
        jcs::write_escaped(self.out, type_name);
        self.write(after);
        self.out.push('"');
    }

    fn write(&mut self, text: Arguments<'_>) {
        // A text in memory takes everything.
        let _ = self.out.write_fmt(text);
    }
}

impl RecordedEvent {
    /// The public form.
    pub fn to_cloud_event(&self) -> String {
        let subject = self.event.subject(self.org_id);
        self.envelope(&subject)
            .to_json(self.prev_hash, self.hash, &self.event.data())
    }

    /// What its hash must be.
    pub fn compute_hash(&self) -> ChainHash {
        let subject = self.event.subject(self.org_id);
        self.envelope(&subject)
            .hash(self.prev_hash, &self.event.data())
    }

    fn envelope<'a>(&'a self, subject: &'a str) -> Envelope<'a> {
        let event_type = self.event.event_type();
        Envelope {
            event_id: self.event_id,
            org_id: self.org_id,
            type_name: event_type.name(),
            schema_version: event_type.schema_version(),
            subject,
            time: self.recorded_at,
            position: self.position,
            stream: self.event.stream(),
            version: self.version,
            actor: self.actor,
            correlation_id: &self.correlation_id,
        }
    }
}

/// Why a text is not one of our events.
#[derive(Debug, Error)]
pub enum CloudEventError {
    /// Not the JSON of a CloudEvent of ours.
    #[error("not a CloudEvent of this service")]
    Json(#[source] serde_json::Error),
    /// A member does not have its form.
    #[error("member {0} of the CloudEvent is malformed")]
    Member(&'static str),
}

/// A public event as it was received, its data kept byte for byte.
#[derive(Debug, Clone)]
pub struct CloudEvent {
    /// The event's own id.
    pub event_id: EventId,
    /// Whose it is.
    pub org_id: OrgId,
    /// Its type's name, known to this build or not.
    pub type_name: String,
    /// The version of its data.
    pub schema_version: u16,
    /// What it is about.
    pub subject: String,
    /// When it was appended.
    pub time: Timestamp,
    /// Its place in the log.
    pub position: GlobalPosition,
    /// Its stream.
    pub stream: Stream,
    /// Its place in the stream.
    pub version: StreamVersion,
    /// Who caused it.
    pub actor: Actor,
    /// The request that caused it.
    pub correlation_id: String,
    /// Hash of the event before it in its stream.
    pub prev_hash: ChainHash,
    /// Its own hash.
    pub hash: ChainHash,
    /// Its data.
    pub data: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    actor: Actor,
    correlationid: String,
    data: Box<RawValue>,
    hash: String,
    id: EventId,
    position: String,
    prevhash: String,
    source: String,
    stream: Stream,
    streamversion: String,
    subject: String,
    time: Timestamp,
    #[serde(rename = "type")]
    event_type: String,
}

impl CloudEvent {
    /// Reads the public form.
    pub fn parse(json: &[u8]) -> Result<Self, CloudEventError> {
        let wire: Wire = serde_json::from_slice(json).map_err(CloudEventError::Json)?;
        let (type_name, schema_version) = wire
            .event_type
            .strip_prefix(TYPE_PREFIX)
            .and_then(|name| name.rsplit_once(".v"))
            .and_then(|(name, version)| Some((name.to_owned(), version.parse().ok()?)))
            .ok_or(CloudEventError::Member("type"))?;
        let number = |text: &str, name| text.parse().map_err(|_| CloudEventError::Member(name));
        Ok(Self {
            event_id: wire.id,
            org_id: wire
                .source
                .strip_prefix("/orgs/")
                .and_then(|id| id.parse().ok())
                .ok_or(CloudEventError::Member("source"))?,
            type_name,
            schema_version,
            subject: wire.subject,
            time: wire.time,
            position: GlobalPosition::new(number(&wire.position, "position")?),
            stream: wire.stream,
            version: StreamVersion::new(number(&wire.streamversion, "streamversion")?),
            actor: wire.actor,
            correlation_id: wire.correlationid,
            prev_hash: wire
                .prevhash
                .parse()
                .map_err(|_| CloudEventError::Member("prevhash"))?,
            hash: wire
                .hash
                .parse()
                .map_err(|_| CloudEventError::Member("hash"))?,
            data: wire.data,
        })
    }

    /// Its type, if this build knows it.
    pub fn event_type(&self) -> Option<EventType> {
        EventType::from_name(&self.type_name)
    }

    /// Everything around its data.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope {
            event_id: self.event_id,
            org_id: self.org_id,
            type_name: &self.type_name,
            schema_version: self.schema_version,
            subject: &self.subject,
            time: self.time,
            position: self.position,
            stream: self.stream,
            version: self.version,
            actor: self.actor,
            correlation_id: &self.correlation_id,
        }
    }

    /// Whether a text is its public form byte for byte: members that are not hashed by themselves are
    /// those of no other event, and there are no others.
    pub fn is_written_as(&self, json: &[u8]) -> bool {
        let envelope = self.envelope();
        let due = envelope.to_json(self.prev_hash, self.hash, self.data.get());
        due.as_bytes() == json
    }

    /// Whether the hash is that of the envelope, the data and the previous hash.
    pub fn is_intact(&self) -> bool {
        self.envelope().hash(self.prev_hash, self.data.get()) == self.hash
    }
}
