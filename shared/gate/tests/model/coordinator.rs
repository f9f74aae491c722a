//! The driver of the command service: what production's `coordinator` does with the same core, but
//! for the faults that live in drivers.

use gate::core::barrier::{Barrier, State};
use gate::core::mutant::Mutant;

use crate::coverage::Case;
use crate::protocol::Protocol;
use crate::replica::knowing;
use crate::state::{Coordinator, EPOCH, Keeper, OTHER, REVOKE, Stage, World};
use crate::time;

impl World {
    /// Another event, of which nobody waits to be told.
    pub fn append(&mut self) {
        self.head = OTHER;
        self.tell_all(0);
    }

    /// B1 to B3: the revocation is in the log, and told to whoever follows it.
    pub fn commit(&mut self) {
        self.head = REVOKE;
        self.coordinator = Coordinator::Committed {
            since: time::wait(self.now),
        };
        self.tell_all(1);
    }

    fn tell_all(&mut self, which: usize) {
        for index in 0..self.replicas.len() {
            if !matches!(self.replicas[index].stage, Stage::Out | Stage::Gone) {
                self.replica(index).messages[which] = true;
            }
        }
    }

    /// B4.
    pub fn read_rows(&mut self) {
        if let Coordinator::Committed { since } = self.coordinator {
            let now = time::wait(self.now);
            let barrier = Barrier::new(REVOKE, EPOCH, since, &self.rows, now);
            self.coordinator = Coordinator::Waiting(barrier);
        }
    }

    /// B5 and B6, if nobody needs to be waited for any more. What it learns in many looks is here
    /// learnt in the last: nothing of it is ever taken back.
    pub fn settle(&mut self, protocol: &Protocol) -> bool {
        let now = time::wait(self.now);
        let Coordinator::Waiting(barrier) = &mut self.coordinator else {
            return false;
        };
        let all = barrier.waiting().count();
        for (incarnation, ack) in &self.heard {
            barrier.ack(*incarnation, *ack, now);
        }
        let after_acks = barrier.waiting().count();
        barrier.rows(&self.rows, now);
        let after_rows = barrier.waiting().count();
        if barrier.remaining(now).is_some() {
            return false;
        }
        let report = barrier.report(now).expect("nobody is waited for");
        let (seen, left) = (&protocol.seen, report.count(State::Left));
        seen.note_if(after_acks < all, Case::Acked);
        let by_rows = after_acks - after_rows;
        seen.note_if(by_rows > left, Case::AppliedByARenewal);
        seen.note_if(left > 0, Case::Left);
        seen.note_if(report.count(State::Expired) > 0, Case::Expired);
        seen.note_if(self.crashed_once, Case::ReturnedAfterACrash);
        self.returns(protocol);
        true
    }

    /// Nobody waits any more, and who denies hears at once that the revocation holds. No row is
    /// collected any more either: without one a replica refuses, which can do no harm from here on.
    fn returns(&mut self, protocol: &Protocol) {
        self.coordinator = Coordinator::Returned;
        self.heard.clear();
        self.keeper = Keeper::default();
        for index in 0..self.replicas.len() {
            let replica = self.replica(index);
            replica.said = None;
            replica.hold = knowing(protocol, REVOKE);
        }
    }

    pub fn crash(&mut self) {
        self.crashed_once = true;
        self.coordinator = Coordinator::Crashed;
    }

    /// The client tries again, at this command service or another.
    pub fn retry(&mut self, protocol: &Protocol) {
        if Mutant::RetryReturnsEarly.is_active() {
            return self.returns(protocol);
        }
        self.coordinator = Coordinator::Committed {
            since: time::wait(self.now),
        };
    }

    /// GC: looks for rows that stood still.
    pub fn observe(&mut self) {
        let now = time::wait(self.now);
        self.keeper.due = self.keeper.silence.observe(&self.rows, now);
    }

    /// GC: deletes one of them, unless it was renewed.
    pub fn collect(&mut self, protocol: &Protocol) {
        let due = self.keeper.due.remove(0);
        let before = self.rows.len();
        self.rows
            .retain(|row| row.incarnation != due.incarnation || row.renew_seq != due.renew_seq);
        let is_collected = self.rows.len() < before;
        protocol.seen.note(if is_collected {
            Case::Collected
        } else {
            Case::RenewedBeforeItWasCollected
        });
    }
}
