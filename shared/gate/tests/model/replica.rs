//! The driver of a replica: what production's `follow::task` does with the same core, but for the
//! faults that live in drivers.

use domain::ids::{GlobalPosition, IncarnationId};
use gate::core::barrier::{Ack, LeaseRow};
use gate::core::clocks::{FencePoint, WaitPoint};
use gate::core::follower::{Next, Registration, Statement};
use gate::core::hold::{RestsOn, Settlements};
use gate::core::mutant::Mutant;
use gate::core::replica::{Head, Renewal, Renewed};

use crate::coverage::Case;
use crate::protocol::Protocol;
use crate::state::{
    Coordinator, EPOCH, Keeper, Line, OTHER, REVOKE, Replica, Stage, World, incarnation,
};
use crate::time;

impl Replica {
    /// What its fence clocks show.
    pub fn fence_point(&self, now: u8) -> FencePoint {
        time::fence(now - self.lag)
    }

    /// What its wait clocks show.
    pub fn wait_point(&self, now: u8) -> WaitPoint {
        time::wait(now - self.lag)
    }

    /// Learns of the primary's head. What is known to hold already is left out: it would change
    /// nothing but the state.
    pub fn see(&mut self, protocol: &Protocol, head: GlobalPosition, now: u8) {
        let at = self.wait_point(now);
        if protocol.tells && !self.hold.cover(resting_on(head), at) {
            self.hold.see(EPOCH, head, protocol.term, at);
        }
    }

    /// Time has passed: what was seen long enough ago holds everywhere. Production looks when it is
    /// asked; states that would answer alike are one state if it looks at once.
    pub fn age(&mut self, now: u8) {
        let at = self.wait_point(now);
        self.hold.cover(resting_on(REVOKE), at);
    }

    /// Sends the statement of the lease that is due.
    fn statement(&mut self, now: u8, fresh: IncarnationId) -> Statement {
        let at = self.fence_point(now);
        let statement = self.core.with(|live| live.follower.statement(at, fresh));
        statement.expect("it has loaded and no statement is under way")
    }

    /// R3, and what it says of it afterwards.
    fn take(
        &mut self,
        protocol: &Protocol,
        positions: &[GlobalPosition],
    ) -> Option<(IncarnationId, Ack)> {
        let progress = self.core.with(|live| {
            let events = live.events(positions);
            live.follower.apply(&events)
        });
        match progress.next {
            Next::Nothing => {}
            Next::Renew => protocol.seen.note(Case::CaughtUp),
            Next::Read => protocol.seen.note(Case::GapFound),
            Next::Load | Next::GaveUp => panic!("there is one log, and one build"),
        }
        self.behind = protocol.reduced && progress.next == Next::Read;
        progress.ack
    }
}

impl World {
    /// R0 LOAD.
    pub fn load(&mut self, protocol: &Protocol, index: usize) {
        let (head, now) = (self.head, self.now);
        let replica = self.replica(index);
        replica.core.with(|live| live.load(head));
        replica.see(protocol, head, now);
        replica.stage = Stage::Loaded;
    }

    /// R1 REGISTER: the row is committed, hence visible.
    pub fn join(&mut self, protocol: &Protocol, index: usize) {
        let (now, head) = (self.now, self.head);
        let life = self.replicas[index].lives;
        let fresh = if Mutant::SameIdReplaces.is_active() {
            incarnation(0, 0)
        } else {
            incarnation(index, life)
        };
        let replica = self.replica(index);
        replica.lives += 1;
        let Statement::Register(made) = replica.statement(now, fresh) else {
            panic!("it has no row");
        };
        if Mutant::JoinOneSnapshot.is_active() {
            let renewal = Renewal {
                incarnation: made.incarnation,
                applied: made.applied,
                sent: replica.fence_point(now),
            };
            replica.stage = Stage::Uncommitted {
                made,
                renewal,
                head,
            };
            return;
        }
        replica.stage = Stage::In;
        let stands = replica.core.with(|live| live.follower.registered(&made));
        assert!(stands, "nothing overtook it");
        self.insert_row(protocol, &made);
    }

    /// Only under join-one-snapshot: the transaction commits, and its answer is there.
    pub fn join_commit(&mut self, protocol: &Protocol, index: usize) {
        let replica = self.replica(index);
        if let Stage::Uncommitted {
            made,
            renewal,
            head,
        } = replica.stage
        {
            replica.stage = Stage::In;
            replica.core.with(|live| live.follower.registered(&made));
            replica.line = Line::Answered(renewal, Some(head));
            self.insert_row(protocol, &made);
        }
    }

    fn insert_row(&mut self, protocol: &Protocol, made: &Registration) {
        if self.is_committed() {
            protocol.seen.note(Case::JoinedAfterCommit);
        }
        self.delete_row(made.incarnation);
        self.rows.push(LeaseRow {
            incarnation: made.incarnation,
            term: protocol.term,
            renew_seq: 0,
            applied: made.applied,
            epoch: EPOCH,
        });
        self.rows.sort_by_key(|row| row.incarnation);
    }

    /// R2 RENEW, until it is sent.
    pub fn renew_send(&mut self, protocol: &Protocol, index: usize) {
        let now = self.now;
        let replica = self.replica(index);
        let Statement::Renew(renewal) = replica.statement(now, incarnation(index, u8::MAX)) else {
            panic!("its row stands");
        };
        replica.line = Line::Sent(renewal);
        replica.renewals += u8::from(protocol.reduced);
    }

