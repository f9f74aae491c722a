//! Counts of admissions, as processes tell them to each other (shared/gate/README.md, "The window
//! across processes").
//!
//! Every [`TICK`](super::fleet::TICK) each process tells which keys' counts changed, and up to which message it knows
//! everything from whom. So each sees what the others lack and tells it again, and how old what it
//! knows of them is at most, by its own clock: an answer to a message sent at s shows what was
//! admitted before s. Nothing here says who may call, and nobody needs what is told: whoever is
//! not heard is taken to use its share.

mod fill;
mod known;
pub mod message;
mod peer;
mod standing;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{IncarnationId, LogEpoch};
use runtime::clock::Boottime;

use self::fill::Fill;
use self::message::{COUNTS_MAX, Count, Filling, Known, Message, ProcessId, State};
use self::peer::{Peer, Rows};
use super::fleet::Standing;
use super::others::Slot;
use super::registry::{Credential, Registry};

/// Messages of one tick; with more to tell a process says that it is behind.
const MESSAGES_MAX: usize = 25;
/// A process that hears nobody says every so many ticks that it is there.
const ALONE_TICKS: u64 = 20;
/// Ticks whose times are kept, for answers to their messages: a tick may be urgent.
const SENT_TICKS: usize = 640;
/// After so long everybody should know what was told.
const KNOWN_WITHIN: Duration = Duration::from_millis(250);
/// How long a process that hears nobody may still learn that it is not the first.
const LISTENS: Duration = Duration::from_secs(1);
/// After so long nothing that was admitted before a process began counts any more.
const BEGINS: Duration = Duration::from_mins(1);
/// How long a process counts as one that began, or fell silent, lately: more than it takes to
/// notice either. Those who fell silent are told of so often, once somebody began.
const LATELY: Duration = Duration::from_secs(5);
const RETELL_EVERY: Duration = Duration::from_secs(1);
/// How long a process that is gone may be spoken of, and how many are kept.
const GONE_FOR: Duration = Duration::from_mins(2);
const GONE_MAX: usize = 512;

/// The counts of one process and of those it hears.
#[derive(Debug)]
pub struct Gossip {
    me: ProcessId,
    epoch: LogEpoch,
    began: Boottime,
    /// Of the newest message.
    number: u64,
    /// Messages up to here do not tell what was admitted while nobody else was there.
    whole_below: u64,
    ticks: u64,
    /// The first message of each tick, and when what it tells was read.
    sent: VecDeque<(u64, Boottime)>,
    peers: BTreeMap<ProcessId, Peer>,
    /// Those that are not there any more, but may still count in windows.
    gone: BTreeMap<ProcessId, Gone>,
    next_slot: u32,
    /// And when their reading began.
    rows: Option<(Rows, Boottime)>,
    /// As of that reading somebody left within the last minute, whose admissions still count.
    ended_lately: bool,
    standing: Standing,
    misses: bool,
    /// Whether it has heard what was admitted before it began.
    knows: bool,
    /// Changed keys for which there was no room yet.
    waiting: VecDeque<Arc<Credential>>,
    fill: Option<Fill>,
    /// When those who fell silent lately are told of again.
    retell_at: Boottime,
}

/// Who admits the same keys, as the primary knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The life of the log.
    pub epoch: LogEpoch,
    /// The leases' rows.
    pub rows: Vec<IncarnationId>,
    /// Whether one was deleted within the last minute.
    pub ended_lately: bool,
}

#[derive(Debug, Clone, Copy)]
struct Gone {
    slot: Slot,
    since: Boottime,
    /// It said so itself.
    left: bool,
}

impl Gossip {
    /// Of a process that has admitted nothing yet. No other run of any process has the same name.
    pub fn new(me: ProcessId, epoch: LogEpoch, now: Boottime) -> Self {
        Self {
            me,
            epoch,
            began: now,
            // Whoever has heard nothing is to be told everything.
            number: 1,
            whole_below: 1,
            ticks: 0,
            sent: VecDeque::new(),
            peers: BTreeMap::new(),
            gone: BTreeMap::new(),
            next_slot: 0,
            rows: None,
            ended_lately: false,
            standing: Standing::Begins { fleet: 1 },
            misses: false,
            knows: false,
            waiting: VecDeque::new(),
            fill: None,
            retell_at: now,
        }
    }

    /// Takes a reading that began at `read_at`.
    pub fn read(&mut self, reading: &Reading, read_at: Boottime) {
        self.epoch = reading.epoch;
        self.ended_lately = reading.ended_lately;
        let before = self.rows.as_ref().map(|(rows, _)| rows);
        self.rows = Some((Rows::read(before, &reading.rows, read_at), read_at));
    }

