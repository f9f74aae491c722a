//! What is said of the log under a signature: [`Checkpoint`], the head of the tree over all events,
//! [`Seal`], the ends of one org's streams as of a checkpoint, and [`Restoration`], why the log has begun
//! a new life. They are texts of a signed note (c2sp.org/signed-note), under Ed25519.
//!
//! None can be taken for another: the second line of a checkpoint is a number, that of a seal begins with
//! `org`, and that of a restoration with `former`.

mod checkpoint;
mod line;
mod note;
mod restoration;
mod seal;
#[cfg(test)]
mod tests;

pub use self::checkpoint::Checkpoint;
pub use self::line::{InvalidSealedLine, SealedLine};
pub use self::note::{
    InvalidKey, InvalidLogName, LogName, NOTE_BYTES, NotVerified, NoteSigner, SEED_BYTES,
    SIGNATURES_MAX, VerifierKey, opened,
};
pub use self::restoration::Restoration;
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

/// Reads a note that one of the keys has signed: what `parse` makes of its text, whose first line must
/// name the log of that key.
fn open_as<T>(
    note: &str,
    keys: &[VerifierKey],
    what: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Malformed>,
    origin: impl FnOnce(&T) -> &LogName,
) -> Result<T, NoteError> {
    let (text, key) = opened(note, keys)?;
    let said = parse(text)?;
    if origin(&said) == key.name() {
        Ok(said)
    } else {
        Err(Malformed { what, line: 1 }.into())
    }
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
