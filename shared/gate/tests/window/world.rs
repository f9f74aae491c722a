//! Three processes, one key, and a network that does what it likes, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use domain::ids::{IncarnationId, OrgId};
use gate::core::gossip::message::Message;
use runtime::entropy::Entropy;
use uuid::Uuid;

use crate::day::Day;
use crate::process::{Process, reading};

pub const MILLISECOND: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MILLISECOND;
pub const WINDOW: u64 = 60 * SECOND;
pub const PROCESSES: usize = 3;
/// How long a row of a process that is silent stays: W, and two looks of whoever collects it.
const ROW_STAYS: u64 = 4_500 * MILLISECOND;
/// How long a process whose row was collected takes to see that.
const REGISTERS_WITHIN: u64 = 500 * MILLISECOND;
const READ_EVERY: u64 = SECOND;
/// No process that begins takes longer to come back.
const COMES_BACK_WITHIN: u64 = 3 * SECOND;
const COMES_BACK_AT_ONCE: u64 = 50 * MILLISECOND;
const END: u64 = 85 * SECOND;

/// What goes wrong, as the seed has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    None,
    Loss,
    Delay,
    Partition,
    Restart,
    /// All end at once, killed or in order, and come back; or one of them does.
    Outage,
    All,
}

impl Faults {
    pub const KINDS: [Self; 7] = [
        Self::None,
        Self::Loss,
        Self::Delay,
        Self::Partition,
        Self::Restart,
        Self::Outage,
        Self::All,
    ];

    fn first(self) -> &'static [What] {
        match self {
            Self::None | Self::Loss => &[],
            Self::Delay => &[What::Slow],
            Self::Partition => &[What::Cut],
            Self::Restart => &[What::Kill],
            Self::Outage => &[What::EndAll],
            Self::All => &[What::Cut, What::Kill, What::Stop, What::Slow],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Deliver(usize),
    Tick(usize),
    Urgent(usize),
    Read(usize),
    Request,
    Cut,
    Kill,
    EndAll,
    Restart(usize),
    Register(usize),
    Stop,
    Slow,
    Move,
}

/// What clients saw, and what they may see.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub requests: Vec<u64>,
    pub admitted: Vec<u64>,
    pub denied: Vec<u64>,
    /// When processes began that could not know what was admitted before.
    pub begun: Vec<u64>,
    /// When processes woke that had been given up for dead.
    pub woken: Vec<u64>,
}

pub struct World {
    pub seed: u64,
    pub faults: Faults,
    pub limit: u32,
    /// Requests a minute.
    pub rate: u64,
    /// Only one came back.
    pub is_lone: bool,
    pub seen: Seen,
    pub day: Day,
    entropy: Entropy,
    now: u64,
    count: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, What)>>,
    processes: Vec<Process>,
    /// Message, from whom, to whom.
    flying: Vec<Option<(Rc<Message>, usize, usize)>>,
    /// Until when a link is cut, and how slow it is.
    cut: [[u64; PROCESSES]; PROCESSES],
    last_delivery: [[u64; PROCESSES]; PROCESSES],
    latency: [[u64; PROCESSES]; PROCESSES],
    /// When each is or was deleted.
    rows: Vec<(IncarnationId, u64)>,
    /// Where nearly all requests go, if not anywhere.
    focus: Option<usize>,
}

impl World {
    /// Runs a seed to its end.
    pub fn run(seed: u64, faults: Faults) -> Self {
        let mut world = Self::new(seed, faults);
        while let Some(Reverse((at, _, what))) = world.agenda.pop() {
            if at > END {
                break;
            }
            world.now = at;
            world.step(what);
        }
        world
    }

    fn new(seed: u64, faults: Faults) -> Self {
        let entropy = Entropy::seeded(seed);
        let mut world = Self {
            seed,
            faults,
            limit: 10 + u32::try_from(entropy.u64() % 60).unwrap_or(0),
            rate: 0,
            is_lone: false,
            seen: Seen::default(),
            day: Day::new(50 + entropy.u64() % 200, faults != Faults::None),
            entropy,
            now: 0,
            count: 0,
            agenda: BinaryHeap::new(),
            processes: Vec::new(),
            flying: Vec::new(),
            cut: [[0; PROCESSES]; PROCESSES],
            last_delivery: [[0; PROCESSES]; PROCESSES],
            latency: [[0; PROCESSES]; PROCESSES],
            rows: Vec::new(),
            focus: None,
        };
        // From two thirds of the limit to six times as much.
        world.rate = u64::from(world.limit) * (40 + world.below(320)) / 60;
        for index in 0..PROCESSES {
            let process = world.begin(0);
            world.processes.push(process);
            let (tick, read) = (world.below(50), world.below(20));
            world.after(tick * MILLISECOND, What::Tick(index));
            world.after(read * MILLISECOND, What::Read(index));
        }
        world.after(3 * SECOND, What::Request);
        world.after(4 * SECOND, What::Move);
        for what in faults.first() {
            let at = 4_000 + world.below(20_000);
            world.after(at * MILLISECOND, *what);
        }
        world
    }

