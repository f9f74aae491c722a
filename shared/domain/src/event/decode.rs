//! Reading events of any version ever written.

use thiserror::Error;

use super::upcast::{FORMER, lift};
use super::{Event, EventType};
use crate::credential::CredentialHash;

/// Why a stored event cannot be read by this build.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// A newer build wrote a type that this one does not know.
    #[error("event type {name} is not known to this build")]
    UnknownType {
        /// Its name.
        name: String,
    },
    /// A newer build wrote a version that this one does not know.
    #[error("version {version} of event type {name} is not known to this build")]
    UnknownVersion {
        /// Its name.
        name: &'static str,
        /// Its version.
        version: u16,
    },
    /// The data does not fit its type.
    #[error("data of an event of type {name} version {version} cannot be read")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// Its version.
        version: u16,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

impl Event {
    /// Reads an event as it stands in the log. `secret` comes from the metadata, where it is at
    /// hand.
    pub fn decode(
        name: &str,
        version: u16,
        data: &str,
        secret: Option<CredentialHash>,
    ) -> Result<Self, DecodeError> {
        let event_type = EventType::from_name(name).ok_or_else(|| DecodeError::UnknownType {
            name: name.to_owned(),
        })?;
        let name = event_type.name();
        let data = lift(
            FORMER,
            event_type,
            event_type.schema_version(),
            version,
            data,
        )?;
        let mut event =
            Self::decode_current(event_type, &data).map_err(|source| DecodeError::Invalid {
                name,
                version,
                source,
            })?;
        match &mut event {
            Self::KeyCreated(created) => created.hash = secret,
            Self::SessionOpened(opened) => opened.hash = secret,
            _ => {}
        }
        Ok(event)
    }
}
