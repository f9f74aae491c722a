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
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::auth::{Change, Subject};
    use super::super::entry::CredentialRow;
    use super::super::samples::{
        Unbounded, entry, epoch, fence, first_generation, hash, incarnation, org_id, position,
        rests_on, row, stamp, user,
    };
    use super::super::stamp::{Mark, Tomb};
    use super::*;

    const TERM: Duration = Duration::from_secs(2);

    struct World {
        follower: Follower<Unbounded>,
        registry: Arc<Registry>,
        trusted: Arc<Trusted<Unbounded>>,
    }

    impl World {
        fn new() -> Self {
            let registry = Arc::new(Registry::default());
            let trusted = Arc::new(Trusted::new(Unbounded::default()));
            let replica = Replica::new(TERM);
            Self {
                follower: Follower::new(Arc::clone(&trusted), Arc::clone(&registry), replica),
                registry,
                trusted,
            }
        }

        /// A whole snapshot of a log.
        fn load(&mut self, log: u128, at: u64) {
            self.follower.drop_everything();
            self.follower.begin(epoch(log), position(at)).unwrap();
            self.follower.loaded();
        }

        /// The row that it asks for stands, once those that it left behind are deleted.
        fn register(&mut self, number: u128) {
            let mut asked = self.statement(0, number);
            while matches!(asked, Some(Statement::Leave(_))) {
                asked = self.statement(0, number);
            }
            let Some(Statement::Register(made)) = asked else {
                panic!("a row must be made: {asked:?}")
            };
            assert!(self.follower.registered(&made));
        }

        fn statement(&mut self, seconds: u64, fresh: u128) -> Option<Statement> {
            self.follower.statement(fence(seconds), incarnation(fresh))
        }

        /// Renewed at that second, when the head was there.
        fn renew(&mut self, seconds: u64, head: u64) -> Renewed {
            let Some(Statement::Renew(renewal)) = self.statement(seconds, 99) else {
                panic!("there is a row")
            };
            let head = Some(head_of(1, head));
            self.follower.renewed(&renewal, head, fence(seconds + 1))
        }

        fn tomb(&self, credential: u128) -> Tomb {
            let id = Uuid::from_u128(credential);
            self.registry.credential(id, org_id()).tomb()
        }

        fn offer(&mut self, row: CredentialRow, stamp: Stamp) -> Result<bool, Discarded> {
            let entry = entry(row, stamp, &self.registry);
            let hash = hash(1);
            self.follower.take(Offer::Allowed { hash, entry })
        }

        fn has_entry(&self) -> bool {
            self.trusted.cache().get(&hash(1)).is_some()
        }
    }

    /// Loaded at position 10 of the first log, with its row and a lease from second 100.
    fn leased() -> World {
        let mut world = World::new();
        world.load(1, 10);
        world.register(1);
        let deadlines = Deadlines::after(fence(100), TERM);
        assert_eq!(world.renew(100, 10), Renewed::Extend(deadlines));
        world
    }

    fn head_of(log: u128, at: u64) -> Head {
        Head {
            auth_position: position(at),
            epoch: epoch(log),
        }
    }

    fn event(at: u64, previous: u64, change: Change) -> AuthEvent {
        AuthEvent {
            position: position(at),
            previous: position(previous),
            change,
        }
    }

    /// Ends the credential of that number.
    fn ends(credential: u128, at: u64, previous: u64) -> AuthEvent {
        let subject = Subject::Credential(Uuid::from_u128(credential));
        event(at, previous, Change::Marks(subject, Mark::Ended))
    }

    fn acked(row: u128, log: u128, applied: u64) -> (IncarnationId, Ack) {
        let ack = Ack {
            epoch: epoch(log),
            applied: position(applied),
        };
        (incarnation(row), ack)
    }

    fn progress(ack: impl Into<Option<(IncarnationId, Ack)>>, next: Next) -> Progress {
        let ack = ack.into();
        Progress { ack, next }
    }

    #[test]
    fn a_row_is_made_before_the_lease_is_renewed() {
        let mut world = World::new();
        assert_eq!(world.statement(1, 1), None, "nothing is loaded");
        world.load(1, 10);
        let made = Registration {
            incarnation: incarnation(2),
            generation: first_generation(),
            epoch: epoch(1),
            applied: position(10),
        };
        assert_eq!(world.statement(2, 2), Some(Statement::Register(made)));
        assert!(world.follower.registered(&made));
        let renewal = Renewal {
            incarnation: incarnation(2),
            applied: position(10),
            sent: fence(3),
        };
        assert_eq!(world.statement(3, 3), Some(Statement::Renew(renewal)));
        assert_eq!(world.trusted.lease().deadlines(), Deadlines::default());
    }

    #[test]
    fn a_tombstone_is_dropped_once_nothing_older_is_or_will_be_used() {
        let mut world = leased();
        world.offer(row(1), stamp(10)).unwrap();
        world.follower.apply(&[ends(1, 12, 10), ends(2, 14, 12)]);
        let settled = position(13);
        assert_eq!(world.follower.begin_collection(settled, 3), None, "few");
        let up_to = world.follower.begin_collection(settled, 2);
        assert_eq!(up_to, Some(stamp(13)));
        world.trusted.forget_overruled(&world.registry);
        assert!(!world.has_entry());
        world.follower.forgotten(stamp(13), fence(200));
        assert!(!world.follower.collect(fence(201)));
        assert_eq!(world.registry.tombs(), 2);
        assert!(world.follower.collect(fence(202)));
        assert_eq!(world.registry.tombs(), 1, "the other is not settled");
        // It was read before, and comes late.
        assert_eq!(world.offer(row(1), stamp(12)), Err(Discarded::Stale));
        assert!(!world.has_entry());
        world.offer(row(1), stamp(13)).unwrap();
        assert!(world.has_entry());
    }

    #[test]
    fn what_no_tombstone_speaks_to_stays_in_the_cache() {
        let mut world = leased();
        world.follower.apply(&[ends(2, 12, 10)]);
        world.offer(row(1), stamp(10)).unwrap();
        world.trusted.forget_overruled(&world.registry);
        assert!(world.has_entry());
        // Nor is a cell made for it, that nobody used.
        assert_eq!(world.registry.credentials().count(), 1);
    }

    #[test]
    fn a_collection_of_what_was_dropped_with_everything_ends_nothing() {
        let mut world = leased();
        world.follower.apply(&[ends(1, 12, 10)]);
        let up_to = world.follower.begin_collection(position(12), 1);
        let up_to = up_to.unwrap();
        world.load(2, 10);
        world.follower.apply(&[ends(1, 12, 10)]);
        world.follower.forgotten(up_to, fence(200));
        assert!(!world.follower.collect(fence(300)));
        assert_eq!(world.registry.tombs(), 1);
        world.follower.drop_everything();
        let nothing = world.follower.begin_collection(position(12), 1);
        assert_eq!(nothing, None, "it must load first");
    }

    #[test]
    fn a_row_that_was_overtaken_or_is_not_known_to_stand_is_deleted_first() {
        let mut world = World::new();
        world.load(1, 10);
        let Some(Statement::Register(overtaken)) = world.statement(1, 1) else {
            panic!("a row must be made")
        };
        world.load(1, 12);
        assert!(!world.follower.registered(&overtaken));
        let leave = |number| Some(Statement::Leave(incarnation(number)));
        assert_eq!(world.statement(2, 2), leave(1));
        let Some(Statement::Register(unknown)) = world.statement(3, 3) else {
            panic!("a row must be made")
        };
        world.follower.unregistered(&unknown);
        assert_eq!(world.statement(4, 4), leave(3));
        world.follower.not_left(incarnation(3));
        assert_eq!(world.statement(5, 5), leave(3), "tried again");
        assert!(matches!(
            world.statement(6, 6),
            Some(Statement::Register(_))
        ));
    }

    #[test]
    fn a_row_that_cannot_be_deleted_keeps_no_other() {
        let mut world = World::new();
        world.load(1, 10);
        for number in [1, 2] {
            world.follower.unregistered(&Registration {
                incarnation: incarnation(number),
                generation: first_generation(),
                epoch: epoch(1),
                applied: position(10),
            });
        }
        let mut tried = Vec::new();
        for second in 1..=2 {
            let Some(Statement::Leave(incarnation)) = world.statement(second, 9) else {
                panic!("rows are left behind")
            };
            tried.push(incarnation);
            world.follower.not_left(incarnation);
        }
        tried.sort();
        assert_eq!(tried, [incarnation(1), incarnation(2)]);
    }

    #[test]
    fn what_is_acknowledged_is_in_force() {
        let mut world = leased();
        let applied = world.follower.apply(&[ends(1, 12, 10), ends(2, 13, 12)]);
        assert_eq!(applied, progress(acked(1, 1, 13), Next::Nothing));
        assert_eq!(world.tomb(1), Tomb::new(stamp(12), Mark::Ended));
        assert_eq!(world.tomb(2), Tomb::new(stamp(13), Mark::Ended));
        assert_eq!(world.trusted.applied(), position(13));
    }

    #[test]
    fn without_a_row_nobody_acknowledges_and_events_apply_all_the_same() {
        let mut world = World::new();
        world.load(1, 10);
        let applied = world.follower.apply(&[ends(1, 12, 10)]);
        assert_eq!(applied, progress(None, Next::Nothing));
        assert_eq!(world.tomb(1), Tomb::new(stamp(12), Mark::Ended));
        assert_eq!(world.trusted.applied(), position(12));
    }

    #[test]
    fn an_acknowledgement_ends_before_a_hole() {
        let mut world = leased();
        let events = [ends(1, 12, 10), ends(3, 14, 13)];
        let applied = world.follower.apply(&events);
        assert_eq!(applied, progress(acked(1, 1, 12), Next::Read));
        assert_eq!(world.tomb(3), Tomb::NONE);
        let missing = [ends(2, 13, 12), ends(3, 14, 13)];
        let applied = world.follower.apply(&missing);
        assert_eq!(applied, progress(acked(1, 1, 14), Next::Nothing));
        let again = world.follower.apply(&missing);
        assert_eq!(again, applied, "repeated");
    }

    #[test]
    fn a_fork_drops_everything_and_acknowledges_nothing() {
        let mut world = leased();
        let forked = world.follower.apply(&[ends(1, 12, 9), ends(2, 13, 12)]);
        assert_eq!(forked, progress(None, Next::Load));
        assert_eq!(world.trusted.lease().deadlines(), Deadlines::default());
        assert_eq!(world.tomb(2), Tomb::NONE);
        let leave = Some(Statement::Leave(incarnation(1)));
        assert_eq!(world.statement(101, 2), leave);
        assert_eq!(world.statement(102, 2), None, "it must load first");
        let late = world.follower.apply(&[ends(1, 14, 10)]);
        assert_eq!(late.ack, None);
    }

    #[test]
    fn an_event_of_a_newer_build_ends_lease_and_row_for_good() {
        let mut world = leased();
        let unknown = event(13, 12, Change::Unknown);
        let gave_up = world.follower.apply(&[ends(1, 12, 10), unknown]);
        assert_eq!(gave_up, progress(None, Next::GaveUp));
        assert_eq!(world.trusted.lease().deadlines(), Deadlines::default());
        assert_eq!(world.tomb(1), Tomb::new(stamp(12), Mark::Ended));
        assert_eq!(world.follower.replica().applied(), position(12));
        let leave = Some(Statement::Leave(incarnation(1)));
        assert_eq!(world.statement(101, 2), leave);
        assert_eq!(world.statement(102, 2), None);
        let after = world.follower.apply(&[ends(2, 14, 13)]);
        assert_eq!(after, progress(None, Next::Nothing));
    }

    #[test]
    fn a_renewal_that_is_behind_counts_with_the_last_event_it_waits_for() {
        let mut world = leased();
        let before = world.follower.deadlines();
        assert_eq!(world.renew(101, 13), Renewed::CatchUp(position(13)));
        let half = world.follower.apply(&[ends(1, 12, 10)]);
        assert_eq!(half.next, Next::Nothing);
        assert_eq!(world.follower.deadlines(), before);
        let whole = world.follower.apply(&[ends(2, 13, 12)]);
        assert_eq!(whole, progress(acked(1, 1, 13), Next::Renew));
        let after = Deadlines::after(fence(101), TERM);
        assert_eq!(world.follower.deadlines(), after);
    }

    #[test]
    fn a_row_that_is_gone_ends_the_lease_and_another_is_made() {
        let mut world = leased();
        let Some(Statement::Renew(renewal)) = world.statement(101, 2) else {
            panic!("there is a row")
        };
        let renewed = world.follower.renewed(&renewal, None, fence(101));
        assert_eq!(renewed, Renewed::Register);
        assert_eq!(world.follower.deadlines(), Deadlines::default());
        let silent = world.follower.apply(&[ends(1, 12, 10)]);
        assert_eq!(silent.ack, None, "nobody waits for the row that is gone");
        world.register(2);
        let heard = world.follower.apply(&[ends(2, 13, 12)]);
        assert_eq!(heard.ack, Some(acked(2, 1, 13)));
    }

    #[test]
    fn another_log_begins_with_nothing_of_the_former() {
        let mut world = leased();
        world.offer(row(1), stamp(10)).unwrap();
        world.follower.apply(&[ends(2, 12, 10)]);
        let Some(Statement::Renew(renewal)) = world.statement(101, 2) else {
            panic!("there is a row")
        };
        let head = Some(head_of(2, 50));
        let renewed = world.follower.renewed(&renewal, head, fence(101));
        assert_eq!(renewed, Renewed::Reload);
        assert_eq!(world.follower.deadlines(), Deadlines::default());
        assert!(world.follower.replica().must_load());

        let begun = world.follower.begin(epoch(2), position(3)).unwrap();
        assert!(begun > first_generation());
        assert_eq!(world.trusted.lease().floor(), begun.floor());
        assert_eq!(world.trusted.current(), (begun, Some(epoch(2))));
        assert!(!world.has_entry());
        assert_eq!(world.registry.tombs(), 0);
        assert_eq!(world.trusted.applied(), position(0), "not all is inserted");
        world.follower.loaded();
        assert_eq!(world.trusted.applied(), position(3));
    }

    #[test]
    fn an_offer_is_taken_unless_something_newer_is_known() {
        let owned = CredentialRow {
            owner: Some(user(7)),
            ..row(1)
        };
        let subjects = [
            Subject::Credential(owned.id),
            Subject::Owner(org_id(), user(7)),
            Subject::Org(org_id()),
        ];
        for subject in subjects {
            for mark in [Mark::Changed, Mark::Ended] {
                let mut world = leased();
                let change = Change::Marks(subject, mark);
                world.follower.apply(&[event(12, 10, change)]);
                let stale = world.offer(owned.clone(), stamp(11));
                assert_eq!(stale, Err(Discarded::Stale), "{subject:?}");
                assert!(!world.has_entry());
                let fresh = world.offer(owned.clone(), stamp(12));
                assert_eq!(fresh, Ok(false), "{subject:?}");
                assert!(world.has_entry());
            }
        }
    }

    #[test]
    fn what_the_primary_ended_leaves_the_cache_and_is_refused_from_then_on() {
        let mut world = leased();
        world.offer(row(1), stamp(10)).unwrap();
        let ended = |stamp, rests_on| Offer::Ended {
            hash: hash(1),
            stamp,
            rests_on,
        };
        let taken = world.follower.take(ended(stamp(12), rests_on(12)));
        assert_eq!(taken, Ok(false));
        assert!(!world.has_entry());
        assert_eq!(world.trusted.refused(&hash(1)), Some(rests_on(12)));
        assert_eq!(world.trusted.refused(&hash(2)), None);
    }

    #[test]
    fn offers_of_an_earlier_generation_are_not_taken() {
        let mut world = leased();
        world.load(1, 20);
        let forgotten = Err(Discarded::Forgotten);
        assert_eq!(world.offer(row(1), stamp(30)), forgotten);
        let ended = Offer::Ended {
            hash: hash(1),
            stamp: stamp(30),
            rests_on: rests_on(30),
        };
        assert_eq!(world.follower.take(ended), forgotten);
        assert!(!world.has_entry());
        assert_eq!(world.trusted.refused(&hash(1)), None);
    }

    #[test]
    fn a_request_that_saw_another_log_drops_everything_once() {
        let mut world = leased();
        let than = world.follower.replica().generation();
        assert_eq!(world.follower.take(Offer::OtherEpoch { than }), Ok(true));
        assert_eq!(world.follower.deadlines(), Deadlines::default());
        assert!(world.follower.replica().must_load());
        world.load(2, 10);
        world.register(2);
        // Begun before the load.
        assert_eq!(world.follower.take(Offer::OtherEpoch { than }), Ok(false));
        assert!(!world.follower.replica().must_load());
    }

    #[test]
    fn whoever_leaves_refuses_before_its_rows_may_go() {
        let mut world = leased();
        assert_eq!(world.follower.leave(), [incarnation(1)]);
        assert_eq!(world.follower.deadlines(), Deadlines::default());
        assert!(world.follower.leave().is_empty(), "each row once");
        assert_eq!(world.follower.apply(&[ends(1, 12, 10)]).ack, None);
        let mut world = leased();
        world.load(1, 10);
        assert_eq!(world.follower.leave(), [incarnation(1)], "left behind");
    }

    proptest! {
        /// In whatever order, in whatever batches and however often events come: what is
        /// acknowledged is a prefix without a hole, and all of it is in force.
        #[test]
        fn no_order_of_events_makes_it_promise_too_much(
            batches in prop::collection::vec(prop::collection::vec(0..12_u64, 1..5), 1..20),
        ) {
            let mut world = leased();
            let events: Vec<_> = (0..12).map(|n| ends(u128::from(n), 12 + n, position_before(n)))
                .collect();
            let mut heard = [false; 12];
            for batch in batches {
                let chosen: Vec<_> = batch.iter().map(|n| events[index(*n)]).collect();
                for n in batch {
                    heard[index(n)] = true;
                }
                let progress = world.follower.apply(&chosen);
                let (_, ack) = progress.ack.expect("it has a row");
                let prefix = heard.iter().take_while(|heard| **heard).count();
                for (n, event) in events.iter().enumerate() {
                    if event.position <= ack.applied {
                        prop_assert!(n < prefix, "{n} never came");
                        prop_assert_ne!(world.tomb(n as u128), Tomb::NONE);
                    }
                }
                prop_assert_eq!(world.trusted.applied(), ack.applied);
            }
            let all = world.follower.apply(&events);
            prop_assert_eq!(all, progress(acked(1, 1, 23), Next::Nothing));
        }
    }

    fn position_before(n: u64) -> u64 {
        if n == 0 { 10 } else { 11 + n }
    }

    fn index(n: u64) -> usize {
        usize::try_from(n).unwrap()
    }
}
