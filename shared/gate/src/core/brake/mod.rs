//! The brake on guessing: how many look-ups may fail, for each source address and over all
//! (v1-contract.md 3.2).
//!
//! It stands before the primary and judges hashes that no cache answers. It brakes look-ups, never
//! keys: what this process knows to be real is looked up whatever comes from its address, a source
//! without failures of its own is never refused because of others, and half of what a source may
//! fail is kept for hashes that were not refused yet, so that a client that goes on with an ended
//! key does not spend what a new one needs. Of a credential that may not call, as long as its org is
//! suspended, say, it is no guess either, but the look-ups are few: others need the primary too.

mod guess;
mod hashes;
mod sources;

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::credential::CredentialHash;
use runtime::clock::Monotonic;

pub use self::guess::Guess;
use self::hashes::{Proven, Timed};
use self::sources::{Debt, Limit, Source, Sources};

/// Failures of one source: 20 at once, forgotten one every 2 s.
const SOURCE: Limit = Limit {
    burst: 20,
    every: Duration::from_secs(2),
};
/// Look-ups under way of a source that has not failed lately: a crowd of real keys that this process
/// has not seen yet is no guess.
const CROWD: u32 = 1_024;
/// How many of them may be of hashes that were refused before.
const REFUSED_BURST: u32 = SOURCE.burst / 2;
/// Failures of all sources together: 400 at once, 200 a second.
const OVERALL: Limit = Limit {
    burst: 400,
    every: Duration::from_millis(5),
};
/// Look-ups of one credential that is there and may not call: 20 at once, 50 a second.
const FORBIDDEN: Limit = Limit {
    burst: 20,
    every: Duration::from_millis(20),
};
/// How long after all its failures are forgotten a source still counts as one that failed: then
/// the limit of all binds it too.
const FAILED_LATELY: Duration = Duration::from_mins(1);
/// How long a refusal that was told is told again without a look-up while its source is braked.
const TOLD_FOR: Duration = Duration::from_mins(1);

/// Counts failed look-ups. Its memory is fixed: about 3.7 MB.
#[derive(Debug)]
pub struct Brake {
    proven: Proven,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sources: Sources,
    overall: Debt,
    /// Hashes that were refused, and until when that is told again.
    told: Timed,
    /// Credentials that may not call, and when all their look-ups are paid for.
    forbidden: Timed,
    /// The newest reading, for look-ups that end without one.
    latest: Monotonic,
}

/// Why the primary is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The source's look-ups failed too often, and this hash was refused within the last minute.
    Refused,
    /// This credential may not call, and was looked up too often.
    Forbidden,
    /// The source's look-ups failed too often.
    Source,
    /// Look-ups failed too often over all, this source's among them.
    Overall,
}

/// A look-up under way: counted as failed unless its end is told.
#[derive(Debug)]
#[must_use]
pub struct LookUp<'a> {
    brake: &'a Brake,
    hash: CredentialHash,
    /// None if the hash is known to be real, or once the end is told.
    counted: Option<Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    source: Source,
    /// Whether the source's own count has it among those under way.
    by_source: bool,
    /// Whether the count of all has it.
    overall: bool,
}

impl Brake {
    /// Nobody has failed.
    pub fn new() -> Self {
        Self::sized(sources::SLOTS, hashes::PROVEN_SLOTS)
    }

    fn sized(sources: usize, proven: usize) -> Self {
        Self {
            proven: Proven::new(proven),
            state: Mutex::new(State {
                sources: Sources::new(sources),
                overall: Debt::default(),
                told: Timed::default(),
                forbidden: Timed::default(),
                latest: Monotonic::default(),
            }),
        }
    }

