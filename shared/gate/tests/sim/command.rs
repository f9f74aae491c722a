//! A command process: commits, barriers, and what it does for others.

use std::collections::BTreeMap;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use gate::core::barrier::{Ack, Barrier, State};
use gate::core::clocks::WaitPoint;
use gate::core::mutant::Mutant;
use gate::core::silence::Silence;
use gate::core::sweep::Sweep;

use crate::clock::Clocks;
use crate::plan::{MICRO, MILLI, SECOND};
use crate::primary::{Edit, Logged};
use crate::replica::{Cuts, ReplicaMessage};
use crate::server::{Answer, Ask, Asked, Rows};
use crate::world::{Event, Link, Process, World};

const POLL: u64 = 50 * MILLI;
const LOOK: u64 = SECOND;
const APPEND_TIMEOUT: u64 = 2 * SECOND;
const LOOK_TIMEOUT: u64 = 300 * MILLI;

/// What reaches a command process.
#[derive(Debug, Clone)]
pub enum CommandMessage {
    Answer(u64, Answer),
    Late(u64),
    /// A client wants something changed.
    Change(u64, Edit),
    Ack {
        incarnation: IncarnationId,
        epoch: LogEpoch,
        applied: GlobalPosition,
    },
    /// A barrier's next look at the rows, or at its clock.
    Poll(u64),
    Check(u64),
    Keep,
}

#[derive(Debug, Clone, Copy)]
enum For {
    Append(u64, Edit),
    Find(u64, Edit),
    /// The first rows of a barrier.
    Rows(u64),
    MoreRows(u64),
    Settle,
    KeeperRows,
    Collect,
    Denials(LogEpoch),
}

/// A barrier that was begun; the rows come later.
struct Running {
    client: Option<u64>,
    position: GlobalPosition,
    start: WaitPoint,
    barrier: Option<Barrier>,
    epoch: Option<LogEpoch>,
}

pub struct CommandProcess {
    pub slot: usize,
    pub alive: bool,
    pub paused_until: u64,
    pub clocks: Clocks,
    pub cuts: Cuts,
    acks: BTreeMap<IncarnationId, Ack>,
    asked: BTreeMap<u64, For>,
    running: BTreeMap<u64, Running>,
    next_id: u64,
    silence: Silence,
    sweep: Sweep,
}

impl World {
    pub fn start_command(&mut self, slot: usize) {
        // Mostly fast, so that they wait too short rather than too long.
        let clocks = self.clocks(200);
        self.commands.push(CommandProcess {
            slot,
            alive: true,
            paused_until: 0,
            clocks,
            cuts: Cuts::default(),
            acks: BTreeMap::new(),
            asked: BTreeMap::new(),
            running: BTreeMap::new(),
            next_id: 0,
            silence: Silence::default(),
            sweep: Sweep::default(),
        });
        let index = self.commands.len() - 1;
        self.after(LOOK, Event::Command(index, CommandMessage::Keep));
    }

    fn send_for(&mut self, index: usize, purpose: For, what: Ask, timeout: u64) {
        let process = &mut self.commands[index];
        process.next_id += 1;
        let id = process.next_id;
        process.asked.insert(id, purpose);
        let from = Process::Command(index);
        self.ask(Asked { from, id, what });
        self.after(timeout, Event::Command(index, CommandMessage::Late(id)));
    }

    pub fn command(&mut self, index: usize, message: CommandMessage) {
        match message {
            CommandMessage::Change(client, edit) => {
                self.send_for(
                    index,
                    For::Append(client, edit),
                    Ask::Append(edit),
                    APPEND_TIMEOUT,
                );
            }
            CommandMessage::Ack {
                incarnation,
                epoch,
                applied,
            } => self.acked(index, incarnation, Ack { epoch, applied }),
            CommandMessage::Poll(id) => {
                if self.commands[index].running.contains_key(&id) {
                    self.send_for(index, For::MoreRows(id), Ask::Rows, LOOK_TIMEOUT);
                    self.after(POLL, Event::Command(index, CommandMessage::Poll(id)));
                }
            }
            CommandMessage::Check(id) => self.look_at(index, id),
            CommandMessage::Keep => {
                self.send_for(index, For::KeeperRows, Ask::Rows, LOOK_TIMEOUT);
                self.after(LOOK, Event::Command(index, CommandMessage::Keep));
            }
            CommandMessage::Late(id) => self.too_late(index, id),
            CommandMessage::Answer(id, answer) => self.got(index, id, answer),
        }
    }

