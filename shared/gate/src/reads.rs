//! How a request reads a replica's lease, cache and tombstones.

use domain::credential::CredentialHash;
use runtime::clock::Clock;

use crate::cache::Credentials;
use crate::core::clocks::{Deadlines, FencePoint};
use crate::core::hold::RestsOn;
use crate::core::lookup::{Found, Reads};
use crate::core::registry::Registry;
use crate::core::stamp::Stamp;
use crate::core::trusted::{Cache, Trusted};
use crate::drill::{self, Point};

/// What a request reads of a replica.
pub struct LiveReads<'a> {
    pub trusted: &'a Trusted<Credentials>,
    pub registry: &'a Registry,
    pub clock: &'a Clock,
    pub hash: &'a CredentialHash,
}

impl Reads for LiveReads<'_> {
    fn deadlines(&mut self) -> Deadlines {
        let deadlines = self.trusted.lease().deadlines();
        drill::reach(Point::DeadlinesLoaded, self.hash);
        deadlines
    }

    fn find(&mut self) -> Found {
        let found = self.cached();
        drill::reach(Point::CacheRead, self.hash);
        found
    }

    fn floor(&mut self) -> Stamp {
        self.trusted.lease().floor()
    }

    fn now(&mut self) -> FencePoint {
        let now = fence_point(self.clock);
        drill::reach(Point::ClocksRead, self.hash);
        now
    }

    fn rests_on(&mut self, tomb: Stamp) -> RestsOn {
        self.trusted.rests_on(tomb)
    }
}

impl LiveReads<'_> {
    fn cached(&mut self) -> Found {
        if let Some(entry) = self.trusted.cache().get(self.hash) {
            let facts = entry.facts(self.registry);
            #[cfg(feature = "mutants")]
            mutants::stand_still(self);
            return Found::Entry(entry, facts);
        }
        match self.trusted.refused(self.hash) {
            Some(rests_on) => Found::Refused(rests_on),
            None => Found::Nothing,
        }
    }
}

/// The two clocks that a lease is read on.
pub fn fence_point(clock: &Clock) -> FencePoint {
    FencePoint {
        boot: clock.boottime(),
        raw: clock.raw(),
    }
}

#[cfg(feature = "mutants")]
mod mutants {
    use std::time::Duration;

    use super::{LiveReads, Reads};
    use crate::core::mutant::Mutant;

    const LOOK: Duration = Duration::from_millis(5);
    const LOOKS: usize = 80;

    /// Makes the window between cache and deadlines as wide as it can become: a handler stands still
    /// there until a lease begins, though not for ever.
    #[expect(clippy::disallowed_methods, reason = "a handler that stands still")]
    pub fn stand_still(reads: &mut LiveReads<'_>) {
        if !Mutant::LookupThenDeadline.is_active() {
            return;
        }
        tokio::task::block_in_place(|| {
            for _ in 0..LOOKS {
                if reads.deadlines().cover(reads.now()) {
                    return;
                }
                std::thread::sleep(LOOK);
            }
        });
    }
}
