//! What stands around the events.

use domain::cloud_event::Envelope;
use domain::event::{Actor, ChainHash, Event, KeyRevoked, RevocationReason};
use domain::ids::{EventId, GlobalPosition, KeyId, OrgId, StreamVersion};
use domain::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::apart::{EXPORT_SEALED, WEBHOOK_TEST};
use crate::BASE_PATH;

/// CloudEvents 1.0 in structured mode.
pub const CLOUD_EVENT_TYPE: &str = "application/cloudevents+json";

const ID: Uuid = Uuid::from_u128(0x0192_f0c1_2b7e_7c00_8000_0000_0000_abcd);

pub fn info(version: &str) -> Value {
    json!({
        "title": "trackagoat events",
        "version": version,
        "description": "Everything that happens in an org, as CloudEvents 1.0. The same event has the same \
            bytes on every channel, and its `position` means the same on all of them: the place in the log, \
            which on NATS is also the sequence of the message. Versions gain optional fields only; whatever \
            else changes is a new version of the type.",
        "license": { "name": "Proprietary" },
    })
}

pub fn servers() -> Value {
    let key = json!([{ "$ref": "#/components/securitySchemes/token" }]);
    let bearer = json!([{ "$ref": "#/components/securitySchemes/bearer" }]);
    json!({
        "nats": {
            "host": "nats.trackagoat.com:4222",
            "protocol": "nats",
            "description": "Of the hosted service; else the NATS of whoever gave you this document. Connect with an API key of scope `audit` as the token.",
            "security": key,
        },
        "https": {
            "host": "www.trackagoat.com",
            "pathname": BASE_PATH,
            "protocol": "https",
            "description": "Of the hosted service; else the server that gave you this document. openapi.json describes all of the HTTP API.",
            "security": bearer,
        },
    })
}

pub fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "apiKey",
            "in": "password",
            "description": "An API key, `tga_` and 64 hexadecimal digits, as the token of the connection.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, or a person's session.",
        },
    })
}

/// `messages` are those of a channel that carries all events.
pub fn channels(messages: &Value) -> Value {
    let with = |name: &str| {
        let mut more = messages.clone();
        more[name] = json!({ "$ref": format!("#/components/messages/{name}") });
        more
    };
    json!({
        "events": {
            "address": "tga.events.{org_id}.{entity}.{event}",
            "title": "An org's events on NATS",
            "description": "The subject names the org and the type; `Tga-Position` among the headers is the event's \
                position. Nobody subscribes to it: a key pulls from the durable consumer that is made for it when it \
                connects, and gets the answers at inboxes of its own (`x-pull`).",
            "x-pull": {
                "stream": "TGA_EVENTS",
                "durable": "{org_id}-{key_id}",
                "apiPrefix": "tga.api",
                "inboxPrefix": "_INBOX_{the first 32 hexadecimal digits of the SHA-256 of inbox:<key>}",
                "acknowledge": "each event, within 10 seconds",
            },
            "servers": [{ "$ref": "#/servers/nats" }],
            "parameters": {
                "org_id": { "description": "The org: a key may read its own only." },
                "entity": { "description": "The first part of the type, for example `key`." },
                "event": { "description": "The second part of the type, for example `revoked`." },
            },
            "messages": messages,
        },
        "stream": {
            "address": "/audit/stream",
            "title": "An org's events as server-sent events",
            "description": "`id` is the position, `event` the type without prefix and version, `data` the event. A \
                reader that comes back with Last-Event-ID goes on where it was.",
            "servers": [{ "$ref": "#/servers/https" }],
            "messages": messages,
        },
        "webhook": {
            "address": null,
            "title": "An org's events at an endpoint of its own",
            "description": "POST to the endpoint's URL, signed as Standard Webhooks has it: headers `webhook-id`, \
                `webhook-timestamp`, `webhook-signature`. At least once, in order for each subject. \
                A test is sent in the same way, and is no event of the log.",
            "messages": with(WEBHOOK_TEST),
        },
        "export": {
            "address": "/audit/export",
            "title": "An org's events as a file",
            "description": "One line for each event, in their order; what an export that was asked for with \
                `seal=true` ends with is no event of the log.",
            "servers": [{ "$ref": "#/servers/https" }],
            "messages": with(EXPORT_SEALED),
        },
    })
}

