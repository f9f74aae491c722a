//! The apply task: the one writer of cache, tombstones and lease (revocation.md 5.1, R0 to R5).
//!
//! It takes what the log, the primary and requests say, and says what is to be sent. It never
//! waits: a driver does, and carries the answers back.

use std::sync::Arc;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};

use super::auth::AuthEvent;
use super::barrier::Ack;
use super::clocks::{Deadlines, FencePoint};
use super::collection::Collection;
use super::lookup::Offer;
use super::mutant::Mutant;
use super::registry::Registry;
use super::replica::{Applied, Head, Renewal, Renewed, Replica};
use super::stamp::{Generation, Stamp};
use super::trusted::{Cache, RefusedAs, Trusted};

/// What a replica's apply task knows.
#[derive(Debug)]
pub struct Follower<C> {
    trusted: Arc<Trusted<C>>,
    registry: Arc<Registry>,
    replica: Replica,
    /// Rows that this process left behind and that nobody needs to wait for any more.
    left_behind: Vec<IncarnationId>,
    /// Only with a fault: what was acknowledged before it was applied.
    late: Vec<AuthEvent>,
    collection: Collection,
}

/// All of it that stands in no shared cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Memory {
    replica: Replica,
    left_behind: Vec<IncarnationId>,
    late: Vec<AuthEvent>,
    collection: Collection,
}

/// A statement about the replica's row, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Delete a row.
    Leave(IncarnationId),
    /// Make one.
    Register(Registration),
    /// Renew the lease.
    Renew(Renewal),
}

/// A row to be made (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Registration {
    /// Which run of a process; new for each row (pitfall 11).
    pub incarnation: IncarnationId,
    /// The generation that asks.
    pub generation: Generation,
    /// The log it follows.
    pub epoch: LogEpoch,
    /// What it has applied.
    pub applied: GlobalPosition,
}

/// What events led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// To be sent, now that everything it names is in force here.
    pub ack: Option<(IncarnationId, Ack)>,
    /// What is to be done next.
    pub next: Next,
}

/// What the driver of a follower is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Events are missing: read the log soon.
    Read,
    /// Renew at once: what it had to catch up with must reach the primary soon.
    Renew,
    /// Everything was dropped: load.
    Load,
    /// It met an event of a newer build: delete the row, every request is verified.
    GaveUp,
}

/// Why an offer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// It is of an earlier generation.
    Forgotten,
    /// Something newer is known.
    Stale,
}

impl<C: Cache> Follower<C> {
    /// One that must load first.
    pub fn new(trusted: Arc<Trusted<C>>, registry: Arc<Registry>, replica: Replica) -> Self {
        Self {
            trusted,
            registry,
            replica,
            left_behind: Vec::new(),
            late: Vec::new(),
            collection: Collection::REST,
        }
    }

    /// One that goes on where another was: with its memory, and what requests read of it.
    pub fn resume(trusted: Arc<Trusted<C>>, registry: Arc<Registry>, memory: Memory) -> Self {
        Self {
            trusted,
            registry,
            replica: memory.replica,
            left_behind: memory.left_behind,
            late: memory.late,
            collection: memory.collection,
        }
    }

    /// What another needs to go on from here.
    pub fn memory(&self) -> Memory {
        Memory {
            replica: self.replica.clone(),
            left_behind: self.left_behind.clone(),
            late: self.late.clone(),
            collection: self.collection,
        }
    }

    /// What it has applied, and what it was promised.
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// What requests read.
    pub const fn trusted(&self) -> &Arc<Trusted<C>> {
        &self.trusted
    }

    /// Trusts nothing and nobody until a snapshot is loaded: the first step of R0.
    pub fn drop_everything(&mut self) {
        self.trusted.lease.fence();
        self.replica.forget();
        self.left_behind.extend(self.replica.disown());
    }

    /// The snapshot that is about to be inserted: the new generation counts at once, and the lease is
    /// fenced. None if this process loaded too often.
    pub fn begin(&mut self, epoch: LogEpoch, snapshot: GlobalPosition) -> Option<Generation> {
        let generation = self.replica.load(epoch, snapshot)?;
        self.late.clear();
        self.collection = Collection::REST;
        self.trusted.begin(generation, epoch);
        self.registry.read_from(epoch);
        self.registry.forget(generation.floor());
        Some(generation)
    }

