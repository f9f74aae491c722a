//! Clients: they ask with keys, revoke, and write down what they saw.

use std::collections::{BTreeMap, BTreeSet};

use testkit::history::{Histories, Outcome, Request, Revocation};

use crate::command::CommandMessage;
use crate::plan::{END, MICRO, MILLI, SECOND, Wish};
use crate::primary::Edit;
use crate::replica::ReplicaMessage;
use crate::world::{Event, World};

/// A client gives up after so long, and tries again elsewhere.
const PATIENCE: u64 = 4 * SECOND;

#[derive(Debug, Clone, Copy)]
pub enum ClientEvent {
    /// Somebody asks with some key, and again soon.
    Ask,
    /// Everybody asks for a key that was just revoked.
    Probe(usize),
    /// A key is used for the first time.
    Wake(usize),
    Answered(u64, Answered),
    Wish(Wish),
    /// A try to change something.
    Try(u64),
    /// The try came to something: whether it succeeded.
    Done(u64, bool),
    /// No answer came.
    GaveUp(u64, usize),
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Key,
    Org,
    Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    Accepted,
    Told(Told),
    Unavailable,
}

impl Answered {
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Told(_) => Outcome::Refused,
            Self::Unavailable => Outcome::Unknown,
        }
    }
}

struct Asked {
    key: usize,
    begun: u64,
    needs_write: bool,
}

/// Something that somebody wants changed, over as many tries as it takes.
struct Operation {
    edit: Edit,
    tries: usize,
    succeeded: bool,
    /// Of the try under way.
    begun: u64,
}

#[derive(Default)]
pub struct Clients {
    next: u64,
    asked: BTreeMap<u64, Asked>,
    operations: BTreeMap<u64, Operation>,
    keys: Histories<usize>,
    orgs: Histories<usize>,
    /// Keys that nobody knows of until they were made.
    made: BTreeSet<usize>,
    /// Keys that nobody has used yet.
    asleep: BTreeSet<usize>,
    /// Keys to be asked about often just now.
    hot: Vec<usize>,
    narrowed: BTreeSet<usize>,
    /// When an org was let in again: what begins later says nothing about its suspension.
    reinstated: BTreeMap<usize, u64>,
    /// Of what a restore took back nothing is written down any more.
    frozen: BTreeSet<usize>,
    frozen_orgs: bool,
}

impl Clients {
    pub fn new(asleep: impl IntoIterator<Item = usize>) -> Self {
        Self {
            asleep: asleep.into_iter().collect(),
            ..Self::default()
        }
    }

    pub fn histories(self) -> (Histories<usize>, Histories<usize>) {
        (self.keys, self.orgs)
    }

    pub fn key_of(&self, id: u64) -> usize {
        self.asked.get(&id).map_or(0, |asked| asked.key)
    }

    pub fn needs_write(&self, id: u64) -> bool {
        self.asked.get(&id).is_some_and(|asked| asked.needs_write)
    }

    pub fn lost(&mut self, id: u64) {
        self.asked.remove(&id);
    }

    pub fn is_revoking(&self) -> bool {
        let under_way = |operation: &Operation| operation.tries > 0 && !operation.succeeded;
        self.operations.values().any(under_way)
    }

    /// The database was set back: whatever was not settled and in the ledger by now may be undone.
    pub fn restored(&mut self, now: u64) {
        self.frozen_orgs = true;
        for operation in self.operations.values() {
            let key = match operation.edit {
                Edit::Revoke { key } | Edit::Narrow { key } | Edit::Make { key } => key,
                Edit::Ban { user, .. } => user,
                Edit::Suspend { .. } | Edit::Reinstate { .. } | Edit::Act { .. } => continue,
            };
            let is_kept = operation.succeeded && operation.begun < now;
            if !is_kept || matches!(operation.edit, Edit::Make { .. }) {
                self.frozen.insert(key);
            }
        }
    }
}