    fn step(&mut self, what: What) {
        match what {
            What::Deliver(index) => self.deliver(index),
            What::Tick(index) => {
                self.after((45 + self.below(10)) * MILLISECOND, What::Tick(index));
                self.tick(index);
            }
            What::Urgent(index) => self.tick(index),
            What::Read(index) => {
                self.after(READ_EVERY, What::Read(index));
                let reading = reading(&self.rows, self.now);
                self.processes[index].read(&reading, self.now);
            }
            What::Request => self.request(),
            What::Cut => self.cut(),
            What::Kill => {
                let index = self.any();
                self.end(index, false);
                self.come_back(index);
                let next = (15_000 + self.below(30_000)) * MILLISECOND;
                self.after(next, What::Kill);
            }
            What::EndAll => self.end_all(),
            What::Restart(index) => self.restart(index),
            What::Register(index) => self.register(index),
            What::Stop => self.stop(),
            What::Slow => self.slow(),
            What::Move => self.move_on(),
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.entropy.u64() % bound
    }

    fn any(&self) -> usize {
        usize::try_from(self.below(PROCESSES as u64)).unwrap_or(0)
    }

    fn after(&mut self, nanos: u64, what: What) {
        self.count += 1;
        self.agenda
            .push(Reverse((self.now + nanos, self.count, what)));
    }

    fn begin(&mut self, at: u64) -> Process {
        // A command service alone has no row.
        let has_row = !self.processes.is_empty() || self.below(2) == 0;
        let row = has_row.then(|| self.new_row());
        let origin = self.below(1_000_000) * SECOND;
        Process::new(self.entropy.uuid_v4(), row, origin, at)
    }

    fn new_row(&mut self) -> IncarnationId {
        let row = IncarnationId::from_uuid(self.entropy.uuid_v4());
        self.rows.push((row, u64::MAX));
        row
    }

    fn tick(&mut self, index: usize) {
        for mut message in self.processes[index].tick(self.now) {
            if self.count.is_multiple_of(16) {
                message = Message::decode(&message.encode()).expect("what was encoded");
            }
            self.send(message, index);
        }
    }

    fn send(&mut self, message: Message, from: usize) {
        let message = Rc::new(message);
        let lossy = matches!(self.faults, Faults::Loss | Faults::All);
        for to in (0..PROCESSES).filter(|to| *to != from) {
            if self.now < self.cut[from][to] || (lossy && self.below(8) == 0) {
                continue;
            }
            let late = self.latency[from][to] + self.below(20) * MILLISECOND;
            // In order, as a connection is.
            let last = &mut self.last_delivery[from][to];
            *last = (self.now + late).max(*last);
            let at = *last - self.now;
            self.flying.push(Some((Rc::clone(&message), from, to)));
            self.after(at, What::Deliver(self.flying.len() - 1));
        }
    }

    fn deliver(&mut self, index: usize) {
        let Some((message, from, to)) = self.flying[index].take() else {
            return;
        };
        let stopped = self.processes[to].stopped_until;
        if self.now < stopped {
            self.flying[index] = Some((message, from, to));
            self.after(stopped - self.now, What::Deliver(index));
            return;
        }
        self.processes[to].hear(&message, self.now);
    }

    fn request(&mut self) {
        // Now and then many at once.
        let many = if self.below(100) == 0 {
            self.below(30)
        } else {
            1
        };
        for _ in 0..many {
            let any = self.any();
            let index = self.focus.filter(|_| self.below(40) > 0).unwrap_or(any);
            self.ask(index);
        }
        let gap = 2 * 60 * SECOND / self.rate;
        self.after(1 + self.below(gap), What::Request);
    }

    fn ask(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let Some(asked) = process.ask(self.limit, self.now) else {
            return;
        };
        self.seen.requests.push(self.now);
        if asked.admitted {
            self.seen.admitted.push(self.now);
            self.day.take(process, self.now, &self.entropy);
        } else {
            self.seen.denied.push(self.now);
        }
        if let Some(at) = asked.urgent_at {
            self.after(at - self.now, What::Urgent(index));
        }
    }

    /// A link takes another time, now and then a very long one.
    fn slow(&mut self) {
        let (from, to) = (self.any(), self.any());
        let choices = [0, 0, 100, 400, 2_000, 6_000];
        let choice = usize::try_from(self.below(choices.len() as u64)).unwrap_or(0);
        self.latency[from][to] = choices[choice] * MILLISECOND;
        let again = (500 + self.below(8_000)) * MILLISECOND;
        self.after(again, What::Slow);
    }

    /// Requests go elsewhere, as behind a balancer that hashes and loses one of its targets.
    fn move_on(&mut self) {
        let any = self.any();
        let focus = Some(any).filter(|_| self.below(4) > 0);
        self.focus = if self.is_lone { Some(0) } else { focus };
        let again = (1_000 + self.below(15_000)) * MILLISECOND;
        self.after(again, What::Move);
    }

    fn cut(&mut self) {
        let alone = self.any();
        let until = self.now + (200 + self.below(40_000)) * MILLISECOND;
        let one_way = self.below(3) == 0;
        let one_link = self.below(3) == 0;
        let other = (alone + 1) % PROCESSES;
        for to in (0..PROCESSES).filter(|to| *to != alone) {
            if one_link && to != other {
                continue;
            }
            self.cut[alone][to] = until;
            if !one_way {
                self.cut[to][alone] = until;
            }
        }
        let again = (1_000 + self.below(40_000)) * MILLISECOND;
        self.after(again, What::Cut);
    }

    /// It stands still, perhaps for so long that its row is collected.
    fn stop(&mut self) {
        let index = self.any();
        let stops = (500 + self.below(8_000)) * MILLISECOND;
        let process = &mut self.processes[index];
        process.stopped_until = self.now + stops;
        if stops > ROW_STAYS && process.row.is_some() && !process.dead {
            let row = process.row;
            self.delete(row, ROW_STAYS);
            let registers = stops + 1 + self.below(REGISTERS_WITHIN);
            self.after(registers, What::Register(index));
        }
    }

    /// It sees that its row was collected, and makes another.
    fn register(&mut self, index: usize) {
        let process = &self.processes[index];
        let row = process.row;
        let is_gone = self
            .rows
            .iter()
            .any(|(other, until)| Some(*other) == row && *until <= self.now);
        if is_gone && !process.dead {
            let row = self.new_row();
            self.processes[index].register(row);
            self.seen.woken.push(self.now);
        }
    }

    fn delete(&mut self, row: Option<IncarnationId>, after: u64) {
        let until = self.now + after;
        let own = self.rows.iter_mut();
        for (_, ends) in own.filter(|(other, _)| Some(*other) == row) {
            *ends = until.min(*ends);
        }
    }

    /// It dies, or leaves in order.
    fn end(&mut self, index: usize, in_order: bool) {
        let process = &mut self.processes[index];
        let (row, told) = (process.row, process.end(in_order, self.now));
        for message in told {
            self.send(message, index);
        }
        if in_order {
            self.day.give_back(&self.processes[index]);
        }
        self.delete(row, if in_order { 0 } else { ROW_STAYS });
    }

    /// It comes back as another.
    fn come_back(&mut self, index: usize) {
        // Often before anybody misses it.
        let within = [COMES_BACK_WITHIN, COMES_BACK_AT_ONCE][usize::from(self.below(2) == 0)];
        let again = self.below(within);
        self.after(again, What::Restart(index));
    }

    fn end_all(&mut self) {
        self.is_lone = self.below(2) == 0;
        for index in 0..PROCESSES {
            let in_order = self.below(2) == 0;
            self.end(index, in_order);
            if index == 0 || !self.is_lone {
                self.come_back(index);
            }
        }
        if self.is_lone {
            self.focus = Some(0);
        }
    }

    /// A process reads the rows before it admits anything.
    fn restart(&mut self, index: usize) {
        let mut process = self.begin(self.now);
        process.read(&reading(&self.rows, self.now), self.now);
        self.processes[index] = process;
        self.seen.begun.push(self.now);
        self.tick(index);
    }
}

pub fn key() -> (Uuid, OrgId) {
    (Uuid::from_u128(7), OrgId::from_uuid(Uuid::from_u128(8)))
}