    /// All of the snapshot is inserted.
    pub fn loaded(&self) {
        self.trusted.applied_up_to(self.replica.applied());
    }

    /// The statement that is due; none while there is nothing to renew. `fresh` has never been used.
    pub fn statement(&mut self, now: FencePoint, fresh: IncarnationId) -> Option<Statement> {
        self.trusted.lease.tick(now);
        if let Some(incarnation) = self.left_behind.pop() {
            return Some(Statement::Leave(incarnation));
        }
        if let (true, Some(epoch)) = (self.replica.must_register(), self.replica.epoch()) {
            return Some(Statement::Register(Registration {
                incarnation: fresh,
                generation: self.replica.generation(),
                epoch,
                applied: self.replica.applied(),
            }));
        }
        self.replica.renew(now).map(Statement::Renew)
    }

    /// The row stands and is committed. False if that was overtaken: nobody acknowledges for it.
    pub fn registered(&mut self, made: &Registration) -> bool {
        let stands = self.replica.registered(made.incarnation, made.generation);
        if !stands {
            self.left_behind.push(made.incarnation);
        }
        stands
    }

    /// Whether the row stands is not known: it must be deleted.
    pub fn unregistered(&mut self, made: &Registration) {
        self.left_behind.push(made.incarnation);
    }

    /// The row was not deleted: it is tried again.
    pub fn not_left(&mut self, incarnation: IncarnationId) {
        self.left_behind.insert(0, incarnation);
    }

    /// Takes the answer to a renewal, which came by `now`; none: the row is gone.
    pub fn renewed(&mut self, renewal: &Renewal, head: Option<Head>, now: FencePoint) -> Renewed {
        let renewal = if Mutant::LeaseFromReceive.is_active() {
            Renewal {
                sent: now,
                ..*renewal
            }
        } else {
            *renewal
        };
        let renewed = self.replica.renewed(&renewal, head);
        match renewed {
            Renewed::Extend(deadlines) => self.trusted.lease.extend(deadlines),
            Renewed::Register => self.trusted.lease.fence(),
            Renewed::Reload => self.drop_everything(),
            Renewed::CatchUp(_) | Renewed::Ignore => {}
        }
        renewed
    }

    /// Takes events (R3), in any order and any number of times.
    pub fn apply(&mut self, events: &[AuthEvent]) -> Progress {
        let mut next = Next::Nothing;
        self.apply_late();
        for event in events {
            match self.replica.apply(event) {
                Applied::Duplicate => {}
                Applied::Yes { tomb, extend } => {
                    if Mutant::AckBeforeApply.is_active() {
                        self.late.push(*event);
                    } else if let Some((subject, tomb)) = tomb {
                        self.entomb(subject, tomb);
                    }
                    if let Some(deadlines) = extend {
                        self.trusted.lease.extend(deadlines);
                        next = Next::Renew;
                    }
                }
                Applied::Gap => {
                    next = Next::Read;
                    break;
                }
                Applied::Reload => {
                    self.drop_everything();
                    return Progress {
                        ack: None,
                        next: Next::Load,
                    };
                }
                Applied::GiveUp => {
                    self.trusted.lease.fence();
                    self.left_behind.extend(self.replica.disown());
                    return Progress {
                        ack: None,
                        next: Next::GaveUp,
                    };
                }
            }
        }
        Progress {
            ack: self.acknowledge(),
            next,
        }
    }

    fn entomb(&self, subject: super::auth::Subject, tomb: super::stamp::Tomb) {
        if Mutant::StaleInsert.is_active() {
            return self.trusted.cache.clear();
        }
        self.registry.entomb(subject, tomb);
    }

    /// Only with a fault.
    fn apply_late(&mut self) {
        for event in std::mem::take(&mut self.late) {
            if let Some((subject, tomb)) = self.replica.tomb_of(&event) {
                self.entomb(subject, tomb);
            }
        }
    }

