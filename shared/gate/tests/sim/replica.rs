//! A query process: the core's follower, driven by messages.

mod line;
mod requests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{GlobalPosition, IncarnationId, LogEpoch};
use domain::time::Timestamp;
use gate::core::auth::AuthEvent;
use gate::core::barrier::Ack;
use gate::core::clocks::{Deadlines, FencePoint};
use gate::core::entry::{Basis, Entries, EntryRef};
use gate::core::follower::{Follower, Next, Registration};
use gate::core::hold::{RestsOn, Settlements};
use gate::core::lookup::{Found, Offer};
use gate::core::registry::Registry;
use gate::core::replica::{Renewal, Replica};
use gate::core::stamp::{Generation, Stamp};
use gate::core::trusted::{Cache, Trusted};

use crate::cache::SimCache;
use crate::client::Told;
use crate::clock::Clocks;
use crate::command::CommandMessage;
use crate::plan::{MICRO, MILLI};
use crate::server::{Answer, Ask, Asked};
use crate::world::{Event, Link, Process, World};

const PERIOD: u64 = 400 * MILLI;
const LINE_TIMEOUT: u64 = 400 * MILLI;
const VERIFY_TIMEOUT: u64 = 250 * MILLI;
const HOLD: u64 = 25 * MILLI;
const BUFFER: u64 = 20 * MILLI;
/// Of a thousand, offers that are handed over late.
const LATE_OFFERS: u64 = 50;
/// Longer than a window is kept.
const IDLE: Duration = Duration::from_mins(5);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How often a process is cut off, by now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cuts {
    pub primary: u32,
    pub bus: u32,
}

/// What reaches a query process.
#[derive(Debug, Clone)]
pub enum ReplicaMessage {
    Answer(u64, Answer),
    /// No answer came in time.
    Late(u64),
    Events {
        epoch: LogEpoch,
        events: Vec<AuthEvent>,
    },
    Settled {
        epoch: LogEpoch,
        position: GlobalPosition,
    },
    Beat,
    ReadLog,
    Load,
    Sweep,
    /// Time to look through the cache for what tombstones up to there overrule.
    Forget(Stamp),
    Forgotten(Stamp),
    /// A handler that stood still hands over what it found.
    Offer(u64),
    /// A request arrives; later its next step.
    Request(u64),
    Step(u64),
    /// The hold of a denial is over.
    HoldOver(u64),
    Leave,
    Exit,
}

/// What a statement was for.
#[derive(Debug, Clone, Copy)]
enum For {
    Load,
    Register(Registration, FencePoint),
    Renew(Renewal),
    Leave(IncarnationId),
    ReadAuth,
    Verify,
}

pub struct ReplicaProcess {
    pub slot: usize,
    pub alive: bool,
    stage: Stage,
    pub paused_until: u64,
    pub clocks: Clocks,
    pub cuts: Cuts,
    core: Follower<SimCache>,
    registry: Arc<Registry>,
    settlements: Settlements,
    term: Duration,
    under_way: UnderWay,
    next_id: u64,
    asked: BTreeMap<u64, For>,
    requests: BTreeMap<u64, Asking>,
    /// What was current before a verification began, and who waits for it.
    verifying: BTreeMap<u64, Verifying>,
    /// Not handed over yet.
    offers: BTreeMap<u64, Offer>,
    holding: BTreeMap<u64, (RestsOn, Told)>,
}

/// What is asked for once at a time.
#[derive(Debug, Clone, Copy, Default)]
struct UnderWay {
    load: bool,
    read: bool,
    line: bool,
}

/// How far a process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serves,
    Leaves,
    /// Only with a fault.
    LeavesServing,
}

struct Verifying {
    key: usize,
    known: (Generation, Option<LogEpoch>),
    waiting: Vec<u64>,
}

/// A request under way.
struct Asking {
    key: usize,
    lease: Option<Deadlines>,
    /// Found, but its tombstones are not read yet.
    entry: Option<EntryRef>,
    found: Option<Found>,
}

fn wall() -> Timestamp {
    Timestamp::from_datetime(chrono::DateTime::UNIX_EPOCH)
}

impl ReplicaProcess {
    pub const fn applied(&self) -> GlobalPosition {
        self.core.replica().applied()
    }

    fn is_leased(&self, now: u64) -> bool {
        self.core.deadlines().cover(self.clocks.fence(now))
    }
}

