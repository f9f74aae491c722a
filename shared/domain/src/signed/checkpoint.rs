//! The head of the tree over all events (c2sp.org/tlog-checkpoint), with two lines of our own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Lines, LogName, Malformed, NoteError, NoteSigner, VerifierKey, number, open_as};
use crate::ids::{LogEpoch, TreeSize};
use crate::merkle::NodeHash;
use crate::time::Timestamp;

/// How many events the log has had, and what they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: LogName,
    /// Its events.
    pub size: TreeSize,
    /// The root over them.
    pub root: NodeHash,
    /// The life of the log: only checkpoints of one life continue each other.
    pub epoch: LogEpoch,
    /// When that was the whole log.
    pub at: Timestamp,
}

impl Checkpoint {
    /// The text that is signed: origin, size, root, and the extension lines `epoch …` and `time …`.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\nepoch {}\ntime {}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.as_bytes()),
            self.epoch,
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
        open_as(note, keys, "checkpoint", Self::parse, |said| &said.origin)
    }

    /// Reads the text of a note, whoever signed it. Extension lines that are not ours may follow.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::of("checkpoint", text);
        Ok(Self {
            origin: lines.next(|line| line.parse().ok())?,
            size: lines.next(|line| number(line).map(TreeSize::new))?,
            root: lines.next(root)?,
            epoch: lines.after("epoch", |id| id.parse().ok())?,
            at: lines.after("time", |at| Timestamp::parse(at).ok())?,
        })
    }
}

pub(super) fn root(base64: &str) -> Option<NodeHash> {
    NodeHash::try_from_slice(&STANDARD.decode(base64).ok()?)
}
