//! Time, the network and what breaks: a queue of events, the earliest first.

mod faults;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use gate::core::mutant::Mutant;
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
    /// By now everybody must have applied the event there.
    Heard(GlobalPosition),
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
    /// What is wrong whatever clients saw.
    pub wrong: Vec<String>,
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
    wrong: Vec<String>,
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
            wrong: Vec::new(),
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
        let mut wrong = self.wrong;
        wrong.extend(self.server.primary.acts_too_late());
        let (keys, orgs) = self.clients.histories();
        Finished {
            keys,
            orgs,
            wrong,
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
            Event::Heal(process, link) => *self.cuts(process, link) -= 1,
            Event::ServerBack => self.server_back(),
            Event::StartReplica(slot) => self.start_replica(slot),
            Event::StartCommand(slot) => self.start_command(slot),
            Event::Heard(position) => self.must_have_heard(position),
        }
    }

    /// How many cuts last just now.
    fn cuts(&mut self, process: Process, link: Link) -> &mut u32 {
        let cuts = match process {
            Process::Replica(index) => &mut self.replicas[index].cuts,
            Process::Command(index) => &mut self.commands[index].cuts,
        };
        match link {
            Link::Primary => &mut cuts.primary,
            Link::Bus => &mut cuts.bus,
        }
    }

    /// In health nobody has to wait for a renewal to notice what was missed.
    fn must_have_heard(&mut self, position: GlobalPosition) {
        for (index, process) in self.replicas.iter().enumerate() {
            let applied = process.applied();
            if applied < position {
                self.wrong.push(format!(
                    "replica {index} is at {applied} long after {position} was committed"
                ));
            }
        }
    }

    /// Every replica hears of an event, sooner or later, or never.
    pub fn publish(&mut self, logged: Logged, epoch: LogEpoch) {
        let event = logged.event;
        for index in 0..self.replicas.len() {
            if !self.replicas[index].alive || !self.is_for(index, event.position) {
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

    /// Whether an event of the log's feed is for this replica: only with a fault not for each.
    fn is_for(&self, index: usize, position: GlobalPosition) -> bool {
        let turn = position.get() % self.replicas.len() as u64;
        !Mutant::SharedDurable.is_active() || turn == index as u64
    }

    pub fn fresh(&mut self, slot: usize) -> IncarnationId {
        if Mutant::SameIdReplaces.is_active() {
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