    /// Takes what another process tells. Whatever is old or its own is ignored.
    pub fn hear(&mut self, message: &Message, registry: &Registry, now: Boottime) {
        let gone = self.gone.get(&message.process);
        let ended = message.process == self.me || gone.is_some_and(|gone| gone.left);
        if ended || message.epoch != self.epoch {
            return;
        }
        let has = message.known.iter().find(|known| known.process == self.me);
        let has = has.map_or(0, |known| known.number);
        let sent_at = self.sent_at(has);
        let Some(peer) = self.peer(message.process, now) else {
            return;
        };
        if !peer.is_new(message) {
            return;
        }
        peer.hear(message, has, sent_at, now);
        let slot = peer.slot;
        let of = if message.of == message.process {
            Some(slot)
        } else {
            self.slot_of(message.of, now)
        };
        if let Some(slot) = of {
            count(slot, &message.counts, registry, now);
        }
        for known in message.known.iter().filter(|known| known.current) {
            self.mention(known, now);
        }
        if message.state.leaves {
            self.part_with(message.process, true, now);
        }
    }

    /// What is to be told at `now`; `changed` are the keys that were used since the last tick. Their
    /// counts are read after `now`.
    pub fn tick(
        &mut self,
        changed: impl Iterator<Item = Arc<Credential>>,
        registry: &Registry,
        now: Boottime,
    ) -> Vec<Message> {
        self.forget_gone(now);
        self.judge(registry, now);
        registry.fleet().stands(self.standing);
        self.ticks += 1;
        if self.standing == Standing::Alone {
            // Everything is told anew once somebody is there.
            self.waiting.extend(changed);
            self.note_unnoted(registry);
            for credential in self.waiting.drain(..) {
                credential.drop_news();
            }
            self.fill = None;
            let speaks = self.ticks % ALONE_TICKS == 1;
            return self.note_sent(now, |gossip| {
                let hello = || gossip.message(registry, Vec::new());
                speaks.then(hello).into_iter().collect()
            });
        }
        self.waiting.extend(changed);
        self.note_unnoted(registry);
        self.note_sent(now, |gossip| gossip.tell(registry, now))
    }

    /// The last message: nothing is admitted any more.
    pub fn leave(
        &mut self,
        changed: impl Iterator<Item = Arc<Credential>>,
        registry: &Registry,
        now: Boottime,
    ) -> Vec<Message> {
        let mut messages = self.tick(changed, registry, now);
        let mut last = self.message(registry, Vec::new());
        last.state.leaves = true;
        messages.push(last);
        messages
    }

    /// How many processes there are, itself included, and whether it misses one.
    pub fn sees(&self) -> (usize, bool) {
        let fleet = match self.standing {
            Standing::Alone => 1,
            Standing::Sees { fleet, .. } | Standing::Begins { fleet } => fleet,
        };
        (usize::try_from(fleet).unwrap_or(usize::MAX), self.misses)
    }

    /// Finds those that waited for no place; none waits twice, however long there is none.
    fn note_unnoted(&mut self, registry: &Registry) {
        if registry.fleet().take_unnoted() {
            let waiting: HashSet<_> = self.waiting.iter().map(|one| one.id).collect();
            let unnoted = registry.credentials().filter(|one| one.has_news());
            let unnoted = unnoted.filter(|one| !waiting.contains(&one.id));
            self.waiting.extend(unnoted);
        }
    }

