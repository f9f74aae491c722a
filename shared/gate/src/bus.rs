//! The gate's messages on plain NATS (revocation.md 5.5). They only make things quick, and each
//! carries a MAC: a forged event could take the place of a real revocation, a forged
//! acknowledgement could end a barrier early.

use async_nats::{Client, HeaderMap, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use event_log::StoredEvent;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::core::barrier;
use crate::core::gossip::message;

/// Auth events, as whoever committed them tells them.
const AUTH: &str = "tga.gate.auth";
/// Settlements.
const SETTLED: &str = "tga.gate.settled";
/// Both, and no acknowledgements.
pub const NEWS: &str = "tga.gate.*";
/// Counts of admissions, of all processes.
pub const COUNTS: &str = "tga.gate.counts.*";
/// HMAC-SHA256 in base64 over the subject, a line feed and the payload.
const MAC: &str = "Tga-Mac";

/// The key of a MAC: `gate.head.bus_key`, or the `ack_key` of a lease's row.
#[derive(Clone)]
pub struct MacKey(Zeroizing<Box<[u8]>>);

/// What a replica publishes to `tga.gate.ack.<incarnation>`: up to where it has applied every auth
/// event, without a hole (pitfall 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The log it follows.
    pub epoch: LogEpoch,
    /// Whose it is.
    pub incarnation: IncarnationId,
    /// The contiguous prefix that is applied.
    pub applied: GlobalPosition,
}

/// Every denial up to a position holds everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The log in which the position counts.
    pub epoch: LogEpoch,
    /// The newest denial that is settled.
    pub position: GlobalPosition,
}

#[derive(Serialize, Deserialize)]
struct Told {
    epoch: LogEpoch,
    previous: GlobalPosition,
    event: Box<RawValue>,
}

/// What the command services tell.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// An auth event of the log `epoch`.
    Auth {
        /// Its log.
        epoch: LogEpoch,
        /// The event, whole.
        event: Box<StoredEvent>,
    },
    /// Denials that hold everywhere.
    Settled(Settlement),
}

impl MacKey {
    /// From a column.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// For the column.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn mac(&self, subject: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(subject.as_bytes());
        mac.update(b"\n");
        mac.update(payload);
        mac
    }

    fn signed(&self, subject: &str, payload: &[u8]) -> HeaderMap {
        let mac = self.mac(subject, payload).finalize().into_bytes();
        let mut headers = HeaderMap::new();
        headers.insert(MAC, STANDARD.encode(mac));
        headers
    }

    /// Whether whoever sent this message knew the key.
    pub fn signs(&self, message: &Message) -> bool {
        let mac = message.headers.as_ref().and_then(|all| all.get(MAC));
        let Some(mac) = mac.and_then(|mac| STANDARD.decode(mac.as_str()).ok()) else {
            return false;
        };
        let expected = self.mac(message.subject.as_str(), &message.payload);
        expected.verify_slice(&mac).is_ok()
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MacKey")
    }
}

/// Where a replica acknowledges; `*` in place of the incarnation hears all of them.
pub fn ack_subject(incarnation: impl std::fmt::Display) -> String {
    format!("tga.gate.ack.{incarnation}")
}

impl Ack {
    /// What it says, without who says it.
    pub const fn newest(&self) -> barrier::Ack {
        barrier::Ack {
            epoch: self.epoch,
            applied: self.applied,
        }
    }

    /// Reads one; none if it is malformed or another replica's. Its MAC is not looked at.
    pub fn read(message: &Message) -> Option<Self> {
        let ack: Self = read(&message.payload)?;
        (message.subject.as_str() == ack_subject(ack.incarnation)).then_some(ack)
    }
}

impl News {
    /// Reads what was told under the key; none if it is forged, malformed, or of a newer build.
    pub fn read(message: &Message, key: &MacKey) -> Option<Self> {
        if !key.signs(message) {
            return None;
        }
        match message.subject.as_str() {
            AUTH => {
                let told: Told = read(&message.payload)?;
                let event =
                    StoredEvent::from_public(told.event.get().as_bytes(), Some(told.previous))?;
                let (epoch, event) = (told.epoch, Box::new(event));
                Some(Self::Auth { epoch, event })
            }
            SETTLED => Some(Self::Settled(read(&message.payload)?)),
            _ => None,
        }
    }
}

/// Sends an acknowledgement. Lost ones are made up for by the next renewal, which carries the
/// position too.
pub async fn acknowledge(nats: &Client, key: &MacKey, ack: &Ack) {
    send(nats, key, &ack_subject(ack.incarnation), ack).await;
}

/// Tells an auth event; the mirror follows.
pub async fn tell(nats: &Client, key: &MacKey, epoch: LogEpoch, event: &StoredEvent) {
    let Some(previous) = event.auth_prev else {
        return;
    };
    let event = RawValue::from_string(event.to_cloud_event()).expect("a public event is JSON");
    let told = Told {
        epoch,
        previous,
        event,
    };
    send(nats, key, AUTH, &told).await;
}

