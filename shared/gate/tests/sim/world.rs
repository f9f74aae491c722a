//! Time, the network and what breaks: a queue of events, the earliest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::ids::{IncarnationId, LogEpoch};
use testkit::history::Histories;

use crate::client::{ClientEvent, Clients};
use crate::clock::Clocks;
use crate::command::{CommandMessage, CommandProcess};
use crate::counters::Counters;
use crate::plan::{END, Fault, MILLI, Plan, SLEEPERS, SLOW_LINE};
use crate::primary::{Edit, Logged, Primary};
use crate::replica::{ReplicaMessage, ReplicaProcess};
use crate::rng::Rng;
use crate::server::{Asked, Server};

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    Replica(usize),
    Command(usize),
}

/// What happens at an instant.
#[derive(Debug, Clone)]
pub enum Event {
    Server(Asked),
    /// A commit of which the server was asked is done.
    Committed(u64),
    Replica(usize, ReplicaMessage),
    Command(usize, CommandMessage),
    Client(ClientEvent),
    Fault(Fault),
    Heal(Process, Link),
    ServerBack,
    /// A machine starts another process in place of one that is gone.
    StartReplica(usize),
    StartCommand(usize),
}

/// What may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Primary,
    Bus,
}

struct Scheduled {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What a finished run shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub keys: Histories<usize>,
    pub orgs: Histories<usize>,
    pub counters: Counters,
    /// Equal for two runs that did the same.
    pub trace: u64,
}

pub struct World {
    pub now: u64,
    pub rng: Rng,
    pub plan: Plan,
    pub server: Server,
    pub replicas: Vec<ReplicaProcess>,
    pub commands: Vec<CommandProcess>,
    pub clients: Clients,
    pub counters: Counters,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    trace: u64,
    /// What the database was at some instants, for a restore.
    backups: Vec<(u64, Primary)>,
}