impl World {
    pub fn start_replica(&mut self, slot: usize) {
        // Mostly slow, so that leases last too long rather than too short.
        let clocks = self.clocks(800);
        let registry = Arc::new(Registry::default());
        let cache = SimCache::new(self.plan.cache, crate::rng::Rng::new(self.rng.next()));
        let trusted = Arc::new(Trusted::new(cache));
        let core = Follower::new(trusted, Arc::clone(&registry), Replica::new(self.plan.term));
        self.replicas.push(ReplicaProcess {
            slot,
            alive: true,
            stage: Stage::Serves,
            paused_until: 0,
            clocks,
            cuts: Cuts::default(),
            core,
            registry,
            settlements: Settlements::default(),
            term: self.plan.term,
            under_way: UnderWay::default(),
            next_id: 0,
            asked: BTreeMap::new(),
            requests: BTreeMap::new(),
            verifying: BTreeMap::new(),
            offers: BTreeMap::new(),
            holding: BTreeMap::new(),
        });
        let index = self.replicas.len() - 1;
        if self.clients.is_revoking() {
            self.counters.joined_during_a_revoke += 1;
        }
        self.at(self.now, Event::Replica(index, ReplicaMessage::Load));
        self.after(50 * MILLI, Event::Replica(index, ReplicaMessage::Beat));
        self.after(500 * MILLI, Event::Replica(index, ReplicaMessage::Sweep));
    }

    pub fn end_replica(&mut self, index: usize) {
        let process = &mut self.replicas[index];
        process.alive = false;
    }

    fn send(&mut self, index: usize, purpose: For, what: Ask, timeout: Option<u64>) -> u64 {
        let process = &mut self.replicas[index];
        process.next_id += 1;
        let id = process.next_id;
        process.asked.insert(id, purpose);
        let from = Process::Replica(index);
        self.ask(Asked { from, id, what });
        if let Some(timeout) = timeout {
            self.after(timeout, Event::Replica(index, ReplicaMessage::Late(id)));
        }
        id
    }

    pub fn replica(&mut self, index: usize, message: ReplicaMessage) {
        match message {
            ReplicaMessage::Load => self.load(index),
            ReplicaMessage::Beat => self.beat(index),
            ReplicaMessage::Events { epoch, events } => {
                if self.replicas[index].core.replica().epoch() == Some(epoch) {
                    self.apply(index, &events);
                }
            }
            ReplicaMessage::Settled { epoch, position } => {
                if self.replicas[index].settlements.settle(epoch, position) {
                    self.release(index);
                }
            }
            ReplicaMessage::ReadLog => self.read_log(index),
            ReplicaMessage::Sweep => {
                let process = &self.replicas[index];
                // As if every window were idle: what is still needed must not hang on that.
                let idle = process.clocks.fence(self.now).boot + IDLE;
                process.registry.sweep(idle);
                self.after(500 * MILLI, Event::Replica(index, ReplicaMessage::Sweep));
                self.collect(index);
            }
            ReplicaMessage::Forget(up_to) => {
                let process = &self.replicas[index];
                process.core.trusted().forget_overruled(&process.registry);
                let nanos = self.small_step();
                self.after(
                    nanos,
                    Event::Replica(index, ReplicaMessage::Forgotten(up_to)),
                );
            }
            ReplicaMessage::Forgotten(up_to) => {
                let process = &mut self.replicas[index];
                let now = process.clocks.fence(self.now);
                process.core.forgotten(up_to, now);
                self.collect(index);
            }
            ReplicaMessage::Offer(id) => {
                if let Some(offer) = self.replicas[index].offers.remove(&id) {
                    self.offer(index, offer);
                }
            }
            ReplicaMessage::Request(id) => self.request(index, id),
            ReplicaMessage::Step(id) => self.step(index, id),
            ReplicaMessage::HoldOver(id) => self.hold_over(index, id),
            ReplicaMessage::Late(id) => self.late(index, id),
            ReplicaMessage::Answer(id, answer) => self.answered(index, id, answer),
            ReplicaMessage::Leave => self.leave(index),
            ReplicaMessage::Exit => self.end_replica(index),
        }
    }

    /// Tombstones, however few they are.
    fn collect(&mut self, index: usize) {
        let process = &mut self.replicas[index];
        let (fence, wait) = (
            process.clocks.fence(self.now),
            process.clocks.wait(self.now),
        );
        self.counters.tombs_collected += u64::from(process.core.collect(fence));
        let Some(epoch) = process.core.replica().epoch() else {
            return;
        };
        let settled = process.settlements.settled(epoch, wait);
        if let Some(up_to) = process.core.begin_collection(settled, 1) {
            let nanos = self.small_step();
            self.after(nanos, Event::Replica(index, ReplicaMessage::Forget(up_to)));
        }
    }

    fn load(&mut self, index: usize) {
        let process = &mut self.replicas[index];
        if process.under_way.load || !process.core.replica().must_load() {
            return;
        }
        process.core.drop_everything();
        process.under_way.load = true;
        self.send(index, For::Load, Ask::Load, Some(500 * MILLI));
    }

