//! The message of an event: subject, headers, payload; made here and read here.

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::limits::EVENT_DATA_BYTES;

use super::MirrorError;
use crate::stored::StoredEvent;

const EXPECTED_LAST: HeaderName = HeaderName::from_static("Nats-Expected-Last-Sequence");
const POSITION: HeaderName = HeaderName::from_static("Tga-Position");
const EPOCH: HeaderName = HeaderName::from_static("Tga-Epoch");
pub(super) const HASH: HeaderName = HeaderName::from_static("Tga-Hash");
const AUTH_PREV: HeaderName = HeaderName::from_static("Tga-Auth-Prev");

/// What an envelope and the headers add to the data of an event, at most.
const AROUND_DATA: usize = 8 * 1024;

/// Bytes of the largest message: what the server's `max_payload` must allow.
pub const LARGEST_MESSAGE: usize = EVENT_DATA_BYTES + AROUND_DATA;

/// Refuses a server that would not take the largest event: it would block the mirror for ever.
pub fn check_payload(client: &async_nats::Client) -> Result<(), MirrorError> {
    let (found, needed) = (client.server_info().max_payload, LARGEST_MESSAGE);
    // Zero: not connected yet.
    if found == 0 || found >= needed {
        Ok(())
    } else {
        Err(MirrorError::SmallPayload { found, needed })
    }
}

/// `tga.events.<org>.<entity>.<event>`.
pub fn subject(event: &StoredEvent) -> String {
    format!("tga.events.{}.{}", event.org_id, event.type_name)
}

pub fn headers(event: &StoredEvent, epoch: &HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let before = event.position.get() - 1;
    headers.insert(EXPECTED_LAST, HeaderValue::from(before));
    headers.insert(POSITION, HeaderValue::from(event.position.get()));
    headers.insert(EPOCH, epoch.clone());
    headers.insert(HASH, event.hash.to_string());
    if let Some(previous) = event.auth_prev {
        headers.insert(AUTH_PREV, HeaderValue::from(previous.get()));
    }
    headers
}

pub fn payload(event: &StoredEvent) -> Bytes {
    event.to_cloud_event().into()
}

/// What a subscriber gets, if it is whole: its position and content agree with its hash.
pub struct Received {
    pub epoch: LogEpoch,
    pub event: StoredEvent,
}

impl Received {
    /// The position alone, without looking at the rest.
    pub fn position(message: &async_nats::Message) -> Option<GlobalPosition> {
        let headers = message.headers.as_ref()?;
        number(headers, POSITION)
    }

    /// Reads a message; none if it is not one of ours, or was altered.
    pub fn parse(message: &async_nats::Message) -> Option<Self> {
        let headers = message.headers.as_ref()?;
        let epoch = headers.get(EPOCH)?.as_str().parse().ok()?;
        let auth_prev = match headers.get(AUTH_PREV) {
            Some(_) => Some(number(headers, AUTH_PREV)?),
            None => None,
        };
        let event = StoredEvent::from_public(&message.payload, auth_prev)?;
        (number(headers, POSITION) == Some(event.position)).then_some(Self { epoch, event })
    }
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<GlobalPosition> {
    headers
        .get(name)?
        .as_str()
        .parse()
        .ok()
        .map(GlobalPosition::new)
}
