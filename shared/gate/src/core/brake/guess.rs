//! Guesses that no credential is part of: passwords and one-time tokens. They count with the failures
//! of their source.

use std::net::IpAddr;

use runtime::clock::Monotonic;

use super::sources::Source;
use super::{Brake, Counted, Stopped};

/// A guess under way: counted as wrong unless its end is told.
#[derive(Debug)]
#[must_use]
pub struct Guess<'a> {
    brake: &'a Brake,
    /// None once the end is told.
    counted: Option<Counted>,
}

impl Brake {
    /// Whether one more guess from `peer` may be looked at.
    ///
    /// # Errors
    /// [`Stopped`], by the source or over all.
    pub fn guess(&self, peer: IpAddr, now: Monotonic) -> Result<Guess<'_>, Stopped> {
        let counted = self.state().begin(Source::from(peer), false, now)?;
        Ok(Guess {
            brake: self,
            counted: Some(counted),
        })
    }
}

impl Guess<'_> {
    /// It was right, or it is not known.
    pub fn passed(mut self) {
        if let Some(counted) = self.counted.take() {
            self.brake.state().end(counted);
        }
    }

    /// It was wrong.
    pub fn failed(mut self, now: Monotonic) {
        if let Some(counted) = self.counted.take() {
            self.brake.state().fail(counted, now);
        }
    }
}

impl Drop for Guess<'_> {
    /// A caller who hangs up before the answer has guessed all the same; when, nobody reads.
    fn drop(&mut self) {
        if let Some(counted) = self.counted.take() {
            self.brake.state().fail(counted, Monotonic::default());
        }
    }
}