impl World {
    pub fn run(seed: u64) -> Finished {
        let mut world = Self::new(seed);
        while let Some(Reverse(next)) = world.queue.pop() {
            if next.at > END {
                break;
            }
            world.now = next.at;
            world.happen(next.event);
        }
        world.finish()
    }

    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::of(&mut rng);
        let longest = plan.term;
        let mut primary = Primary::new(plan.orgs, longest);
        for key in 0..plan.keys {
            primary.commit(Edit::Make { key }, rng.below(3), Some(key));
        }
        let mut world = Self {
            now: 0,
            server: Server::new(primary),
            replicas: Vec::new(),
            commands: Vec::new(),
            clients: Clients::new(SLEEPERS),
            counters: Counters::default(),
            queue: BinaryHeap::new(),
            order: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            backups: Vec::new(),
            rng,
            plan,
        };
        for slot in 0..world.plan.replicas {
            world.at(0, Event::StartReplica(slot));
        }
        for slot in 0..world.plan.commands {
            world.at(0, Event::StartCommand(slot));
        }
        for (at, fault) in world.plan.faults.clone() {
            world.at(at, Event::Fault(fault));
        }
        for (at, wish) in world.plan.wishes.clone() {
            world.at(at, Event::Client(ClientEvent::Wish(wish)));
        }
        world.at(100 * MILLI, Event::Client(ClientEvent::Ask));
        world
    }

    fn finish(self) -> Finished {
        let (keys, orgs) = self.clients.histories();
        Finished {
            keys,
            orgs,
            counters: self.counters,
            trace: self.trace,
        }
    }

    pub fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled {
            at,
            order: self.order,
            event,
        }));
    }

    pub fn after(&mut self, nanos: u64, event: Event) {
        self.at(self.now + nanos, event);
    }

    /// So that two runs of one seed can be compared.
    pub fn note(&mut self, what: u64) {
        for word in [self.now, what] {
            self.trace = (self.trace ^ word)
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(17);
        }
    }

    /// How long a message takes; none if it is lost.
    pub fn delay(&mut self, may_be_lost: bool) -> Option<u64> {
        if may_be_lost && self.rng.permille(self.plan.lost) {
            return None;
        }
        let mut delay = self.plan.base_delay + self.rng.below(self.plan.base_delay + 1);
        if self.rng.permille(self.plan.late) {
            delay += self.rng.below(self.plan.late_by);
        }
        Some(delay)
    }

    /// The same between a process and Postgres.
    pub fn line_delay(&mut self, of: Process) -> Option<u64> {
        let mut delay = self.delay(false)?;
        if matches!(of, Process::Replica(_)) && self.rng.permille(self.plan.slow_lines) {
            delay += self.rng.below(SLOW_LINE);
        }
        Some(delay)
    }

    /// Between a process and what it is connected with.
    pub fn is_cut(&self, process: Process, link: Link) -> bool {
        let cuts = match process {
            Process::Replica(index) => self.replicas[index].cuts,
            Process::Command(index) => self.commands[index].cuts,
        };
        match link {
            Link::Primary => cuts.primary > 0,
            Link::Bus => cuts.bus > 0,
        }
    }

    /// To the server, over a connection that may be cut: what is lost is lost without a word.
    pub fn ask(&mut self, asked: Asked) {
        if self.is_cut(asked.from, Link::Primary) {
            return;
        }
        if let Some(delay) = self.line_delay(asked.from) {
            self.after(delay, Event::Server(asked));
        }
    }

    /// A message of the bus to a process.
    pub fn tell_replica(&mut self, index: usize, message: &ReplicaMessage) {
        let copies = 1 + u64::from(self.rng.permille(self.plan.twice));
        for _ in 0..copies {
            if let Some(delay) = self.delay(true) {
                self.after(delay, Event::Replica(index, message.clone()));
            }
        }
    }

    /// A message of the bus to every command service.
    pub fn tell_commands(&mut self, message: &CommandMessage) {
        for index in 0..self.commands.len() {
            let reached =
                self.commands[index].alive && !self.is_cut(Process::Command(index), Link::Bus);
            if reached && let Some(delay) = self.delay(true) {
                self.after(delay, Event::Command(index, message.clone()));
            }
        }
    }

    /// A message of the bus to every replica.
    pub fn tell_replicas(&mut self, message: &ReplicaMessage) {
        for index in 0..self.replicas.len() {
            let reached =
                self.replicas[index].alive && !self.is_cut(Process::Replica(index), Link::Bus);
            if reached {
                self.tell_replica(index, message);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Server(asked) => self.serve(asked),
            Event::Committed(id) => self.committed(id),
            Event::Replica(index, message) => {
                let process = &self.replicas[index];
                if !process.alive {
                    return;
                }
                if process.paused_until > self.now {
                    let at = process.paused_until;
                    return self.at(at, Event::Replica(index, message));
                }
                self.note(1 + index as u64);
                self.replica(index, message);
            }
            Event::Command(index, message) => {
                let process = &self.commands[index];
                if !process.alive {
                    return;
                }
                if process.paused_until > self.now {
                    let at = process.paused_until;
                    return self.at(at, Event::Command(index, message));
                }
                self.note(1_000 + index as u64);
                self.command(index, message);
            }
            Event::Client(event) => self.client(event),
            Event::Fault(fault) => self.break_down(fault),
            Event::Heal(process, link) => {
                let cuts = match process {
                    Process::Replica(index) => &mut self.replicas[index].cuts,
                    Process::Command(index) => &mut self.commands[index].cuts,
                };
                match link {
                    Link::Primary => cuts.primary -= 1,
                    Link::Bus => cuts.bus -= 1,
                }
            }
            Event::ServerBack => self.server_back(),
            Event::StartReplica(slot) => self.start_replica(slot),
            Event::StartCommand(slot) => self.start_command(slot),
        }
    }

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
        let cuts = match process {
            Process::Replica(index) => &mut self.replicas[index].cuts,
            Process::Command(index) => &mut self.commands[index].cuts,
        };
        match link {
            Link::Primary => cuts.primary += 1,
            Link::Bus => cuts.bus += 1,
        }
        self.after(nanos, Event::Heal(process, link));
    }

    fn break_down(&mut self, fault: Fault) {
        self.note(77);
        match fault {
            Fault::CutOff(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    self.cut(Process::Replica(index), Link::Primary, nanos);
                    self.cut(Process::Replica(index), Link::Bus, nanos);
                }
            }
            Fault::Join(slot) => self.start_replica(slot),
            Fault::KillCommands(nanos) => {
                for slot in 0..self.plan.commands {
                    if let Some(index) = self.command_of(slot) {
                        self.commands[index].alive = false;
                        self.after(nanos, Event::StartCommand(slot));
                    }
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
                if let Some(index) = self.replica_of(slot) {
                    self.cut(Process::Replica(index), Link::Primary, nanos);
                }
            }
            Fault::CutReplicaFromBus(slot, nanos) => {
                if let Some(index) = self.replica_of(slot) {
                    self.cut(Process::Replica(index), Link::Bus, nanos);
                }
            }
            Fault::PauseCommand(slot, nanos) => {
                if let Some(index) = self.command_of(slot) {
                    self.commands[index].paused_until = self.now + nanos;
                }
            }
            Fault::KillCommand(slot, nanos) => {
                if let Some(index) = self.command_of(slot) {
                    self.commands[index].alive = false;
                    self.after(nanos, Event::StartCommand(slot));
                }
            }
            Fault::CutCommandFromPrimary(slot, nanos) => {
                if let Some(index) = self.command_of(slot) {
                    self.cut(Process::Command(index), Link::Primary, nanos);
                }
            }
            Fault::CutCommandFromBus(slot, nanos) => {
                if let Some(index) = self.command_of(slot) {
                    self.cut(Process::Command(index), Link::Bus, nanos);
                }
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

    /// Every replica hears of an event, sooner or later, or never.
    pub fn publish(&mut self, logged: Logged, epoch: LogEpoch) {
        let event = logged.event;
        for index in 0..self.replicas.len() {
            if !self.replicas[index].alive {
                continue;
            }
            let message = ReplicaMessage::Events {
                epoch,
                events: vec![event],
            };
            // The feed of the log: it may be late, and has holes.
            if !self.is_cut(Process::Replica(index), Link::Bus)
                && !self.rng.permille(self.plan.lost)
            {
                let delay = self.plan.base_delay * 3 + self.rng.below(3 * MILLI);
                self.after(delay, Event::Replica(index, message));
            } else {
                // It notices, and reads the log.
                let delay = self.rng.between(MILLI, 300 * MILLI);
                self.after(delay, Event::Replica(index, ReplicaMessage::ReadLog));
            }
        }
    }

    pub fn fresh(&mut self, slot: usize) -> IncarnationId {
        if gate::core::mutant::Mutant::SameIdReplaces.is_active() {
            return IncarnationId::from_uuid(uuid::Uuid::from_u128(0x9000 + slot as u128));
        }
        IncarnationId::from_uuid(self.rng.uuid())
    }

    pub fn small_step(&mut self) -> u64 {
        self.rng.between(1, self.plan.step)
    }

    /// Of a machine that starts: where clocks are as wrong as they may be, `slow` of a thousand are too
    /// slow and the others too fast.
    pub fn clocks(&mut self, slow: u64) -> Clocks {
        if self.plan.extreme {
            Clocks::extreme(&mut self.rng, self.plan.drift, slow)
        } else {
            Clocks::new(&mut self.rng, self.plan.drift)
        }
    }
}
