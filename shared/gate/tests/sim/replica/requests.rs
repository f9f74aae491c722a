//! What a request does in a query process, step by step: it looks up, asks the primary, waits, is
//! answered.

use std::sync::Arc;
use std::time::Duration;

use domain::scope::Scope;
use gate::core::clocks::{Deadlines, FencePoint, wait_bound};
use gate::core::entry::{EntryRef, Refused};
use gate::core::follower::Discarded;
use gate::core::hold::RestsOn;
use gate::core::lookup::{Denied, Found, Known, Offer, Reads, judge, look_up};
use gate::core::mutant::Mutant;
use gate::core::replica::Head;
use gate::core::stamp::Stamp;
use gate::core::trusted::{Cache, Trusted};
use testkit::history::Outcome;

use super::{
    Asking, For, HOLD, LATE_OFFERS, PEER, ReplicaMessage, Stage, VERIFY_TIMEOUT, Verifying, wall,
};
use crate::cache::SimCache;
use crate::client::{Answered, Told};
use crate::plan::MILLI;
use crate::primary::hash;
use crate::server::Ask;
use crate::world::{Event, World};

/// What was read at the steps of a request, in the order in which it must be read.
struct SimReads<'a> {
    trusted: &'a Trusted<SimCache>,
    lease: Option<Deadlines>,
    found: Option<Found>,
    fence: FencePoint,
}

impl Reads for SimReads<'_> {
    fn deadlines(&mut self) -> Deadlines {
        // The second time, which only a fault asks for, it is read anew.
        self.lease
            .take()
            .unwrap_or_else(|| self.trusted.lease().deadlines())
    }

    fn find(&mut self) -> Found {
        assert!(
            self.lease.is_none(),
            "the cache is read after the deadlines"
        );
        self.found.take().expect("the cache is read once")
    }

    fn floor(&mut self) -> Stamp {
        assert!(self.found.is_none(), "the floor is read after the cache");
        self.trusted.lease().floor()
    }

    fn now(&mut self) -> FencePoint {
        assert!(self.found.is_none(), "the clocks are read last");
        self.fence
    }

    fn rests_on(&mut self, tomb: Stamp) -> RestsOn {
        self.trusted.rests_on(tomb)
    }
}

impl World {
    pub(super) fn unavailable(&mut self, index: usize, request: u64) {
        if !self.replicas[index].is_leased(self.now) {
            self.counters.unavailable_while_fenced += 1;
        }
        self.reply(index, request, Answered::Unavailable);
    }

    /// R4, one read at a time.
    pub(super) fn request(&mut self, index: usize, id: u64) {
        if self.replicas[index].stage == Stage::Leaves {
            return self.clients.lost(id);
        }
        let key = self.clients.key_of(id);
        let asking = Asking {
            key,
            lease: None,
            entry: None,
            found: None,
        };
        self.replicas[index].requests.insert(id, asking);
        self.next_step(index, id);
    }

    pub(super) fn next_step(&mut self, index: usize, id: u64) {
        let nanos = self.small_step();
        self.after(nanos, Event::Replica(index, ReplicaMessage::Step(id)));
    }

    pub(super) fn step(&mut self, index: usize, id: u64) {
        let now = self.now;
        let process = &mut self.replicas[index];
        let Some(asking) = process.requests.get_mut(&id) else {
            return;
        };
        let trusted = Arc::clone(process.core.trusted());
        // With the fault the cache is read first.
        let reads_cache_first = Mutant::LookupThenDeadline.is_active();
        if asking.lease.is_none() && !reads_cache_first {
            asking.lease = Some(trusted.lease().deadlines());
            return self.next_step(index, id);
        }
        if asking.found.is_none() {
            let hash = hash(asking.key);
            let refused = || {
                trusted
                    .refused(&hash)
                    .map_or(Found::Nothing, Found::Refused)
            };
            if let Some(entry) = asking.entry.take() {
                let facts = entry.facts(&process.registry);
                asking.found = Some(Found::Entry(entry, facts));
            } else {
                asking.entry = trusted.cache().get(&hash);
                if asking.entry.is_none() {
                    asking.found = Some(refused());
                }
            }
            if asking.found.is_some() && reads_cache_first {
                asking.lease = Some(trusted.lease().deadlines());
            }
            return self.next_step(index, id);
        }
        let key = asking.key;
        let mut reads = SimReads {
            trusted: &trusted,
            lease: asking.lease.take(),
            found: asking.found.take(),
            fence: process.clocks.fence(now),
        };
        let known = look_up(&mut reads, &hash(key), PEER, wall());
        match known {
            Known::Allowed(entry) => {
                self.counters.accepted += 1;
                self.admit(index, id, &entry);
            }
            Known::Denied(denied) => self.deny(index, id, denied),
            Known::Ended(denied, offer) => {
                let _ = self.replicas[index].core.take(offer);
                self.deny(index, id, denied);
            }
            Known::Ask => self.verify(index, id, key),
        }
    }

    /// What comes after the gate: whether the scope is there.
    pub(super) fn admit(&mut self, index: usize, id: u64, entry: &EntryRef) {
        if self.clients.needs_write(id) && !entry.principal().scopes().contains(Scope::Write) {
            let Some(rests_on) = entry.narrowed_at() else {
                return self.reply(index, id, Answered::Told(Told::Scope));
            };
            return self.hold(index, id, rests_on, Told::Scope);
        }
        self.reply(index, id, Answered::Accepted);
    }

