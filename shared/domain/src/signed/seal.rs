//! Where the streams of one org end as of a checkpoint: with it, an exported file of that org alone
//! shows that nothing is missing from it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::root;
use super::{Lines, LogName, Malformed, NoteError, NoteSigner, VerifierKey, number, open_as};
use crate::event::{ChainHash, Stream};
use crate::ids::{LogEpoch, OrgId, StreamVersion, TreeSize};
use crate::merkle::NodeHash;
use crate::time::Timestamp;

/// The newest event of a stream; of an empty one version 0 and 32 zero bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    /// Its version.
    pub version: StreamVersion,
    /// Its hash, which covers all before it.
    pub hash: ChainHash,
}

impl StreamEnd {
    /// Of a stream without events.
    pub const EMPTY: Self = Self {
        version: StreamVersion::ZERO,
        hash: ChainHash::ZERO,
    };
}

/// The ends of an org's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The log.
    pub origin: LogName,
    /// The org.
    pub org: OrgId,
    /// How many events the whole log had.
    pub size: TreeSize,
    /// The root over them.
    pub root: NodeHash,
    /// The life of the log.
    pub epoch: LogEpoch,
    /// The end of the org's decisions.
    pub decisions: StreamEnd,
    /// The end of its observations.
    pub observations: StreamEnd,
    /// When those were the ends.
    pub at: Timestamp,
}

impl Seal {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let (decisions, observations) = (self.decisions, self.observations);
        format!(
            "{} seal\norg {}\ntree {} {}\nepoch {}\ndecisions {} {}\nobservations {} {}\ntime {}\n",
            self.origin,
            self.org,
            self.size,
            STANDARD.encode(self.root.as_bytes()),
            self.epoch,
            decisions.version,
            decisions.hash,
            observations.version,
            observations.hash,
            self.at
        )
    }

    /// The note under its signature.
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&self.text())
    }

    /// Reads a note that one of the keys has signed for the log of that key's name.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, NoteError> {
        open_as(note, keys, "seal", Self::parse, |said| &said.origin)
    }

    /// Reads the text of a note, whoever signed it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::of("seal", text);
        let origin = lines.next(|line| line.strip_suffix(" seal")?.parse().ok())?;
        let org = lines.after("org", |id| id.parse().ok())?;
        let (size, root) = lines.after("tree", |tree| {
            let (size, base64) = tree.split_once(' ')?;
            Some((number(size).map(TreeSize::new)?, root(base64)?))
        })?;
        let seal = Self {
            origin,
            org,
            size,
            root,
            epoch: lines.after("epoch", |id| id.parse().ok())?,
            decisions: lines.after("decisions", end)?,
            observations: lines.after("observations", end)?,
            at: lines.after("time", |at| Timestamp::parse(at).ok())?,
        };
        lines.end()?;
        Ok(seal)
    }

    /// The end of one of the streams.
    pub const fn end(&self, stream: Stream) -> StreamEnd {
        match stream {
            Stream::Decisions => self.decisions,
            Stream::Observations => self.observations,
        }
    }
}

fn end(text: &str) -> Option<StreamEnd> {
    let (version, hash) = text.split_once(' ')?;
    Some(StreamEnd {
        version: number(version).map(StreamVersion::new)?,
        hash: hash.parse().ok()?,
    })
}
