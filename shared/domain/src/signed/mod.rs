//! What is said of the log under a signature: [`Checkpoint`], the head of the tree over all events,
//! and [`Seal`], the ends of one org's streams as of a checkpoint. Both are texts of a signed note
//! (c2sp.org/signed-note), under Ed25519.
//!
//! The two cannot be taken for one another: the second line of a checkpoint is a number, that of a
//! seal is not.

mod checkpoint;
mod line;
mod note;
mod seal;
#[cfg(test)]
mod tests;

pub use self::checkpoint::Checkpoint;
pub use self::line::{InvalidSealedLine, SealedLine};
pub use self::note::{
    InvalidKey, InvalidLogName, LogName, NOTE_BYTES, NotVerified, NoteSigner, SEED_BYTES,
    SIGNATURES_MAX, VerifierKey, opened,
};
pub use self::seal::{Seal, StreamEnd};

use thiserror::Error;

/// A text under a good signature that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the signed text is no {what}: its line {line} is malformed")]
pub struct Malformed {
    /// What it should be.
    pub what: &'static str,
    /// The first line that has not its form, from 1.
    pub line: usize,
}

/// Why a note says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Nobody whose key is at hand has signed it.
    #[error(transparent)]
    Signature(#[from] NotVerified),
    /// Its text has another form.
    #[error(transparent)]
    Text(#[from] Malformed),
}

/// The lines of a text, each read once and in order.
struct Lines<'a> {
    what: &'static str,
    left: std::str::Split<'a, char>,
    number: usize,
}

impl<'a> Lines<'a> {
    /// Of a text that ends with a line break.
    fn of(what: &'static str, text: &'a str) -> Self {
        Self {
            what,
            left: text.strip_suffix('\n').unwrap_or(text).split('\n'),
            number: 0,
        }
    }

    fn malformed(&self) -> Malformed {
        Malformed {
            what: self.what,
            line: self.number,
        }
    }

    /// The next line as `read` has it.
    fn next<T>(&mut self, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, Malformed> {
        self.number += 1;
        let line = self.left.next();
        line.and_then(read).ok_or_else(|| self.malformed())
    }

    /// The next line without what it must begin with.
    fn after<T>(
        &mut self,
        label: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, Malformed> {
        self.next(|line| read(line.strip_prefix(label)?.strip_prefix(' ')?))
    }

    /// Nothing may follow.
    fn end(mut self) -> Result<(), Malformed> {
        self.number += 1;
        match self.left.next() {
            None => Ok(()),
            Some(_) => Err(self.malformed()),
        }
    }
}

/// A number as it is written: without signs and leading zeros.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    (is_plain && is_short).then(|| text.parse().ok())?
}