    fn loaded(&mut self, index: usize, snapshot: &crate::server::Snapshot) {
        let now = self.now;
        let process = &mut self.replicas[index];
        process.under_way.load = false;
        let head = snapshot.head;
        process.settlements.see(
            head.epoch,
            head.auth_position,
            process.term,
            process.clocks.wait(now),
        );
        process.settlements.settle(head.epoch, snapshot.settled);
        let Some(generation) = process.core.begin(head.epoch, head.auth_position) else {
            return;
        };
        let mut entries = Entries::new(Basis {
            stamp: generation.at(head.auth_position),
            epoch: head.epoch,
            settled: snapshot.settled,
        });
        for (key, org) in &snapshot.rows {
            let entry = entries.make(key.row.clone(), org, &process.registry);
            process
                .core
                .trusted()
                .cache()
                .insert(&key.hash, EntryRef::new(entry));
        }
        process.core.loaded();
        self.counters.reloaded += 1;
        self.beat_soon(index);
    }

    fn answered(&mut self, index: usize, id: u64, answer: Answer) {
        let Some(purpose) = self.replicas[index].asked.remove(&id) else {
            return;
        };
        if matches!(answer, Answer::Failed) {
            return self.failed(index, id, purpose);
        }
        match (purpose, answer) {
            (For::Load, Answer::Loaded { primary }) => self.loaded(index, &primary),
            (For::Register(made, sent), Answer::Registered { allowed, head }) => {
                let stands = allowed && self.replicas[index].core.registered(&made);
                self.line_rests(index, MICRO);
                if let (true, Some(head)) = (stands, head) {
                    // Only with a fault.
                    let renewal = Renewal {
                        incarnation: made.incarnation,
                        applied: made.applied,
                        sent,
                    };
                    self.renewed(index, &renewal, Some(head));
                }
            }
            (For::Renew(renewal), Answer::Renewed(row)) => {
                if let Some((head, settled)) = row {
                    self.see(index, head, settled);
                }
                let wait = self.jittered();
                self.line_rests(index, wait);
                self.renewed(index, &renewal, row.map(|(head, _)| head));
            }
            (For::Leave(_), Answer::Left) => self.line_rests(index, MICRO),
            (For::ReadAuth, Answer::Auth(events)) => {
                self.replicas[index].under_way.read = false;
                self.apply(index, &events);
            }
            (For::Verify, Answer::Verified(verified)) => self.verified(index, id, *verified),
            (purpose, answer) => panic!("{purpose:?} was answered {answer:?}"),
        }
    }

    fn read_soon(&mut self, index: usize) {
        self.after(BUFFER, Event::Replica(index, ReplicaMessage::ReadLog));
    }

    fn read_log(&mut self, index: usize) {
        let process = &mut self.replicas[index];
        if process.under_way.read || process.core.replica().must_load() {
            return;
        }
        process.under_way.read = true;
        let after = process.core.replica().applied();
        self.send(
            index,
            For::ReadAuth,
            Ask::ReadAuth(after),
            Some(1_000 * MILLI),
        );
    }

    fn apply(&mut self, index: usize, events: &[AuthEvent]) {
        let progress = self.replicas[index].core.apply(events);
        if let Some((incarnation, Ack { epoch, applied })) = progress.ack
            && !self.is_cut(Process::Replica(index), Link::Bus)
        {
            self.tell_commands(&CommandMessage::Ack {
                incarnation,
                epoch,
                applied,
            });
        }
        match progress.next {
            Next::Nothing | Next::GaveUp => {}
            Next::Read => {
                self.counters.gap_found += 1;
                self.read_soon(index);
            }
            Next::Renew => self.beat_soon(index),
            Next::Load => self.load(index),
        }
    }

    fn late(&mut self, index: usize, id: u64) {
        if let Some(purpose) = self.replicas[index].asked.remove(&id) {
            self.failed(index, id, purpose);
        }
    }

    fn failed(&mut self, index: usize, id: u64, purpose: For) {
        let wait = self.jittered();
        let process = &mut self.replicas[index];
        match purpose {
            For::Load => {
                process.under_way.load = false;
                self.after(100 * MILLI, Event::Replica(index, ReplicaMessage::Load));
            }
            For::Register(made, _) => {
                process.core.unregistered(&made);
                self.line_rests(index, wait);
            }
            For::Renew(_) => {
                self.counters.renewal_lost += 1;
                self.line_rests(index, wait);
            }
            For::Leave(incarnation) => {
                process.core.not_left(incarnation);
                self.line_rests(index, wait);
            }
            For::ReadAuth => process.under_way.read = false,
            For::Verify => {
                let waiting = process.verifying.remove(&id).map(|one| one.waiting);
                for request in waiting.into_iter().flatten() {
                    self.unavailable(index, request);
                }
            }
        }
    }
}