    fn got(&mut self, index: usize, id: u64, answer: Answer) {
        let Some(purpose) = self.commands[index].asked.remove(&id) else {
            return;
        };
        match (purpose, answer) {
            (For::Append(client, edit), Answer::Failed) => self.find(index, client, edit),
            (For::Find(client, edit), Answer::Failed) => self.find_again(index, client, edit),
            (For::Rows(barrier), Answer::Failed) => self.rows_again(index, barrier),
            (_, Answer::Failed) | (For::Settle, Answer::Settled) => {}
            (
                For::Append(client, _) | For::Find(client, _),
                Answer::Appended { logged, already },
            ) => self.appended(index, client, logged, already),
            (For::Append(client, _) | For::Find(client, _), Answer::NotCommitted) => {
                self.tell_client(client, false);
            }
            (For::Rows(barrier), Answer::Rows(rows)) => self.begin_barrier(index, barrier, &rows),
            (For::MoreRows(barrier), Answer::Rows(rows)) => self.more_rows(index, barrier, &rows),
            (For::KeeperRows, Answer::Rows(rows)) => self.keep(index, &rows),
            (For::Denials(epoch), Answer::Denials(found, through)) => {
                self.found_denials(index, epoch, &found, through);
            }
            (For::Collect, Answer::Collected(was)) => self.counters.collected += u64::from(was),
            (purpose, answer) => panic!("{purpose:?} was answered {answer:?}"),
        }
    }

    fn too_late(&mut self, index: usize, id: u64) {
        match self.commands[index].asked.remove(&id) {
            // Unknown: the log is asked, never guessed.
            Some(For::Append(client, edit)) => self.find(index, client, edit),
            Some(For::Find(client, edit)) => self.find_again(index, client, edit),
            Some(For::Rows(barrier)) => self.rows_again(index, barrier),
            _ => {}
        }
    }

    fn find(&mut self, index: usize, client: u64, edit: Edit) {
        self.counters.outcome_asked += 1;
        self.send_for(
            index,
            For::Find(client, edit),
            Ask::Find(edit),
            APPEND_TIMEOUT,
        );
    }

    fn find_again(&mut self, index: usize, client: u64, edit: Edit) {
        self.send_for(
            index,
            For::Find(client, edit),
            Ask::Find(edit),
            APPEND_TIMEOUT,
        );
    }

    fn rows_again(&mut self, index: usize, barrier: u64) {
        if self.commands[index].running.contains_key(&barrier) {
            self.send_for(index, For::Rows(barrier), Ask::Rows, LOOK_TIMEOUT);
        }
    }

    /// B2 and what follows.
    fn appended(&mut self, index: usize, client: u64, logged: Logged, already: bool) {
        if !logged.denies || (already && Mutant::RetryReturnsEarly.is_active()) {
            return self.tell_client(client, true);
        }
        let epoch = self.server.primary.epoch;
        if !self.is_cut(Process::Command(index), Link::Bus) {
            self.tell_replicas(&ReplicaMessage::Events {
                epoch,
                events: vec![logged.event],
            });
        }
        self.server.ledger.insert(logged.event.position);
        self.barrier(index, Some(client), logged.event.position);
    }

    fn barrier(&mut self, index: usize, client: Option<u64>, position: GlobalPosition) {
        let now = self.now;
        let process = &mut self.commands[index];
        process.next_id += 1;
        let id = process.next_id;
        process.running.insert(
            id,
            Running {
                client,
                position,
                start: process.clocks.wait(now),
                barrier: None,
                epoch: None,
            },
        );
        self.send_for(index, For::Rows(id), Ask::Rows, LOOK_TIMEOUT);
    }

    fn begin_barrier(&mut self, index: usize, id: u64, rows: &Rows) {
        let now = self.now;
        let process = &mut self.commands[index];
        let wait = process.clocks.wait(now);
        let Some(running) = process.running.get_mut(&id) else {
            return;
        };
        let (position, epoch) = (running.position, rows.head.epoch);
        running.epoch = Some(epoch);
        let barrier = Barrier::new(position, epoch, running.start, &rows.leases, wait);
        running.barrier = Some(barrier);
        let known: Vec<_> = process.acks.iter().map(|(id, ack)| (*id, *ack)).collect();
        for (incarnation, ack) in known {
            self.ack_one(index, id, incarnation, ack);
        }
        self.after(POLL, Event::Command(index, CommandMessage::Poll(id)));
        self.look_at(index, id);
    }