    /// R2 RENEW, as the primary carries it out.
    pub fn renew_server(&mut self, protocol: &Protocol, index: usize) {
        let Line::Sent(renewal) = self.replicas[index].line else {
            return;
        };
        let head = self.head;
        let keeper = &self.keeper;
        let mut rows = self.rows.iter_mut();
        let row = rows.find(|row| row.incarnation == renewal.incarnation);
        let answer = row.map(|row| {
            row.applied = renewal.applied;
            if protocol.collects {
                row.renew_seq = other_than(row, keeper);
            }
            head
        });
        self.replica(index).line = Line::Answered(renewal, answer);
    }

    /// R2 RENEW, once its answer is there.
    pub fn renew_receive(&mut self, protocol: &Protocol, index: usize) {
        let now = self.now;
        let replica = self.replica(index);
        let Line::Answered(renewal, answer) = replica.line else {
            return;
        };
        replica.line = Line::Idle;
        if let Some(head) = answer {
            replica.see(protocol, head, now);
        }
        let head = answer.map(|auth_position| Head {
            auth_position,
            epoch: EPOCH,
        });
        let at = replica.fence_point(now);
        let renewed = replica
            .core
            .with(|live| live.follower.renewed(&renewal, head, at));
        match renewed {
            // Ignored once it has left.
            Renewed::Extend(_) | Renewed::Ignore => {}
            Renewed::CatchUp(_) => replica.behind = protocol.reduced,
            Renewed::Register => {
                protocol.seen.note(Case::RowWasGone);
                let again = replica.lives < protocol.lives;
                replica.stage = if again { Stage::Loaded } else { Stage::Gone };
            }
            Renewed::Reload => panic!("there is one log"),
        }
    }

    /// The other event, or the revocation, arrives.
    pub fn deliver(&mut self, protocol: &Protocol, index: usize, which: usize) {
        self.replica(index).messages[which] = false;
        self.apply(protocol, index, &[[OTHER, REVOKE][which]]);
    }

    /// All that is missing is read of the log.
    pub fn read_log(&mut self, protocol: &Protocol, index: usize) {
        let applied = self.replicas[index].core.applied();
        let is_missing = |at: &GlobalPosition| *at > applied && *at <= self.head;
        let missing: Vec<_> = [OTHER, REVOKE].into_iter().filter(is_missing).collect();
        self.apply(protocol, index, &missing);
    }

    /// Only under ack-before-apply.
    pub fn apply_late(&mut self, protocol: &Protocol, index: usize) {
        self.apply(protocol, index, &[]);
    }

    fn apply(&mut self, protocol: &Protocol, index: usize, positions: &[GlobalPosition]) {
        let ack = self.replica(index).take(protocol, positions);
        let is_waited_for = self.coordinator != Coordinator::Returned;
        let is_news = |said: &(IncarnationId, Ack)| {
            is_waited_for && said.1.applied >= REVOKE && !self.heard.contains(said)
        };
        if let Some(said) = ack.filter(is_news) {
            self.replica(index).said = Some(said);
        }
    }

    /// The acknowledgement arrives at the command services.
    pub fn hear(&mut self, index: usize) {
        if let Some(said) = self.replica(index).said.take() {
            self.heard.push(said);
            self.heard.sort_by_key(|(incarnation, _)| *incarnation);
        }
    }

    /// R5 LEAVE: it refuses.
    pub fn leave(&mut self, index: usize) {
        let replica = self.replica(index);
        let left = replica.core.with(|live| live.follower.leave());
        let [incarnation] = left[..] else {
            panic!("it has one row");
        };
        replica.stage = Stage::Leaving(incarnation);
        if Mutant::LeaveRowFirst.is_active() {
            self.delete_row(incarnation);
        }
    }

    /// R5 LEAVE: it deletes its row and exits.
    pub fn exit(&mut self, index: usize) {
        let replica = self.replica(index);
        if let Stage::Leaving(incarnation) = replica.stage {
            replica.stage = Stage::Gone;
            replica.core.lease = gate::core::clocks::Deadlines::default();
            self.delete_row(incarnation);
        }
    }
}

/// A renewal's number is only ever compared with one that somebody remembers, so any other will do:
/// the smallest keeps the number of states bounded.
fn other_than(row: &LeaseRow, keeper: &Keeper) -> i64 {
    let due = keeper.due.iter().map(|due| due.renew_seq);
    let remembered: Vec<i64> = due
        .chain(keeper.silence.shown(row.incarnation))
        .chain([row.renew_seq])
        .collect();
    let mut numbers = 0..;
    let free = numbers.find(|number| !remembered.contains(number));
    free.expect("there are more numbers than are remembered")
}

/// What a replica knows that has run for long: everything up to `settled` holds everywhere.
pub fn knowing(protocol: &Protocol, settled: GlobalPosition) -> Settlements {
    let mut hold = Settlements::default();
    if protocol.tells {
        hold.see(EPOCH, settled, protocol.term, time::wait(0));
        hold.cover(resting_on(settled), time::wait(u8::MAX));
    }
    hold
}

/// A denial by the event at `position`.
fn resting_on(position: GlobalPosition) -> RestsOn {
    RestsOn {
        epoch: EPOCH,
        position,
    }
}
