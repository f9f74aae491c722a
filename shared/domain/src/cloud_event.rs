//! The public form of an event, CloudEvents 1.0 as structured JSON, and its hash
//! (v1-contract.md 19.1). One mapping serves the mirror and every event stream.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::event::{Actor, ChainHash, EventType, RecordedEvent, Stream};
use crate::ids::{EventId, GlobalPosition, OrgId, StreamVersion};
use crate::jcs;
use crate::time::Timestamp;

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
        hash.update(self.canonical(None).as_bytes());
        hash.update(data.as_bytes());
        ChainHash::from_bytes(hash.finalize().into())
    }

    /// The whole public event as canonical JSON.
    pub fn to_json(&self, previous: ChainHash, hash: ChainHash, data: &str) -> String {
        self.canonical(Some((previous, hash, data)))
    }

    /// Members in the order of RFC 8785; the sealed ones only in the public form.
    fn canonical(&self, sealed: Option<(ChainHash, ChainHash, &str)>) -> String {
        let mut out = String::with_capacity(640 + sealed.map_or(0, |(_, _, data)| data.len()));
        let text = |out: &mut String, name: &str, value: &str| {
            out.push(if out.is_empty() { '{' } else { ',' });
            out.push('"');
            out.push_str(name);
            out.push_str("\":");
            jcs::write_string(out, value);
        };
        let event_type = format!("{TYPE_PREFIX}{}.v{}", self.type_name, self.schema_version);
        let schema = format!(
            "/schemas/events/{}.v{}.json",
            self.type_name, self.schema_version
        );
        text(&mut out, "actor", &self.actor.to_string());
        text(&mut out, "correlationid", self.correlation_id);
        if let Some((_, _, data)) = sealed {
            out.push_str(",\"data\":");
            out.push_str(data);
        }
        text(&mut out, "datacontenttype", "application/json");
        text(&mut out, "dataschema", &schema);
        if let Some((_, hash, _)) = sealed {
            text(&mut out, "hash", &hash.to_string());
        }
        text(&mut out, "id", &self.event_id.to_string());
        text(&mut out, "position", &self.position.to_string());
        if let Some((previous, _, _)) = sealed {
            text(&mut out, "prevhash", &previous.to_string());
        }
        text(&mut out, "source", &format!("/orgs/{}", self.org_id));
        text(&mut out, "specversion", "1.0");
        text(&mut out, "stream", self.stream.name());
        text(&mut out, "streamversion", &self.version.to_string());
        text(&mut out, "subject", self.subject);
        text(&mut out, "time", &self.time.to_string());
        text(&mut out, "type", &event_type);
        out.push('}');
        out
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
