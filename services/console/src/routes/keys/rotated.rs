//! A key of a rotation, and the one beside it.

use api::v1::{ApiKey, Timestamp};
use uuid::Uuid;

use super::at;
use super::show::is_live;
use crate::visit::Visit;

/// What is told of a rotation on a page about one of its keys.
pub(super) struct Rotated {
    /// Whether that key is the one that ends.
    pub is_old: bool,
    /// The other key.
    pub other: Uuid,
    /// Whether that is accepted; nothing if it could not be asked.
    pub other_is_live: Option<bool>,
    /// When the old one ends, if it has not.
    pub ends_at: Timestamp,
}

impl Rotated {
    /// Nothing of a key that neither replaces one nor is replaced.
    pub async fn of(visit: &Visit, key: &ApiKey) -> Option<Self> {
        let rotation = key.rotation.as_ref()?;
        let is_old = rotation.old_id == key.id;
        let other = if is_old {
            rotation.new_id
        } else {
            rotation.old_id
        };
        let read = visit.get::<ApiKey>(at(other.as_uuid())).await;
        let read = read.ok().map(|other| other.data);
        // Its own end may come before that of the rotation.
        let old = if is_old { Some(key) } else { read.as_ref() };
        let end = old.and_then(|old| old.expires_at);
        Some(Self {
            is_old,
            other: other.as_uuid(),
            other_is_live: read.as_ref().map(is_live),
            ends_at: end.unwrap_or(rotation.ends_at),
        })
    }
}