    fn ack_one(&mut self, index: usize, id: u64, incarnation: IncarnationId, ack: Ack) {
        let now = self.now;
        let process = &mut self.commands[index];
        let wait = process.clocks.wait(now);
        let running = process.running.get_mut(&id);
        let Some(barrier) = running.and_then(|running| running.barrier.as_mut()) else {
            return;
        };
        let before = barrier.waiting().count();
        barrier.ack(incarnation, ack, wait);
        self.counters.by_ack += (before - barrier.waiting().count()) as u64;
    }

    fn acked(&mut self, index: usize, incarnation: IncarnationId, ack: Ack) {
        let process = &mut self.commands[index];
        let known = process.acks.entry(incarnation).or_insert(ack);
        if known.epoch != ack.epoch || known.applied < ack.applied {
            *known = ack;
        }
        let ids: Vec<u64> = process.running.keys().copied().collect();
        for id in ids {
            self.ack_one(index, id, incarnation, ack);
            self.look_at(index, id);
        }
    }

    fn more_rows(&mut self, index: usize, id: u64, rows: &Rows) {
        let now = self.now;
        let process = &mut self.commands[index];
        let wait = process.clocks.wait(now);
        let running = process.running.get_mut(&id);
        let Some(barrier) = running.and_then(|running| running.barrier.as_mut()) else {
            return;
        };
        let before = barrier.waiting().count();
        barrier.rows(&rows.leases, wait);
        self.counters.by_row += (before - barrier.waiting().count()) as u64;
        self.look_at(index, id);
    }

    /// Whether a barrier has ended; if not, when to look again.
    fn look_at(&mut self, index: usize, id: u64) {
        let now = self.now;
        let process = &mut self.commands[index];
        let wait = process.clocks.wait(now);
        let running = process.running.get_mut(&id);
        let Some(barrier) = running.and_then(|running| running.barrier.as_mut()) else {
            return;
        };
        if let Some(left) = barrier.remaining(wait) {
            let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            return self.after(
                nanos + MICRO,
                Event::Command(index, CommandMessage::Check(id)),
            );
        }
        let report = barrier.report(wait).expect("nobody is waited for");
        let Some(running) = process.running.remove(&id) else {
            return;
        };
        self.counters.by_expiry += report.count(State::Expired) as u64;
        self.counters.by_leaving += report.count(State::Left) as u64;
        self.settled(index, &running);
    }

    /// B6.
    fn settled(&mut self, index: usize, running: &Running) {
        let (position, Some(epoch)) = (running.position, running.epoch) else {
            return;
        };
        let settle = Ask::Settle(epoch, position);
        self.send_for(index, For::Settle, settle, LOOK_TIMEOUT);
        if !self.is_cut(Process::Command(index), Link::Bus) {
            self.tell_replicas(&ReplicaMessage::Settled { epoch, position });
        }
        match running.client {
            Some(client) => self.tell_client(client, true),
            None => self.counters.swept += 1,
        }
    }

    /// GC and SWEEP.
    fn keep(&mut self, index: usize, rows: &Rows) {
        let now = self.now;
        let longest = self.plan.term;
        let process = &mut self.commands[index];
        let wait = process.clocks.wait(now);
        let silent = process.silence.observe(&rows.leases, wait);
        let epoch = rows.head.epoch;
        let after = process.sweep.settled(epoch, rows.settled, wait);
        let due = process.sweep.due(longest, wait);
        for one in silent {
            self.send_for(index, For::Collect, Ask::Collect(one), LOOK_TIMEOUT);
        }
        if after < rows.head.auth_position {
            self.send_for(
                index,
                For::Denials(epoch),
                Ask::Denials(after),
                LOOK_TIMEOUT,
            );
        }
        if let Some(due) = due {
            self.barrier(index, None, due.last);
        }
    }

    fn found_denials(
        &mut self,
        index: usize,
        epoch: LogEpoch,
        found: &[GlobalPosition],
        through: GlobalPosition,
    ) {
        if self.server.primary.epoch != epoch {
            return;
        }
        let now = self.now;
        let process = &mut self.commands[index];
        let wait = process.clocks.wait(now);
        process.sweep.found(found, through, wait);
    }
}
