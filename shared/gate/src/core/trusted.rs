//! What requests read of a replica. Only the apply task writes it.

use std::sync::PoisonError;

use domain::credential::CredentialHash;
use domain::ids::{GlobalPosition, LogEpoch};
use uuid::Uuid;

use super::entry::EntryRef;
use super::hold::RestsOn;
use super::lease::LeaseCell;
use super::mutant::Mutant;
use super::registry::Registry;
use super::stamp::{Generation, Stamp};
use super::sync::{AtomicU64, Mutex, Ordering};

/// A bounded cache of credentials (revocation.md 7): what is in it may be used only if it passes
/// the tests of [`look_up`](super::lookup::look_up), and anything may be missing from it.
pub trait Cache {
    /// The entry of an allowed credential.
    fn get(&self, hash: &CredentialHash) -> Option<EntryRef>;
    /// Takes the place of what is there. For the apply task.
    fn insert(&self, hash: &CredentialHash, entry: EntryRef);
    /// Forgets an entry. For the apply task.
    fn remove(&self, hash: &CredentialHash);
    /// What is known of a hash that the primary refused.
    fn refused(&self, hash: &CredentialHash) -> Option<RefusedAs>;
    /// Remembers that the primary refused a hash for good. For the apply task.
    fn refuse(&self, hash: &CredentialHash, refused: RefusedAs);
    /// Forgets every entry that is overruled, of those that are there when this begins. It may be
    /// called beside the apply task and take long: to forget too much harms nobody.
    fn forget(&self, is_overruled: &dyn Fn(&EntryRef) -> bool);
    /// Frees the memory of everything; what is left of it is not used any more. For the apply task.
    fn clear(&self);
}

/// What is known of a refused hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefusedAs {
    /// The generation in which it was refused.
    pub generation: Generation,
    /// The event that this rests on; of an unknown hash none.
    pub rests_on: RestsOn,
}

/// Cache and lease of one replica.
#[derive(Debug)]
pub struct Trusted<C> {
    pub(super) lease: LeaseCell,
    pub(super) cache: C,
    current: Mutex<(Generation, Option<LogEpoch>)>,
    applied: AtomicU64,
}

impl<C: Cache> Trusted<C> {
    /// With nothing in it.
    pub fn new(cache: C) -> Self {
        Self {
            lease: LeaseCell::default(),
            cache,
            current: Mutex::new((Generation::NONE, None)),
            applied: AtomicU64::new(0),
        }
    }

    /// Forgets every entry that a tombstone speaks to: what lies in the cache and is never asked for
    /// keeps both. May be called beside the apply task.
    pub fn forget_overruled(&self, registry: &Registry) {
        if !Mutant::CollectUnforgotten.is_active() {
            self.cache.forget(&|entry| entry.is_overruled(registry));
        }
    }

    /// Deadlines and floor.
    pub const fn lease(&self) -> &LeaseCell {
        &self.lease
    }

    /// The cache itself.
    pub const fn cache(&self) -> &C {
        &self.cache
    }

    /// What it rests on that the primary refused the hash for good, if it did in this generation.
    pub fn refused(&self, hash: &CredentialHash) -> Option<RestsOn> {
        let refused = self.cache.refused(hash)?;
        (refused.generation.floor() == self.lease.floor()).then_some(refused.rests_on)
    }

    /// The event that a tombstone is of. One of an earlier generation is never known to hold: its
    /// log may be another one.
    pub fn rests_on(&self, tomb: Stamp) -> RestsOn {
        let (generation, epoch) = self.current();
        let epoch = epoch.filter(|_| tomb >= generation.floor());
        RestsOn {
            epoch: epoch.unwrap_or(LogEpoch::from_uuid(Uuid::nil())),
            position: tomb.position(),
        }
    }

    /// The generation whose entries count, and the log it was loaded from.
    pub fn current(&self) -> (Generation, Option<LogEpoch>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where every auth event is applied, without a hole; 0 while nothing is loaded.
    pub fn applied(&self) -> GlobalPosition {
        GlobalPosition::new(self.applied.load(Ordering::Acquire))
    }

    pub(super) fn applied_up_to(&self, position: GlobalPosition) {
        self.applied.store(position.get(), Ordering::Release);
    }

    /// From here on nothing of an earlier generation is used. The lease is fenced.
    pub(super) fn begin(&self, generation: Generation, epoch: LogEpoch) {
        self.lease.begin(generation);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (generation, Some(epoch));
        drop(current);
        self.applied_up_to(GlobalPosition::ZERO);
        // Only to free the memory: the floor keeps old entries out.
        self.cache.clear();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::samples::{
        Unbounded, entry, epoch, first_generation, hash, position, rests_on, row, stamp,
    };
    use super::*;

    fn begun() -> Trusted<Unbounded> {
        let trusted = Trusted::new(Unbounded::default());
        trusted.begin(first_generation(), epoch(1));
        trusted
    }

    fn refused_in(generation: Generation) -> RefusedAs {
        RefusedAs {
            generation,
            rests_on: rests_on(7),
        }
    }

    #[test]
    fn a_refusal_counts_in_its_own_generation_alone() {
        let trusted = begun();
        let second = first_generation().next().unwrap();
        trusted
            .cache
            .refuse(&hash(1), refused_in(first_generation()));
        trusted.cache.refuse(&hash(2), refused_in(second));
        assert_eq!(trusted.refused(&hash(1)), Some(rests_on(7)));
        assert_eq!(trusted.refused(&hash(2)), None, "not begun yet");
        trusted.begin(second, epoch(2));
        assert_eq!(trusted.refused(&hash(1)), None);
        assert_eq!(trusted.refused(&hash(2)), Some(rests_on(7)));
        assert_eq!(trusted.refused(&hash(3)), None);
    }

    #[test]
    fn a_tombstone_of_an_earlier_generation_is_of_no_log_that_anybody_settles() {
        let trusted = begun();
        assert_eq!(trusted.rests_on(stamp(12)), rests_on(12));
        trusted.begin(first_generation().next().unwrap(), epoch(1));
        let earlier = trusted.rests_on(stamp(12));
        assert_eq!(earlier.position, position(12));
        assert_ne!(earlier.epoch, epoch(1));
        let unloaded = Trusted::new(Unbounded::default());
        assert_ne!(unloaded.rests_on(stamp(12)).epoch, epoch(1));
    }

    #[test]
    fn a_generation_begins_with_nothing_applied_and_nothing_cached() {
        let trusted = begun();
        let registry = Registry::default();
        trusted
            .cache
            .insert(&hash(1), entry(row(1), stamp(10), &registry));
        trusted.applied_up_to(position(12));
        let second = first_generation().next().unwrap();
        trusted.begin(second, epoch(2));
        assert_eq!(trusted.applied(), GlobalPosition::ZERO);
        assert!(trusted.cache.get(&hash(1)).is_none());
        assert_eq!(trusted.lease().floor(), second.floor());
        assert_eq!(trusted.current(), (second, Some(epoch(2))));
    }
}
