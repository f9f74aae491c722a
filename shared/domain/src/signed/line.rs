//! The last line of a sealed export: a CloudEvent that is no event of the log.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::{EventId, OrgId};
use crate::time::Timestamp;

/// Its `type`; stable.
const TYPE: &str = "com.trackagoat.export.sealed.v1";

/// A text that does not end an export.
#[derive(Debug, Error)]
pub enum InvalidSealedLine {
    /// It is no CloudEvent with a seal.
    #[error("not the line that seals an export")]
    Json(#[source] serde_json::Error),
    /// It is another CloudEvent.
    #[error("a CloudEvent of type {0}")]
    Type(String),
    /// It is of nobody.
    #[error("its source is no org")]
    Source,
}

/// A seal and the checkpoint that it is of, as an export ends with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedLine {
    /// The line's own id.
    pub id: EventId,
    /// Whose events the export holds.
    pub org: OrgId,
    /// When it was signed.
    pub at: Timestamp,
    /// The seal, a signed note.
    pub seal: String,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    data: Notes,
    #[serde(default)]
    datacontenttype: String,
    id: EventId,
    source: String,
    #[serde(default)]
    specversion: String,
    time: Timestamp,
    #[serde(rename = "type")]
    event_type: String,
}

#[derive(Serialize, Deserialize)]
struct Notes {
    checkpoint: String,
    seal: String,
}

impl SealedLine {
    /// The line, without its end.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            data: Notes {
                checkpoint: self.checkpoint.clone(),
                seal: self.seal.clone(),
            },
            datacontenttype: "application/json".to_owned(),
            id: self.id,
            source: format!("/orgs/{}", self.org),
            specversion: "1.0".to_owned(),
            time: self.at,
            event_type: TYPE.to_owned(),
        };
        serde_json::to_string(&wire).expect("ids and strings are JSON")
    }

    /// Whether a line is meant to be one, whatever else is wrong with it.
    pub fn is_meant(json: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Typed {
            #[serde(rename = "type")]
            event_type: String,
        }
        serde_json::from_slice(json).is_ok_and(|typed: Typed| typed.event_type == TYPE)
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`InvalidSealedLine`].
    pub fn parse(json: &[u8]) -> Result<Self, InvalidSealedLine> {
        let wire: Wire = serde_json::from_slice(json).map_err(InvalidSealedLine::Json)?;
        if wire.event_type != TYPE {
            return Err(InvalidSealedLine::Type(wire.event_type));
        }
        let org = wire.source.strip_prefix("/orgs/");
        Ok(Self {
            id: wire.id,
            org: org
                .and_then(|id| id.parse().ok())
                .ok_or(InvalidSealedLine::Source)?,
            at: wire.time,
            seal: wire.data.seal,
            checkpoint: wire.data.checkpoint,
        })
    }
}