    /// After the tombstones stand (pitfall 8).
    fn acknowledge(&self) -> Option<(IncarnationId, Ack)> {
        let applied = self.replica.applied();
        self.trusted.applied_up_to(applied);
        let epoch = self.replica.epoch()?;
        let incarnation = self.replica.incarnation()?;
        Some((incarnation, Ack { epoch, applied }))
    }

    /// Takes what a request found on the primary, unless it is older than what is known. True if
    /// everything was dropped: load.
    pub fn take(&mut self, offer: Offer) -> Result<bool, Discarded> {
        match offer {
            Offer::Allowed { hash, entry } => {
                self.check(entry.stamp())?;
                let facts = entry.facts(&self.registry);
                let tombs = [facts.credential, facts.owner, facts.org];
                let is_stale = tombs.iter().any(|tomb| tomb.says_to(facts.stamp).is_some());
                let is_old = is_stale || !self.collection.allows(entry.stamp());
                if is_old && !Mutant::StaleInsert.is_active() {
                    return Err(Discarded::Stale);
                }
                self.trusted.cache.insert(&hash, entry);
            }
            Offer::Ended {
                hash,
                stamp,
                rests_on,
            } => {
                self.check(stamp)?;
                self.trusted.cache.remove(&hash);
                let generation = self.replica.generation();
                let refused = RefusedAs {
                    generation,
                    rests_on,
                };
                self.trusted.cache.refuse(&hash, refused);
            }
            Offer::OtherEpoch { than } if than == self.replica.generation() => {
                self.drop_everything();
                return Ok(true);
            }
            Offer::OtherEpoch { .. } => {}
        }
        Ok(false)
    }

    fn check(&self, stamp: Stamp) -> Result<(), Discarded> {
        if stamp < self.trusted.lease.floor() {
            Err(Discarded::Forgotten)
        } else {
            Ok(())
        }
    }

    /// Begins to collect tombstones if there are so many, up to where all denials are `settled`: the
    /// driver is to [forget what they overrule](Trusted::forget_overruled), and then to say so.
    pub fn begin_collection(&mut self, settled: GlobalPosition, from: usize) -> Option<Stamp> {
        if self.replica.must_load() || self.registry.tombs() < from.max(1) {
            return None;
        }
        let settled = settled.min(self.replica.applied());
        let up_to = self.replica.generation().at(settled);
        self.collection.begin(up_to).then_some(up_to)
    }

    /// What tombstones up to `up_to` overrule is forgotten by `now`.
    pub fn forgotten(&mut self, up_to: Stamp, now: FencePoint) {
        let until = Deadlines::after(now, self.replica.term());
        self.collection.forgotten(up_to, until);
    }

    /// Forgetting came to nothing; it may begin again.
    pub fn abandon_collection(&mut self) {
        self.collection.abandon();
    }

    /// Drops the tombstones that nobody needs any more; says whether there was anything to drop.
    pub fn collect(&mut self, now: FencePoint) -> bool {
        let due = self.collection.due(now);
        if let Some(up_to) = due {
            self.registry.collect(up_to);
        }
        due.is_some()
    }

    /// R5: refuses first; then these rows may be deleted (pitfall 10).
    pub fn leave(&mut self) -> Vec<IncarnationId> {
        if !Mutant::LeaveRowFirst.is_active() {
            self.trusted.lease.fence();
        }
        self.left_behind.extend(self.replica.disown());
        std::mem::take(&mut self.left_behind)
    }

    /// What the lease's deadlines are now.
    pub fn deadlines(&self) -> Deadlines {
        self.trusted.lease.deadlines()
    }
}

impl Memory {
    /// Of a replica that nothing happened to yet.
    pub const fn new(replica: Replica) -> Self {
        Self {
            replica,
            left_behind: Vec::new(),
            late: Vec::new(),
            collection: Collection::REST,
        }
    }

    /// What it has applied, and what it was promised.
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Only with a fault: whether something is acknowledged that is not applied.
    pub const fn is_late(&self) -> bool {
        !self.late.is_empty()
    }
}

#[cfg(test)]
mod tests;
