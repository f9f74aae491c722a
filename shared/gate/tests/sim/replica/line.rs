//! What keeps the lease of a query process: it registers, renews, leaves.

use domain::ids::GlobalPosition;
use gate::core::barrier::LeaseRow;
use gate::core::follower::Statement;
use gate::core::mutant::Mutant;
use gate::core::replica::{Head, Renewal, Renewed};

use super::{For, LINE_TIMEOUT, PERIOD, ReplicaMessage, Stage};
use crate::plan::{MICRO, MILLI};
use crate::server::Ask;
use crate::world::{Event, World};

impl World {
    pub(super) fn beat_soon(&mut self, index: usize) {
        self.after(MICRO, Event::Replica(index, ReplicaMessage::Beat));
    }

    /// Time for the lease's next statement.
    pub(super) fn beat(&mut self, index: usize) {
        if self.replicas[index].under_way.line || self.replicas[index].stage != Stage::Serves {
            return;
        }
        let fresh = self.fresh(self.replicas[index].slot);
        let now = self.now;
        let process = &mut self.replicas[index];
        let fence = process.clocks.fence(now);
        let Some(statement) = process.core.statement(fence, fresh) else {
            return self.after(PERIOD, Event::Replica(index, ReplicaMessage::Beat));
        };
        let (purpose, what) = match statement {
            Statement::Leave(incarnation) => (For::Leave(incarnation), Ask::Leave(incarnation)),
            Statement::Renew(renewal) => (For::Renew(renewal), Ask::Renew(renewal)),
            Statement::Register(made) => {
                let row = LeaseRow {
                    incarnation: made.incarnation,
                    term: process.term,
                    renew_seq: 0,
                    applied: made.applied,
                    epoch: made.epoch,
                };
                (For::Register(made, fence), Ask::Register(row))
            }
        };
        process.under_way.line = true;
        self.send(index, purpose, what, Some(LINE_TIMEOUT));
    }

    /// The line is free again; the next statement is due after `nanos`.
    pub(super) fn line_rests(&mut self, index: usize, nanos: u64) {
        self.replicas[index].under_way.line = false;
        self.after(nanos, Event::Replica(index, ReplicaMessage::Beat));
    }

    pub(super) fn jittered(&mut self) -> u64 {
        PERIOD * self.rng.between(800, 1_200) / 1_000
    }

    pub(super) fn see(&mut self, index: usize, head: Head, settled: GlobalPosition) {
        let now = self.now;
        let process = &mut self.replicas[index];
        let wait = process.clocks.wait(now);
        process
            .settlements
            .see(head.epoch, head.auth_position, process.term, wait);
        if process.settlements.settle(head.epoch, settled) {
            self.release(index);
        }
    }

    pub(super) fn renewed(&mut self, index: usize, renewal: &Renewal, head: Option<Head>) {
        let now = self.now;
        let process = &mut self.replicas[index];
        let fence = process.clocks.fence(now);
        match process.core.renewed(renewal, head, fence) {
            Renewed::Extend(_) | Renewed::Ignore => {}
            Renewed::CatchUp(_) => self.read_soon(index),
            Renewed::Register => self.beat_soon(index),
            Renewed::Reload => self.load(index),
        }
    }

    /// R5.
    pub(super) fn leave(&mut self, index: usize) {
        let rows = self.replicas[index].core.leave();
        // With the fault it serves for as long as its listener takes to close.
        self.replicas[index].stage = if Mutant::LeaveRowFirst.is_active() {
            Stage::LeavesServing
        } else {
            Stage::Leaves
        };
        for incarnation in rows {
            self.send(
                index,
                For::Leave(incarnation),
                Ask::Leave(incarnation),
                None,
            );
        }
        let nanos = self.rng.between(5 * MILLI, 600 * MILLI);
        self.after(nanos, Event::Replica(index, ReplicaMessage::Exit));
    }
}