    /// Whether the primary may be asked about `hash` for a request from `peer`. `is_cached`: whether
    /// this process holds an entry of it, though not one that decides.
    ///
    /// # Errors
    /// [`Stopped`], without any look-up.
    pub fn ask(
        &self,
        peer: IpAddr,
        hash: &CredentialHash,
        is_cached: impl FnOnce() -> bool,
        now: Monotonic,
    ) -> Result<LookUp<'_>, Stopped> {
        let look_up = |counted| LookUp {
            brake: self,
            hash: *hash,
            counted,
        };
        // Without a lock: of a command service's requests these are nearly all.
        if self.proven.contains(hash) {
            return Ok(look_up(None));
        }
        let refused = {
            let mut state = self.state();
            state.spend_forbidden(hash, now)?;
            state.told.contains(hash, now)
        };
        if !refused && is_cached() {
            return Ok(look_up(None));
        }
        match self.state().begin(Source::from(peer), refused, now) {
            Ok(counted) => Ok(look_up(Some(counted))),
            Err(_) if refused => Err(Stopped::Refused),
            Err(stopped) => Err(stopped),
        }
    }

    /// A caller was told that the hash is not valid: that holds everywhere.
    pub fn told(&self, hash: &CredentialHash, now: Monotonic) {
        self.state().told.insert(hash, now + TOLD_FOR);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Brake {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn begin(&mut self, source: Source, refused: bool, now: Monotonic) -> Result<Counted, Stopped> {
        self.latest = now.max(self.latest);
        let burst = if refused { REFUSED_BURST } else { SOURCE.burst };
        let mut own = self.sources.find_or_make(source);
        let failed = own.as_deref().is_some_and(|debt| debt.failed_lately(now));
        let burst = if failed { burst } else { CROWD };
        let has_room = |debt: &Debt| debt.has_room(&SOURCE, burst, now);
        if own.as_deref().is_some_and(|debt| !has_room(debt)) {
            return Err(Stopped::Source);
        }
        if failed && !self.overall.has_room(&OVERALL, OVERALL.burst, now) {
            return Err(Stopped::Overall);
        }
        if let Some(debt) = &mut own {
            debt.pending += 1;
        }
        self.overall.pending += u32::from(failed);
        Ok(Counted {
            source,
            by_source: own.is_some(),
            overall: failed,
        })
    }

    /// From here on its look-ups are counted.
    fn forbid(&mut self, hash: &CredentialHash, now: Monotonic) {
        if self.forbidden.until(hash).is_none() {
            self.forbidden.insert(hash, now + FORBIDDEN.every);
        }
    }

    /// Counts a look-up of what may not call, if there is room for one.
    fn spend_forbidden(&mut self, hash: &CredentialHash, now: Monotonic) -> Result<(), Stopped> {
        let Some(paid) = self.forbidden.until(hash) else {
            return Ok(());
        };
        let paid = paid.max(now) + FORBIDDEN.every;
        if paid > now + FORBIDDEN.every * FORBIDDEN.burst {
            return Err(Stopped::Forbidden);
        }
        self.forbidden.insert(hash, paid);
        Ok(())
    }

    /// Takes a look-up from those under way.
    fn end(&mut self, counted: Counted) {
        if counted.by_source
            && let Some(debt) = self.sources.find(counted.source)
        {
            debt.pending = debt.pending.saturating_sub(1);
        }
        if counted.overall {
            self.overall.pending = self.overall.pending.saturating_sub(1);
        }
    }

    fn fail(&mut self, counted: Counted, now: Monotonic) {
        self.end(counted);
        self.latest = now.max(self.latest);
        let now = self.latest;
        let own = self.sources.find_or_make(counted.source);
        // Of a source that had not failed no room was kept: its crowd owes a burst at most.
        if counted.overall {
            if let Some(debt) = own {
                debt.fail(&SOURCE, now);
            }
            self.overall.fail(&OVERALL, now);
        } else {
            if let Some(debt) = own {
                debt.fail_besides(&SOURCE, SOURCE.burst, now);
            }
            let room = OVERALL.burst.saturating_sub(self.overall.pending);
            self.overall.fail_besides(&OVERALL, room, now);
        }
    }
}

impl LookUp<'_> {
    /// The primary has the credential, and it may call from somewhere.
    pub fn found(mut self) {
        self.brake.proven.insert(&self.hash);
        self.end();
    }

    /// The primary has the credential, and it may call from nowhere for now.
    pub fn forbidden(mut self, now: Monotonic) {
        self.brake.proven.remove(&self.hash);
        self.brake.state().forbid(&self.hash, now);
        self.end();
    }

    /// The primary did not answer, which says nothing about the hash.
    pub fn unanswered(mut self) {
        self.end();
    }

    /// Nobody has the credential, or it has ended. Says whether that counts: what was known to be
    /// real is no guess.
    pub fn failed(mut self, now: Monotonic) -> bool {
        self.fail(now)
    }

    fn end(&mut self) {
        if let Some(counted) = self.counted.take() {
            self.brake.state().end(counted);
        }
    }

    fn fail(&mut self, now: Monotonic) -> bool {
        self.brake.proven.remove(&self.hash);
        let counted = self.counted.take();
        if let Some(counted) = counted {
            self.brake.state().fail(counted, now);
        }
        counted.is_some()
    }
}

impl Drop for LookUp<'_> {
    /// A caller who hangs up before the answer has had the look-up all the same; when, nobody reads.
    fn drop(&mut self) {
        if self.counted.is_some() {
            self.fail(Monotonic::default());
        }
    }
}

#[cfg(test)]
mod tests;
