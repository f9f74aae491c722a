//! Messages on plain NATS as a test writes them, with the right keys or without.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use event_log::StoredEvent;
use hmac::{Hmac, KeyInit, Mac};
use runtime::entropy::Entropy;
use serde_json::json;
use sha2::Sha256;
use testkit::{TestDatabase, TestNats};
use uuid::Uuid;

pub const AUTH: &str = "tga.gate.auth";
pub const SETTLED: &str = "tga.gate.settled";

/// Somebody on NATS, with whatever keys a test gives them.
pub struct Sender {
    nats: async_nats::Client,
    pub bus_key: Vec<u8>,
    pub epoch: LogEpoch,
}

/// A message as it is sent.
#[derive(Clone)]
pub struct Letter {
    pub subject: String,
    pub payload: String,
    pub mac: Option<String>,
}

impl From<async_nats::Message> for Letter {
    fn from(message: async_nats::Message) -> Self {
        let headers = message.headers.unwrap_or_default();
        Self {
            subject: message.subject.to_string(),
            payload: String::from_utf8(message.payload.to_vec()).unwrap(),
            mac: headers.get("Tga-Mac").map(ToString::to_string),
        }
    }
}

/// The MAC that a key gives to a payload under a subject.
pub fn mac(key: &[u8], subject: &str, payload: impl AsRef<[u8]>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{subject}\n").as_bytes());
    mac.update(payload.as_ref());
    STANDARD.encode(mac.finalize().into_bytes())
}

impl Letter {
    pub fn signed(key: &[u8], subject: &str, payload: &str) -> Self {
        Self {
            mac: Some(mac(key, subject, payload)),
            subject: subject.to_owned(),
            payload: payload.to_owned(),
        }
    }

    pub fn with_mac(self, mac: impl Into<Option<String>>) -> Self {
        Self {
            mac: mac.into(),
            ..self
        }
    }

    /// Altered on its way.
    pub fn altered(self, from: &str, to: &str) -> Self {
        assert!(self.payload.contains(from), "{}", self.payload);
        Self {
            payload: self.payload.replace(from, to),
            ..self
        }
    }

    pub fn moved_to(self, subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            ..self
        }
    }
}

impl Sender {
    pub async fn new(database: &TestDatabase, nats: &TestNats) -> Self {
        // Run at run time: no production code may read both.
        let (bus_key, epoch): (Vec<u8>, Uuid) =
            sqlx::query_as("select g.bus_key, h.epoch from gate.head g cross join log.head h")
                .fetch_one(database.pool())
                .await
                .unwrap();
        Self {
            nats: nats.client().await,
            bus_key,
            epoch: LogEpoch::from_uuid(epoch),
        }
    }

    /// Returns once the server has it, and so before anything that is sent later.
    pub async fn send(&self, letter: &Letter) {
        let payload = letter.payload.clone().into_bytes();
        let sent = self.send_bytes(&letter.subject, payload, letter.mac.clone());
        sent.await;
    }

    /// The same for what is no text.
    pub async fn send_bytes(&self, subject: &str, payload: Vec<u8>, mac: Option<String>) {
        let mut headers = async_nats::HeaderMap::new();
        if let Some(mac) = mac {
            headers.insert("Tga-Mac", mac);
        }
        let sent = self
            .nats
            .publish_with_headers(subject.to_owned(), headers, payload.into());
        sent.await.unwrap();
        self.nats.flush().await.unwrap();
    }

    /// A settlement as command services tell it.
    pub fn settlement(&self, position: GlobalPosition) -> Letter {
        let payload = json!({"epoch": self.epoch, "position": position});
        Letter::signed(&self.bus_key, SETTLED, &payload.to_string())
    }

    /// What anybody could make of a settlement of `position`, who saw one of `old`.
    pub fn forged_settlements(&self, position: GlobalPosition, old: &Letter) -> Vec<Letter> {
        let genuine = self.settlement(position);
        let payload = &genuine.payload;
        let other = json!({"epoch": Entropy::os().uuid_v4(), "position": position});
        vec![
            old.clone(),
            genuine.clone().with_mac(None),
            genuine.clone().with_mac(String::new()),
            genuine.clone().with_mac("no base64".to_owned()),
            genuine.clone().with_mac(old.mac.clone()),
            Letter::signed(b"a guess", SETTLED, payload),
            Letter::signed(b"", SETTLED, payload),
            Letter::signed(&self.bus_key, AUTH, payload).moved_to(SETTLED),
            Letter::signed(&self.bus_key, SETTLED, &other.to_string()),
        ]
    }

    /// An acknowledgement of that replica's, wherever it is sent and whatever signs it.
    pub fn ack(
        &self,
        incarnation: IncarnationId,
        applied: GlobalPosition,
        subject: &str,
        key: &[u8],
    ) -> Letter {
        let payload = json!({
            "epoch": self.epoch, "incarnation": incarnation, "applied": applied,
        });
        Letter::signed(key, subject, &payload.to_string())
    }
}

/// An auth event of a log, as command services tell it.
pub fn auth(key: &[u8], log: Uuid, event: &StoredEvent) -> Letter {
    let previous = event.auth_prev.unwrap().get();
    let event = event.to_cloud_event();
    let payload = format!(r#"{{"epoch":"{log}","previous":{previous},"event":{event}}}"#);
    Letter::signed(key, AUTH, &payload)
}

/// An event like this one, in the place after it.
pub fn like(event: &StoredEvent) -> StoredEvent {
    let mut next = event.clone();
    next.auth_prev = Some(event.position);
    next.position = event.position.next();
    next.hash = next.computed_hash();
    next
}

pub fn ack_subject(incarnation: IncarnationId) -> String {
    format!("tga.gate.ack.{incarnation}")
}
