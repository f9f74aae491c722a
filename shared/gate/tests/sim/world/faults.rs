//! What breaks, and the database set back.

use domain::ids::LogEpoch;
use gate::core::mutant::Mutant;

use super::{Event, Link, Process, World};
use crate::plan::{Fault, MILLI};
use crate::primary::{Logged, Primary};
use crate::replica::ReplicaMessage;

/// So far a standby is behind.
const STANDBY_LAG: u64 = 500 * MILLI;

impl World {
    /// The process of a machine's that was started last, if it lives.
    fn replica_of(&self, slot: usize) -> Option<usize> {
        let newest = self
            .replicas
            .iter()
            .rposition(|process| process.slot == slot)?;
        self.replicas[newest].alive.then_some(newest)
    }

    fn command_of(&self, slot: usize) -> Option<usize> {
        let newest = self
            .commands
            .iter()
            .rposition(|process| process.slot == slot)?;
        self.commands[newest].alive.then_some(newest)
    }

    fn cut(&mut self, process: Process, link: Link, nanos: u64) {
        *self.cuts(process, link) += 1;
        self.after(nanos, Event::Heal(process, link));
    }

    fn cut_replica(&mut self, slot: usize, link: Link, nanos: u64) {
        if let Some(index) = self.replica_of(slot) {
            self.cut(Process::Replica(index), link, nanos);
        }
    }

    fn cut_command(&mut self, slot: usize, link: Link, nanos: u64) {
        if let Some(index) = self.command_of(slot) {
            self.cut(Process::Command(index), link, nanos);
        }
    }

    fn kill_command(&mut self, slot: usize, nanos: u64) {
        if let Some(index) = self.command_of(slot) {
            self.commands[index].alive = false;
            self.after(nanos, Event::StartCommand(slot));
        }
    }

    pub fn break_down(&mut self, fault: Fault) {
        self.note(77);
        match fault {
            Fault::CutOff(slot, nanos) => {
                self.cut_replica(slot, Link::Primary, nanos);
                self.cut_replica(slot, Link::Bus, nanos);
            }
            Fault::Join(slot) => self.start_replica(slot),
            Fault::KillCommands(nanos) => {
                for slot in 0..self.plan.commands {
                    self.kill_command(slot, nanos);
                }
            }
            Fault::PauseReplica(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    self.replicas[index].paused_until = self.now + nanos;
                }
            }
            Fault::KillReplica(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    self.end_replica(index);
                    self.after(nanos, Event::StartReplica(slot));
                }
            }
            Fault::Leave(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    self.at(self.now, Event::Replica(index, ReplicaMessage::Leave));
                    self.after(nanos, Event::StartReplica(slot));
                }
            }
            Fault::Twin(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    let nanos = nanos.min(1_600 * MILLI);
                    self.replicas[index].paused_until = self.now + nanos;
                    self.after(nanos / 8, Event::StartReplica(slot));
                }
            }
            Fault::Sleep(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    let (from, until) = (self.now, self.now + nanos);
                    let process = &mut self.replicas[index];
                    // One sleep after the other, if at all.
                    if process.paused_until <= from {
                        process.paused_until = until;
                        process.clocks.sleep(from, until);
                        self.counters.slept += 1;
                    }
                }
            }
            Fault::CutReplicaFromPrimary(slot, nanos) => {
                self.cut_replica(slot, Link::Primary, nanos);
            }
            Fault::CutReplicaFromBus(slot, nanos) => {
                self.cut_replica(slot, Link::Bus, nanos);
            }
            Fault::PauseCommand(slot, nanos) => {
                if let Some(index) = self.command_of(slot) {
                    self.commands[index].paused_until = self.now + nanos;
                }
            }
            Fault::KillCommand(slot, nanos) => self.kill_command(slot, nanos),
            Fault::CutCommandFromPrimary(slot, nanos) => {
                self.cut_command(slot, Link::Primary, nanos);
            }
            Fault::CutCommandFromBus(slot, nanos) => {
                self.cut_command(slot, Link::Bus, nanos);
            }
            Fault::StallPrimary(nanos) => self.server.stall(self.now + nanos),
            Fault::RestartPrimary(nanos) => {
                self.server.go_down();
                self.after(nanos, Event::ServerBack);
            }
            Fault::Restore(ago) => self.restore(ago),
        }
    }

    /// Sets the database back; everything under way is ended. The ledger is replayed before anybody
    /// is let in.
    fn restore(&mut self, ago: u64) {
        let since = self.now.saturating_sub(ago);
        let Some((_, kept)) = self
            .backups
            .iter()
            .rev()
            .find(|(at, _)| *at <= since)
            .cloned()
        else {
            return;
        };
        self.server.go_down();
        let lost: Vec<Logged> = {
            let primary = &self.server.primary;
            let kept_up_to = kept.log.len();
            primary.log[kept_up_to.min(primary.log.len())..].to_vec()
        };
        let epoch = LogEpoch::from_uuid(self.rng.uuid());
        self.server.primary.restore(&kept, epoch);
        for logged in lost {
            let in_ledger = self.server.ledger.contains(&logged.event.position);
            if logged.denies && in_ledger {
                let what = logged.what;
                if self.server.applies(what) {
                    self.server.primary.commit(what, 0, None);
                }
            }
        }
        self.server.ledger.clear();
        self.server.forget_operations();
        self.clients.restored(self.now);
        self.backups.clear();
        self.counters.restored += 1;
        self.after(200 * MILLI, Event::ServerBack);
    }

    /// What a restore may go back to.
    pub fn back_up(&mut self) {
        if self
            .backups
            .last()
            .is_none_or(|(at, _)| self.now > at + 200 * MILLI)
        {
            self.backups.push((self.now, self.server.primary.clone()));
        }
    }

    /// Only with a fault: the database as it was a while ago.
    pub fn standby(&self) -> Option<&Primary> {
        let is_behind = |(at, _): &&(u64, Primary)| at + STANDBY_LAG > self.now;
        let behind = self.backups.iter().find(is_behind);
        behind
            .filter(|_| Mutant::StandbyVerify.is_active())
            .map(|(_, primary)| primary)
    }
}
