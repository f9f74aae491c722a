//! What outlives a cached entry: tombstones, windows, usage, the org's day.
//!
//! An entry keeps pointers to its credential, its owner and its org, so a request takes no lock
//! that two keys share: the locks here are taken when an entry is made or first used, by the apply
//! task, and by the sweeper.

mod shards;

use std::sync::{Arc, PoisonError};

use domain::ids::{GlobalPosition, LogEpoch, OrgId, UserId};
use runtime::clock::Boottime;
use uuid::Uuid;

pub use self::shards::SHARDS;
use self::shards::{Mortal, Shards};
use super::auth::Subject;
use super::fleet::{Fleet, Part};
use super::gossip::message::Count;
use super::others::{Admitted, News, Others};
use super::quota::Allowance;
use super::stamp::{Stamp, Tomb, TombCell};
use super::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};
use super::usage::Usage;
use super::window::{Taken, Window};

const UNLIMITED: u64 = u64::MAX;

/// Everything by subject. Tombstones are never evicted by pressure (revocation.md 7, rule 3).
#[derive(Debug, Default)]
pub struct Registry {
    credentials: Shards<Uuid, Credential>,
    owners: Shards<(OrgId, Option<UserId>), Owner>,
    orgs: Shards<OrgId, Org>,
    fleet: Fleet,
    epoch: Mutex<Option<LogEpoch>>,
}

/// A credential that was used in this process.
#[derive(Debug)]
pub struct Credential {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    tomb: TombCell,
    state: Mutex<CredentialState>,
}

/// What requests of one credential change.
#[derive(Debug, Default)]
pub struct CredentialState {
    /// The last 60 s.
    pub window: Window,
    /// What is not flushed yet.
    pub usage: Usage,
}

/// A person in one org, or nobody in particular.
#[derive(Debug)]
pub struct Owner {
    /// The org.
    pub org: Arc<Org>,
    /// The person.
    pub user: Option<UserId>,
    tomb: TombCell,
}

/// An org.
#[derive(Debug)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its day.
    pub allowance: Allowance,
    tomb: TombCell,
    terms: Terms,
}

/// An org's limits, as the newest row that this process read shows them.
#[derive(Debug)]
struct Terms {
    position: AtomicU64,
    per_day: AtomicU64,
    per_minute: AtomicU32,
}

/// An org's limits on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrgTerms {
    /// Requests with keys per UTC day; none is unlimited.
    pub per_day: Option<u64>,
    /// The most a key may send in any trailing 60 s.
    pub per_minute: u32,
}

impl Registry {
    /// The credential's cell, made if it is not there.
    pub fn credential(&self, id: Uuid, org: OrgId) -> Arc<Credential> {
        self.credentials.attach(&id, |tomb| Credential {
            id,
            org,
            tomb: TombCell::new(tomb),
            state: Mutex::default(),
        })
    }

    /// The owner's cell, made if it is not there; its org then has the terms of a row read at
    /// `position`, or newer ones.
    pub fn owner(
        &self,
        org: OrgId,
        user: Option<UserId>,
        position: GlobalPosition,
        terms: OrgTerms,
    ) -> Arc<Owner> {
        let owner = self.owners.attach(&(org, user), |tomb| Owner {
            org: self.orgs.attach(&org, |tomb| Org {
                id: org,
                allowance: Allowance::default(),
                tomb: TombCell::new(tomb),
                terms: Terms {
                    position: AtomicU64::new(0),
                    per_day: AtomicU64::new(0),
                    per_minute: AtomicU32::new(0),
                },
            }),
            user,
            tomb: TombCell::new(tomb),
        });
        self.orgs
            .exclusively(&org, || owner.org.learn(position, terms));
        owner
    }

    /// Remembers an auth event. From here on no entry older than it is accepted.
    pub fn entomb(&self, subject: Subject, tomb: Tomb) {
        match subject {
            Subject::Credential(id) => self.credentials.entomb(id, tomb),
            Subject::Owner(org, user) => self.owners.entomb((org, Some(user)), tomb),
            Subject::Org(org) => self.orgs.entomb(org, tomb),
        }
    }

    /// How this process stands with others that admit the same keys.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Every credential used in this process, or heard of, under one of [`SHARDS`] locks.
    pub fn credentials_in(&self, shard: usize) -> Vec<Arc<Credential>> {
        self.credentials.all_in(shard)
    }

    /// Every credential used in this process.
    pub fn credentials(&self) -> impl Iterator<Item = Arc<Credential>> {
        self.credentials.all()
    }

    /// Every org used in this process.
    pub fn orgs(&self) -> impl Iterator<Item = Arc<Org>> {
        self.orgs.all()
    }

