//! The brake on guessing, as the gates of a process use it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use domain::credential::CredentialHash;
use metrics::{Counter, counter};
use runtime::clock::Clock;

use crate::admission::Denial;
use crate::cache::Credentials;
use crate::core::brake::{self, LookUp, Stopped};
use crate::core::trusted::{Cache, Trusted};
use crate::metrics as names;

/// A password or a one-time token that is looked at: wrong, unless its end is told.
#[must_use]
pub struct Guess<'a> {
    brake: &'a Brake,
    core: brake::Guess<'a>,
}

impl Guess<'_> {
    /// It was right, or nobody can say.
    pub fn passed(self) {
        self.core.passed();
    }

    /// It was wrong, which counts against its source.
    pub fn failed(self) {
        self.brake.failed.increment(1);
        self.core.failed(self.brake.clock.monotonic());
    }
}

/// What failed here, whichever gate it failed at.
pub struct Brake {
    core: brake::Brake,
    /// The cache of the process, if it has one: what stands in it was real when it was loaded.
    cached: OnceLock<Arc<Trusted<Credentials>>>,
    clock: Clock,
    malformed: Counter,
    failed: Counter,
    refused: Counter,
    forbidden: Counter,
    source: Counter,
    overall: Counter,
}

impl Brake {
    pub fn new(clock: Clock) -> Self {
        let outcome = |name: &'static str| counter!(names::BRAKE, "outcome" => name);
        Self {
            core: brake::Brake::new(),
            cached: OnceLock::new(),
            clock,
            malformed: outcome("malformed"),
            failed: outcome("failed"),
            refused: outcome("refused"),
            forbidden: outcome("forbidden"),
            source: outcome("source"),
            overall: outcome("overall"),
        }
    }

    /// What this cache holds is looked up however much else fails.
    pub fn trust(&self, cached: Arc<Trusted<Credentials>>) {
        // A limiter serves one such gate; of a second one the cache proves nothing.
        let _ = self.cached.set(cached);
    }

    /// Counts what is no credential at all.
    pub fn malformed(&self) {
        self.malformed.increment(1);
    }

    /// Whether the primary may be asked.
    pub fn ask(&self, peer: IpAddr, hash: &CredentialHash) -> Result<LookUp<'_>, Denial> {
        let is_cached = || {
            let cached = self.cached.get();
            cached.is_some_and(|cached| cached.cache().get(hash).is_some())
        };
        let asked = self.core.ask(peer, hash, is_cached, self.clock.monotonic());
        asked.map_err(|stopped| self.stopped(stopped))
    }

    /// Whether a password or a one-time token may be looked at.
    pub fn guess(&self, peer: IpAddr) -> Result<Guess<'_>, Denial> {
        let guess = self.core.guess(peer, self.clock.monotonic());
        let core = guess.map_err(|stopped| self.stopped(stopped))?;
        Ok(Guess { brake: self, core })
    }

    fn stopped(&self, stopped: Stopped) -> Denial {
        let (counter, denial) = match stopped {
            Stopped::Refused => (&self.refused, Denial::Invalid),
            Stopped::Forbidden => (&self.forbidden, Denial::VerificationUnavailable),
            Stopped::Source => (&self.source, Denial::VerificationUnavailable),
            Stopped::Overall => (&self.overall, Denial::VerificationUnavailable),
        };
        counter.increment(1);
        denial
    }

    /// The primary refused the hash, and the caller is told `denial`. What may not be used from
    /// there, where it is somebody else's, or for now is no guess, and an end that may not be told
    /// yet counts once it may.
    pub fn denied(&self, look_up: LookUp<'_>, hash: &CredentialHash, denial: &Denial) {
        let now = self.clock.monotonic();
        match denial {
            Denial::Invalid => {
                if look_up.failed(now) {
                    self.failed.increment(1);
                }
                self.core.told(hash, now);
            }
            Denial::RevocationInProgress => look_up.unanswered(),
            Denial::OrgSuspended | Denial::UserSuspended => look_up.forbidden(now),
            _ => look_up.found(),
        }
    }
}
