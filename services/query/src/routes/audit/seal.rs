//! The last line of a sealed export: with it the file alone, and the log's public key, show that the
//! file is complete.

use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId};
use domain::signed::SealedLine;
use event_log::{EventLog, SealError};

/// How long the signer may take: it looks twice a second, and seals an org once in 3 s at most.
const SIGNED_WITHIN: Duration = Duration::from_secs(5);

/// A seal on what an org has up to a position.
#[derive(Debug)]
pub struct Sealing {
    /// The last position under it: an export of all events of the org up to there, and no further, ends
    /// with `line`.
    pub until: GlobalPosition,
    /// The line, without its end.
    pub line: String,
}

impl Sealing {
    /// Has the ends of an org's streams signed as they are now.
    ///
    /// # Errors
    /// [`SealError`]; if nobody signs, after 5 s.
    pub async fn ask(log: &EventLog, org: OrgId) -> Result<Self, SealError> {
        let sealed = log.seal(org, SIGNED_WITHIN).await?;
        let line = SealedLine {
            org,
            at: sealed.signed_at,
            seal: sealed.seal,
            checkpoint: sealed.checkpoint,
        };
        Ok(Self {
            until: GlobalPosition::new(sealed.size.get()),
            line: line.to_json(),
        })
    }
}