    fn tell(&mut self, registry: &Registry, now: Boottime) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < MESSAGES_MAX && !self.waiting.is_empty() {
            let counts = self.next_counts(now);
            messages.push(self.message(registry, counts));
        }
        self.fill_again(&mut messages, registry, now);
        if messages.is_empty() {
            messages.push(self.message(registry, Vec::new()));
        }
        if !self.waiting.is_empty() {
            for message in &mut messages {
                message.state.is_behind = true;
            }
        }
        messages
    }

    /// Of the keys that changed, as many as one message holds.
    fn next_counts(&mut self, now: Boottime) -> Vec<Count> {
        let number = self.number + 1;
        let mut counts = Vec::new();
        while counts.len() < COUNTS_MAX
            && let Some(credential) = self.waiting.pop_front()
        {
            // Noted twice, it is told once.
            counts.extend(credential.tell_news_in(number, now));
        }
        counts
    }

    /// Tells what others lack once more.
    fn fill_again(&mut self, messages: &mut Vec<Message>, registry: &Registry, now: Boottime) {
        if self.fill.is_none() {
            self.fill = self.begin_fill(now);
        }
        let Some(mut fill) = self.fill.take() else {
            return;
        };
        while messages.len() < MESSAGES_MAX {
            let Some((of, counts)) = fill.next(self.number + 1, registry, now) else {
                let mut last = self.message(registry, Vec::new());
                last.fills = Some(fill.filling());
                return messages.push(last);
            };
            let mut message = self.message(registry, counts);
            message.of = of.unwrap_or(self.me);
            messages.push(message);
        }
        self.fill = Some(fill);
    }

    fn begin_fill(&mut self, now: Boottime) -> Option<Fill> {
        let due = self.sent.iter().rev();
        let mut due = due.skip_while(|(_, at)| *at + KNOWN_WITHIN > now);
        let due = due.next().map_or(0, |(first, _)| *first);
        let due = due.max(self.whole_below);
        let lacking = self.peers.values_mut();
        let has = lacking.filter_map(|peer| peer.must_fill(due, now).then_some(peer.has));
        let lacking = has.min();
        let first = self.number + 1;
        let from = lacking.map_or(first, |has| has + 1);
        let is_whole = lacking.is_some() && from <= self.whole_below;
        let others = if is_whole {
            self.retell_at = now + KNOWN_WITHIN;
            self.silent(GONE_FOR, now)
        } else {
            self.silent_lately(now)
        };
        let is_any = lacking.is_some() || !others.is_empty();
        is_any.then(|| Fill::new(Filling { from, first }, is_whole, others))
    }

    /// Those to tell of again because somebody began lately, who may have been told everything
    /// before they were missed; then none for a while.
    fn silent_lately(&mut self, now: Boottime) -> Vec<(ProcessId, Slot)> {
        let mut peers = self.peers.values();
        if now < self.retell_at || !peers.any(|peer| peer.began_within(LATELY, now)) {
            return Vec::new();
        }
        let silent = self.silent(LATELY, now);
        if !silent.is_empty() {
            self.retell_at = now + RETELL_EVERY;
        }
        silent
    }

    /// Those who fell silent within so long: whoever begins may not hear them any more, and may
    /// have taken the place of one that died this moment.
    fn silent(&self, within: Duration, now: Boottime) -> Vec<(ProcessId, Slot)> {
        let late = self.peers.iter().filter_map(|(process, peer)| {
            let since = peer.silent_since(now)?;
            Some((*process, peer.slot, since))
        });
        let gone = self.gone.iter();
        let gone = gone.map(|(process, gone)| (*process, gone.slot, gone.since));
        let silent = late.chain(gone).filter(|(_, _, at)| now < *at + within);
        silent.map(|(process, slot, _)| (process, slot)).collect()
    }

    fn message(&mut self, registry: &Registry, counts: Vec<Count>) -> Message {
        self.number += 1;
        let at = self.sent.back().map_or(self.began, |(_, at)| *at);
        let known = self.peers.iter().map(|(process, peer)| Known {
            process: *process,
            row: peer.row.map(|(row, _)| row),
            number: peer.known,
            current: peer.is_current(at),
        });
        Message {
            process: self.me,
            epoch: self.epoch,
            row: registry.fleet().row(),
            number: self.number,
            state: State {
                misses: self.misses,
                begins: !self.knows,
                leaves: false,
                is_behind: false,
            },
            known: known.collect(),
            fills: None,
            of: self.me,
            counts,
        }
    }

    /// Remembers when what these messages tell was read.
    fn note_sent(
        &mut self,
        now: Boottime,
        tell: impl FnOnce(&mut Self) -> Vec<Message>,
    ) -> Vec<Message> {
        if self.sent.len() >= SENT_TICKS {
            self.sent.pop_front();
        }
        self.sent.push_back((self.number + 1, now));
        tell(self)
    }

    /// When what the message tells was read; none if it was never sent, or too long ago.
    fn sent_at(&self, number: u64) -> Option<Boottime> {
        if number > self.number {
            return None;
        }
        let mut ticks = self.sent.iter().rev();
        ticks.find(|(first, _)| *first <= number).map(|(_, at)| *at)
    }
}

fn count(slot: Slot, counts: &[Count], registry: &Registry, now: Boottime) {
    for count in counts {
        let credential = registry.credential(count.key, count.org);
        credential.state().window.hear(slot, count.admitted, now);
    }
}

#[cfg(test)]
mod tests;
