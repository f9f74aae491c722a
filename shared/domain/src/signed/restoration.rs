//! That a life of the log ended because its database was restored to an earlier moment. Without it heads
//! of one life say that the log of another was changed.

use super::{Lines, LogName, Malformed, NoteError, NoteSigner, VerifierKey, number, open_as};
use crate::ids::{LogEpoch, TreeSize};
use crate::time::Timestamp;

/// What is said of two lives of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The log.
    pub origin: LogName,
    /// The life that ended.
    pub former: LogEpoch,
    /// How many events both have in common, from the first on: those after them are gone.
    pub size: TreeSize,
    /// The largest size of the former life that was known to have been signed.
    pub known: TreeSize,
    /// The life that began.
    pub epoch: LogEpoch,
    /// When that was.
    pub at: Timestamp,
}

impl Restoration {
    /// What the first line of its text ends with, by which it is told from a checkpoint.
    const MARK: &str = " restored";

    /// The text that is signed.
    pub fn text(&self) -> String {
        let mark = Self::MARK;
        format!(
            "{}{mark}\nformer {}\ntree {}\nknown {}\nepoch {}\ntime {}\n",
            self.origin, self.former, self.size, self.known, self.epoch, self.at
        )
    }

    /// The note under its signature.
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&self.text())
    }

    /// Whether a note is meant to be one, whatever else is wrong with it.
    pub fn is_meant(note: &str) -> bool {
        let first = note.lines().next();
        first.is_some_and(|line| line.ends_with(Self::MARK))
    }

    /// Reads a note that one of the keys has signed for the log of that key's name.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, NoteError> {
        open_as(note, keys, "restoration", Self::parse, |said| &said.origin)
    }

    /// Reads the text of a note, whoever signed it.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::of("restoration", text);
        let restoration = Self {
            origin: lines.next(|line| line.strip_suffix(Self::MARK)?.parse().ok())?,
            former: lines.after("former", |id| id.parse().ok())?,
            size: lines.after("tree", |size| number(size).map(TreeSize::new))?,
            known: lines.after("known", |size| number(size).map(TreeSize::new))?,
            epoch: lines.after("epoch", |id| id.parse().ok())?,
            at: lines.after("time", |at| Timestamp::parse(at).ok())?,
        };
        lines.end()?;
        Ok(restoration)
    }

    /// How many events one life of the log has in common with another that followed it, perhaps after
    /// others, each of which ended as one of these says; none if they do not lead from the one to the other.
    pub fn common(all: &[Self], former: LogEpoch, epoch: LogEpoch) -> Option<TreeSize> {
        let mut reached = vec![(former, TreeSize::new(u64::MAX))];
        let mut next = 0;
        while let Some((life, size)) = reached.get(next).copied() {
            if life == epoch {
                return Some(size);
            }
            next += 1;
            for one in all.iter().filter(|one| one.former == life) {
                if reached.iter().all(|(known, _)| *known != one.epoch) {
                    reached.push((one.epoch, size.min(one.size)));
                }
            }
        }
        None
    }
}