    pub(super) fn verify(&mut self, index: usize, id: u64, key: usize) {
        if Mutant::JoinedLoad.is_active() {
            let mut under_way = self.replicas[index].verifying.values_mut();
            if let Some(one) = under_way.find(|one| one.key == key) {
                return one.waiting.push(id);
            }
        }
        let known = self.replicas[index].core.trusted().current();
        let asked = self.send(index, For::Verify, Ask::Verify(key), Some(VERIFY_TIMEOUT));
        let one = Verifying {
            key,
            known,
            waiting: vec![id],
        };
        self.replicas[index].verifying.insert(asked, one);
    }

    pub(super) fn verified(
        &mut self,
        index: usize,
        id: u64,
        verified: gate::core::lookup::Verified,
    ) {
        let head = Head {
            auth_position: verified.auth_position,
            epoch: verified.epoch,
        };
        self.see(index, head, verified.settled);
        let fenced = !self.replicas[index].is_leased(self.now);
        let process = &mut self.replicas[index];
        let Some(one) = process.verifying.remove(&id) else {
            return;
        };
        let hash = hash(one.key);
        let judged = judge(
            verified,
            Some(one.known),
            &hash,
            PEER,
            wall(),
            &process.registry,
        );
        if let Some(offer) = judged.offer {
            if self.rng.permille(LATE_OFFERS) {
                self.replicas[index].offers.insert(id, offer);
                let nanos = self.rng.below(3_000 * MILLI);
                self.after(nanos, Event::Replica(index, ReplicaMessage::Offer(id)));
            } else {
                self.offer(index, offer);
            }
        }
        for request in one.waiting {
            match &judged.decision {
                Ok(entry) => {
                    self.counters.accepted_by_verify += 1;
                    self.counters.accepted_while_fenced += u64::from(fenced);
                    self.admit(index, request, &EntryRef::clone(entry));
                }
                Err(denied) => self.deny(index, request, *denied),
            }
        }
    }

    /// The apply task takes what was found on the primary.
    pub(super) fn offer(&mut self, index: usize, offer: Offer) {
        match self.replicas[index].core.take(offer) {
            Ok(true) => self.load(index),
            Ok(false) => {}
            Err(Discarded::Stale | Discarded::Forgotten) => {
                self.counters.stale_load_discarded += 1;
            }
        }
    }

    pub(super) fn deny(&mut self, index: usize, id: u64, denied: Denied) {
        let told = match denied.why {
            Refused::OrgSuspended => Told::Org,
            Refused::Ended | Refused::OwnerBanned | Refused::Address => Told::Key,
        };
        match denied.rests_on {
            Some(rests_on) => self.hold(index, id, rests_on, told),
            None => self.reply(index, id, Answered::Told(told)),
        }
    }

    /// Hold until settled.
    pub(super) fn hold(&mut self, index: usize, id: u64, rests_on: RestsOn, told: Told) {
        let now = self.now;
        let is_labelled = self.is_labelled_held(rests_on);
        let process = &mut self.replicas[index];
        let wait = process.clocks.wait(now);
        if process.settlements.cover(rests_on, wait) || is_labelled {
            return self.reply(index, id, Answered::Told(told));
        }
        process.holding.insert(id, (rests_on, told));
        self.after(HOLD, Event::Replica(index, ReplicaMessage::HoldOver(id)));
    }

    /// Only with a fault: whether what the event says of its time is W ago.
    fn is_labelled_held(&self, rests_on: RestsOn) -> bool {
        let Some(written) = self.server.written.get(&rests_on.position) else {
            return false;
        };
        let passed = Duration::from_nanos(self.now - written);
        Mutant::EventTimestamp.is_active() && passed >= wait_bound(self.plan.term)
    }

    pub(super) fn hold_over(&mut self, index: usize, id: u64) {
        let now = self.now;
        let process = &mut self.replicas[index];
        let Some((rests_on, told)) = process.holding.remove(&id) else {
            return;
        };
        if process
            .settlements
            .cover(rests_on, process.clocks.wait(now))
        {
            self.counters.held_then_refused += 1;
            return self.reply(index, id, Answered::Told(told));
        }
        self.counters.held_then_unavailable += 1;
        self.reply(index, id, Answered::Unavailable);
    }

    /// Something was settled.
    pub(super) fn release(&mut self, index: usize) {
        let now = self.now;
        let process = &mut self.replicas[index];
        let wait = process.clocks.wait(now);
        let held = std::mem::take(&mut process.holding);
        let mut free = Vec::new();
        for (id, (rests_on, told)) in held {
            if process.settlements.cover(rests_on, wait) {
                free.push((id, told));
            } else {
                process.holding.insert(id, (rests_on, told));
            }
        }
        for (id, told) in free {
            self.counters.held_then_refused += 1;
            self.reply(index, id, Answered::Told(told));
        }
    }

    pub(super) fn reply(&mut self, index: usize, id: u64, answered: Answered) {
        self.replicas[index].requests.remove(&id);
        if answered.outcome() == Outcome::Refused {
            self.counters.refused += 1;
        }
        self.answer_client(id, answered);
    }
}