/// Tells what a process admitted.
pub async fn tell_counts(nats: &Client, key: &MacKey, counts: &message::Message) {
    publish(nats, key, &counts_subject(counts), counts.encode()).await;
}

/// Reads what another process tells; none if it is forged or malformed.
pub fn read_counts(message: &Message, key: &MacKey) -> Option<message::Message> {
    if !key.signs(message) {
        return None;
    }
    let counts = message::Message::decode(&message.payload)?;
    (message.subject.as_str() == counts_subject(&counts)).then_some(counts)
}

fn counts_subject(counts: &message::Message) -> String {
    format!("tga.gate.counts.{}", counts.process.0)
}

/// Tells a settlement; renewals carry it too.
pub async fn settle(nats: &Client, key: &MacKey, settled: &Settlement) {
    send(nats, key, SETTLED, settled).await;
}

async fn send(nats: &Client, key: &MacKey, subject: &str, body: &(impl Serialize + Sync)) {
    let payload = serde_json::to_vec(body).expect("ids, numbers and JSON are JSON");
    publish(nats, key, subject, payload).await;
}

async fn publish(nats: &Client, key: &MacKey, subject: &str, payload: Vec<u8>) {
    let headers = key.signed(subject, &payload);
    let sent = nats.publish_with_headers(subject.to_owned(), headers, payload.into());
    if let Err(error) = sent.await {
        tracing::debug!(%error, subject, "a message was not sent");
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

#[cfg(test)]
pub mod tests {
    use uuid::Uuid;

    use super::*;

    /// An acknowledgement as its replica sends it.
    pub fn acknowledged(key: &MacKey, ack: &Ack) -> Message {
        let subject = ack_subject(ack.incarnation);
        let payload = serde_json::to_vec(ack).expect("ids and numbers");
        message(&subject, key.signed(&subject, &payload), &payload)
    }

    fn message(subject: &str, headers: HeaderMap, payload: &[u8]) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: payload.to_vec().into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: payload.len(),
        }
    }

    fn settled(position: u64) -> Vec<u8> {
        let settled = Settlement {
            epoch: LogEpoch::from_uuid(Uuid::nil()),
            position: GlobalPosition::new(position),
        };
        serde_json::to_vec(&settled).expect("ids and numbers")
    }

    #[test]
    fn only_what_was_signed_for_its_subject_counts() {
        let (key, other) = (MacKey::new(&[1; 32]), MacKey::new(&[2; 32]));
        let payload = settled(7);
        let signed = || key.signed(SETTLED, &payload);
        assert!(News::read(&message(SETTLED, signed(), &payload), &key).is_some());
        for forged in [
            message(SETTLED, other.signed(SETTLED, &payload), &payload),
            message(SETTLED, signed(), &settled(8)),
            message(AUTH, signed(), &payload),
            message(SETTLED, HeaderMap::new(), &payload),
            message(
                "tga.gate.other",
                key.signed("tga.gate.other", &payload),
                &payload,
            ),
        ] {
            assert_eq!(News::read(&forged, &key), None, "{}", forged.subject);
        }
    }

    #[test]
    fn an_acknowledgement_is_the_subjects_own() {
        let key = MacKey::new(&[1; 32]);
        let ack = Ack {
            epoch: LogEpoch::from_uuid(Uuid::nil()),
            incarnation: IncarnationId::from_uuid(Uuid::from_u128(1)),
            applied: GlobalPosition::new(7),
        };
        let own = acknowledged(&key, &ack);
        assert_eq!(Ack::read(&own), Some(ack));
        assert!(key.signs(&own));
        let payload = &own.payload;
        let other = ack_subject(Uuid::from_u128(2));
        let other = message(&other, key.signed(&other, payload), payload);
        assert_eq!(Ack::read(&other), None);
    }

    #[test]
    fn counts_are_their_process_own() {
        let key = MacKey::new(&[1; 32]);
        let [own, other] = [1, 2].map(|number| message::ProcessId(Uuid::from_u128(number)));
        let counts = message::Message {
            process: own,
            epoch: LogEpoch::from_uuid(Uuid::nil()),
            row: None,
            number: 1,
            state: message::State::default(),
            known: Vec::new(),
            fills: None,
            of: own,
            counts: Vec::new(),
        };
        let payload = counts.encode();
        let told = |process: message::ProcessId, key: &MacKey| {
            let subject = format!("tga.gate.counts.{}", process.0);
            message(&subject, key.signed(&subject, &payload), &payload)
        };
        assert_eq!(read_counts(&told(own, &key), &key), Some(counts));
        assert_eq!(read_counts(&told(other, &key), &key), None);
        assert_eq!(read_counts(&told(own, &MacKey::new(&[2; 32])), &key), None);
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", MacKey::new(&[1; 32])), "MacKey");
    }
}