    /// Frees idle windows, and what nothing points to any more.
    pub fn sweep(&self, now: Boottime) {
        self.credentials.sweep(|credential| {
            let mut state = credential.state();
            state.window.release_if_idle(now) && state.usage.is_empty()
        });
        self.owners.sweep(|_| true);
        // An org without entries may still hold a block of its day.
        self.orgs.sweep(|org| org.allowance.ends_in(now).is_none());
    }

    /// Rows of this log are about to be taken. Positions of another one cannot be compared with
    /// its own, so whatever was learnt from it may be replaced.
    pub fn read_from(&self, epoch: LogEpoch) {
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if known.replace(epoch) != Some(epoch) {
            for org in self.orgs.all() {
                org.terms.position.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Drops tombstones that speak only to entries below `floor`, which are forgotten.
    pub fn forget(&self, floor: Stamp) {
        self.credentials.keep(|tomb| tomb >= floor);
        self.owners.keep(|tomb| tomb >= floor);
        self.orgs.keep(|tomb| tomb >= floor);
    }

    /// Drops tombstones up to there, which speak to no entry any more
    /// ([`collection`](super::collection)).
    pub fn collect(&self, up_to: Stamp) {
        self.credentials.keep(|tomb| tomb > up_to);
        self.owners.keep(|tomb| tomb > up_to);
        self.orgs.keep(|tomb| tomb > up_to);
    }

    /// The newest auth event about a credential, as far as it is remembered.
    pub fn tomb_of(&self, credential: Uuid) -> Tomb {
        self.credentials.tomb_of(&credential)
    }

    /// How many tombstones there are.
    pub fn tombs(&self) -> usize {
        self.credentials.tombs() + self.owners.tombs() + self.orgs.tombs()
    }
}

impl Credential {
    /// The newest auth event about it.
    pub fn tomb(&self) -> Tomb {
        self.tomb.load()
    }

    /// Whether others were not told yet what was admitted of it.
    pub fn has_news(&self) -> bool {
        self.state().has_news()
    }

    /// Nobody is there to be told.
    pub fn drop_news(&self) {
        self.state().window.drop_news();
    }

    /// What this process admitted of it, to be told in the message of this number.
    pub fn tell_in(&self, number: u64, now: Boottime) -> Count {
        self.count(self.state().window.tell_in(number, now))
    }

    /// The same, if there is something to tell.
    pub fn tell_news_in(&self, number: u64, now: Boottime) -> Option<Count> {
        let mut state = self.state();
        let told = state.has_news().then(|| state.window.tell_in(number, now));
        told.map(|admitted| self.count(admitted))
    }

    fn count(&self, admitted: Admitted) -> Count {
        Count {
            key: self.id,
            org: self.org,
            admitted,
        }
    }

    /// Its window and usage: the one lock of a request, and of this credential alone.
    pub fn state(&self) -> MutexGuard<'_, CredentialState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialState {
    fn has_news(&self) -> bool {
        self.window.others().is_some_and(Others::is_changed)
    }

    /// Asks for a place in the window, of which `part` is this process's own: the whole if there is
    /// no other. Says what of it is new to others.
    pub fn take(&mut self, now: Boottime, limit: u32, part: Option<Part>) -> (Taken, News) {
        let Some(part) = part else {
            return (self.window.take(now, limit), News::default());
        };
        let taken = self.window.take_part(now, limit, part);
        let news = taken.admitted.then(|| self.window.note(now, limit));
        (taken, news.unwrap_or_default())
    }
}

impl Owner {
    /// The newest auth event about the person.
    pub fn tomb(&self) -> Tomb {
        self.tomb.load()
    }
}

impl Org {
    /// The newest auth event about the org.
    pub fn tomb(&self) -> Tomb {
        self.tomb.load()
    }

    /// Its limits.
    pub fn terms(&self) -> OrgTerms {
        let per_day = self.terms.per_day.load(Ordering::Relaxed);
        OrgTerms {
            per_day: (per_day != UNLIMITED).then_some(per_day),
            per_minute: self.terms.per_minute.load(Ordering::Relaxed),
        }
    }

    /// Takes the terms of a row unless those of a newer one are known. One caller at a time.
    fn learn(&self, position: GlobalPosition, terms: OrgTerms) {
        if position.get() >= self.terms.position.load(Ordering::Relaxed) {
            let per_day = terms.per_day.unwrap_or(UNLIMITED);
            self.terms.per_day.store(per_day, Ordering::Relaxed);
            self.terms
                .per_minute
                .store(terms.per_minute, Ordering::Relaxed);
            self.terms.position.store(position.get(), Ordering::Relaxed);
        }
    }
}

impl Mortal for Credential {
    fn cell(&self) -> &TombCell {
        &self.tomb
    }
}

impl Mortal for Owner {
    fn cell(&self) -> &TombCell {
        &self.tomb
    }
}

impl Mortal for Org {
    fn cell(&self) -> &TombCell {
        &self.tomb
    }
}

#[cfg(test)]
mod tests;