impl World {
    pub fn client(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Ask => self.ask_with_some_key(),
            ClientEvent::Probe(key) => self.probe(key),
            ClientEvent::Wake(key) => {
                self.clients.asleep.remove(&key);
                self.probe(key);
            }
            ClientEvent::Answered(id, answered) => self.was_answered(id, answered),
            ClientEvent::Wish(wish) => self.wish(wish),
            ClientEvent::Try(id) => self.attempt(id),
            ClientEvent::Done(id, succeeded) => self.done(id, succeeded),
            ClientEvent::GaveUp(id, tries) => self.gave_up(id, tries),
        }
    }

    fn ask_with_some_key(&mut self) {
        let known = |key: &&usize| **key < self.plan.keys || self.clients.made.contains(key);
        let hot: Vec<usize> = self.clients.hot.iter().filter(known).copied().collect();
        let is_hot = !hot.is_empty() && self.rng.permille(800);
        let key = if is_hot {
            *self.rng.pick(&hot)
        } else {
            let made: Vec<usize> = self.clients.made.iter().copied().collect();
            let known = self.plan.keys as u64 + made.len() as u64;
            let index = usize::try_from(self.rng.below(known)).expect("small");
            *made
                .get(index.wrapping_sub(self.plan.keys))
                .unwrap_or(&index)
        };
        let index = usize::try_from(self.rng.below(self.replicas.len() as u64)).expect("small");
        self.ask_replica(index, key);
        let pause = self
            .rng
            .between(200 * MICRO, if is_hot { 6 * MILLI } else { 15 * MILLI });
        if self.now + pause < END - SECOND {
            self.after(pause, Event::Client(ClientEvent::Ask));
        }
    }

    fn ask_replica(&mut self, index: usize, key: usize) {
        if !self.replicas[index].alive || self.clients.asleep.contains(&key) {
            return;
        }
        self.clients.next += 1;
        let id = self.clients.next;
        let needs_write = self.clients.narrowed.contains(&key);
        self.clients.asked.insert(
            id,
            Asked {
                key,
                begun: self.now,
                needs_write,
            },
        );
        if let Some(delay) = self.delay(false) {
            self.after(delay, Event::Replica(index, ReplicaMessage::Request(id)));
        }
    }

    fn probe(&mut self, key: usize) {
        for index in 0..self.replicas.len() {
            if self.replicas[index].alive {
                self.counters.probed += 1;
                self.ask_replica(index, key);
            }
        }
    }

    pub fn answer_client(&mut self, id: u64, answered: Answered) {
        if let Some(delay) = self.delay(false) {
            self.after(delay, Event::Client(ClientEvent::Answered(id, answered)));
        }
    }

    fn was_answered(&mut self, id: u64, answered: Answered) {
        let Some(asked) = self.clients.asked.remove(&id) else {
            return;
        };
        self.note(10_000 + asked.key as u64 * 8 + answered.outcome() as u64);
        let request = |outcome| Request {
            begun: asked.begun,
            ended: self.now,
            outcome,
        };
        let of_key = match answered {
            Answered::Told(Told::Org) => Outcome::Unknown,
            other => other.outcome(),
        };
        let of_org = match answered {
            Answered::Accepted | Answered::Told(Told::Scope) => Outcome::Accepted,
            Answered::Told(Told::Org) => Outcome::Refused,
            Answered::Told(Told::Key) | Answered::Unavailable => Outcome::Unknown,
        };
        // That another thing than its own was taken away says nothing about a key.
        if !self.clients.frozen.contains(&asked.key) {
            self.clients
                .keys
                .of(&asked.key)
                .requests
                .push(request(of_key));
        }
        let org = asked.key % self.plan.orgs;
        let until = self
            .clients
            .reinstated
            .get(&org)
            .copied()
            .unwrap_or(u64::MAX);
        if asked.begun < until && self.now < until && !self.clients.frozen_orgs {
            self.clients.orgs.of(&org).requests.push(request(of_org));
        }
    }

    fn wish(&mut self, wish: Wish) {
        let edit = match wish {
            Wish::Revoke { key } => {
                self.clients.hot.push(key);
                Edit::Revoke { key }
            }
            Wish::Narrow { key } => {
                self.clients.hot.push(key);
                self.clients.narrowed.insert(key);
                Edit::Narrow { key }
            }
            Wish::Ban { org, user } => {
                self.clients.hot.push(user);
                Edit::Ban { org, user }
            }
            Wish::Make { key } => Edit::Make { key },
            Wish::Act { by } => {
                let number = self.clients.next;
                Edit::Act { by, number }
            }
            Wish::Suspend { org, for_nanos } => {
                self.clients.hot.push(org);
                self.after(
                    for_nanos,
                    Event::Client(ClientEvent::Try(u64::MAX - org as u64)),
                );
                Edit::Suspend { org }
            }
        };
        self.clients.next += 1;
        let id = self.clients.next;
        let begun = self.now;
        self.clients.operations.insert(
            id,
            Operation {
                edit,
                tries: 0,
                succeeded: false,
                begun,
            },
        );
        self.at(begun, Event::Client(ClientEvent::Try(id)));
    }

    fn attempt(&mut self, id: u64) {
        let now = self.now;
        let plan_orgs = self.plan.orgs as u64;
        if id > u64::MAX - plan_orgs {
            let org = usize::try_from(u64::MAX - id).expect("small");
            self.clients.reinstated.insert(org, now);
            self.clients.operations.insert(
                id,
                Operation {
                    edit: Edit::Reinstate { org },
                    tries: 0,
                    succeeded: false,
                    begun: now,
                },
            );
        }
        let Some(operation) = self.clients.operations.get_mut(&id) else {
            return;
        };
        operation.tries += 1;
        operation.begun = now;
        let (edit, tries) = (operation.edit, operation.tries);
        let revocation = Revocation {
            begun: now,
            succeeded: None,
        };
        match edit {
            Edit::Revoke { key } | Edit::Narrow { key } | Edit::Ban { user: key, .. } => {
                self.clients.keys.of(&key).revocations.push(revocation);
            }
            Edit::Suspend { org } => self.clients.orgs.of(&org).revocations.push(revocation),
            Edit::Reinstate { .. } | Edit::Make { .. } | Edit::Act { .. } => {}
        }
        let alive: Vec<usize> = (0..self.commands.len())
            .filter(|index| self.commands[*index].alive)
            .collect();
        if !alive.is_empty() {
            let index = *self.rng.pick(&alive);
            if let Some(delay) = self.delay(false) {
                self.after(
                    delay,
                    Event::Command(index, CommandMessage::Change(id, edit)),
                );
            }
        }
        self.after(PATIENCE, Event::Client(ClientEvent::GaveUp(id, tries)));
    }

    pub fn tell_client(&mut self, id: u64, succeeded: bool) {
        if let Some(delay) = self.delay(false) {
            self.after(delay, Event::Client(ClientEvent::Done(id, succeeded)));
        }
    }

    fn done(&mut self, id: u64, succeeded: bool) {
        let now = self.now;
        let Some(operation) = self.clients.operations.get_mut(&id) else {
            return;
        };
        if operation.succeeded {
            return;
        }
        if let Edit::Act { .. } = operation.edit {
            let counted = if succeeded {
                &mut self.counters.acted
            } else {
                &mut self.counters.act_refused
            };
            *counted += 1;
            self.clients.operations.remove(&id);
            return;
        }
        if !succeeded {
            return self.after(50 * MILLI, Event::Client(ClientEvent::Try(id)));
        }
        operation.succeeded = true;
        let edit = operation.edit;
        self.note(id.wrapping_add(20_000));
        let history = match edit {
            Edit::Revoke { key } | Edit::Narrow { key } | Edit::Ban { user: key, .. } => {
                if self.clients.frozen.contains(&key) {
                    return;
                }
                self.clients.keys.of(&key)
            }
            Edit::Suspend { org } => {
                if self.clients.frozen_orgs {
                    return;
                }
                self.clients.orgs.of(&org)
            }
            Edit::Make { key } => {
                self.clients.made.insert(key);
                return;
            }
            Edit::Reinstate { .. } | Edit::Act { .. } => return,
        };
        // Whichever try it answers: all of them began before.
        if let Some(last) = history.revocations.last_mut() {
            last.succeeded = Some(now);
        }
        self.counters.revoked += 1;
        let probed = match edit {
            Edit::Revoke { key }
            | Edit::Narrow { key }
            | Edit::Make { key }
            | Edit::Ban { user: key, .. }
            | Edit::Act { by: key, .. } => key,
            Edit::Suspend { org } | Edit::Reinstate { org } => org,
        };
        self.at(now + MICRO, Event::Client(ClientEvent::Probe(probed)));
        if self.clients.asleep.contains(&probed) {
            // Some while its tombstone is being collected, some after it was.
            let longest = *self.rng.pick(&[600 * MILLI, 6 * SECOND]);
            let later = self.rng.between(MILLI, longest);
            self.after(later, Event::Client(ClientEvent::Wake(probed)));
        }
        let later = self.rng.between(MILLI, 1_500 * MILLI);
        self.after(later, Event::Client(ClientEvent::Probe(probed)));
        if let Some(index) = self.clients.hot.iter().position(|key| *key == probed)
            && self.clients.hot.len() > 3
        {
            self.clients.hot.remove(index);
        }
    }

    fn gave_up(&mut self, id: u64, tries: usize) {
        let Some(operation) = self.clients.operations.get(&id) else {
            return;
        };
        if operation.succeeded || operation.tries != tries || self.now > END - 4 * SECOND {
            return;
        }
        // Some never come back: then nobody settles what they asked for but SWEEP.
        if self.rng.permille(300) {
            return;
        }
        self.counters.retried_after_a_crash += 1;
        self.at(self.now, Event::Client(ClientEvent::Try(id)));
    }
}