pub fn operations() -> Value {
    let send = |channel: &str, summary: &str| {
        json!({
            "action": "send",
            "summary": summary,
            "channel": { "$ref": format!("#/channels/{channel}") },
        })
    };
    json!({
        "publish": send("events", "Publishes every event of the log."),
        "stream": send("stream", "Sends events to whoever follows."),
        "deliver": send("webhook", "Delivers the events that an endpoint asks for."),
        "export": send("export", "Gives out events as a file."),
    })
}

/// What all events have in common (v1-contract.md 19.1).
pub fn cloud_event() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let id = |description: &str| json!({ "type": "string", "format": "uuid", "description": description });
    let digits = |description: &str| json!({ "type": "string", "pattern": "^[1-9][0-9]{0,18}$", "description": description });
    let hash = |description: &str| json!({ "type": "string", "pattern": "^[0-9a-f]{64}$", "description": description });
    json!({
        "type": "object",
        "description": "One event, CloudEvents 1.0 in structured mode.",
        "required": [
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema",
            "position", "stream", "streamversion", "actor", "correlationid", "prevhash", "hash", "data",
        ],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": id("The event's own; the same wherever it is sent."),
            "source": text("`/orgs/` and the org's id."),
            "type": text("`com.trackagoat.`, the event's name, `.v` and the version of its data."),
            "subject": text("What it is about, for example `keys/` and an id."),
            "time": {
                "type": "string", "format": "date-time",
                "description": "When it was recorded, with six digits behind the second; never earlier than the \
                    event before.",
            },
            "datacontenttype": { "const": "application/json" },
            "dataschema": text("Where the JSON Schema of `data` is on this host."),
            "position": digits("Its place in the log, gapless from 1 over all orgs."),
            "stream": {
                "enum": ["decisions", "observations"],
                "description": "Which of the org's two streams it belongs to.",
            },
            "streamversion": digits("Its place in that stream, gapless from 1: who reads one org's stream sees a \
                gap by it."),
            "actor": text("Who caused it: `user:<id>`, `key:<id>` or `system`."),
            "correlationid": text("The X-Request-Id of the request that caused it."),
            "prevhash": hash("`hash` of the event before it in its stream; zeros for the first."),
            "hash": hash("SHA-256 of `prevhash` as 32 bytes, of the RFC 8785 form of the event without `data`, \
                `prevhash` and `hash`, and of the RFC 8785 form of `data`."),
            "data": { "type": "object", "description": "What happened; `dataschema` describes it." },
        },
        "examples": [example()],
    })
}

/// A key's end, as it is sent.
fn example() -> Value {
    let key_id = KeyId::from_uuid(ID);
    let revoked = Event::from(KeyRevoked {
        key_id,
        reason: RevocationReason::Requested,
    });
    let org = OrgId::from_uuid(ID);
    let (event_type, data) = (revoked.event_type(), revoked.data());
    let envelope = Envelope {
        event_id: EventId::from_uuid(ID),
        org_id: org,
        type_name: event_type.name(),
        schema_version: event_type.schema_version(),
        subject: &revoked.subject(org),
        time: Timestamp::parse("2026-03-02T12:00:00Z").expect("an instant"),
        position: GlobalPosition::new(184_467),
        stream: revoked.stream(),
        version: StreamVersion::new(912),
        actor: Actor::System,
        correlation_id: "0192f0c12b7e7c008000",
    };
    let hash = envelope.hash(ChainHash::ZERO, &data);
    let text = envelope.to_json(ChainHash::ZERO, hash, &data);
    serde_json::from_str(&text).expect("an event is JSON")
}
