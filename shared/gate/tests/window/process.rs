//! One process: the core, as its driver would drive it.

use std::sync::Arc;

use domain::ids::{IncarnationId, LogEpoch};
use gate::core::gossip::message::{Message, ProcessId};
use gate::core::gossip::{Gossip, Reading};
use gate::core::quota::Allowance;
use gate::core::registry::{Credential, Registry};
use runtime::clock::Boottime;
use uuid::Uuid;

use crate::world::{MILLISECOND, WINDOW, key};

/// No process tells more often.
const URGENT_TICK: u64 = 5 * MILLISECOND;
/// A process with nothing to tell may be late with that.
const IDLE_TICK: u64 = 250 * MILLISECOND;

pub struct Process {
    pub row: Option<IncarnationId>,
    pub allowance: Allowance,
    /// It stands still until then.
    pub stopped_until: u64,
    pub dead: bool,
    registry: Registry,
    gossip: Gossip,
    noted: Vec<Arc<Credential>>,
    /// Its clock's origin lies elsewhere.
    origin: u64,
    ticked_at: u64,
    next_tick: u64,
}

/// What became of a request.
pub struct Asked {
    pub admitted: bool,
    /// When the process should tick, if before its time.
    pub urgent_at: Option<u64>,
}

impl Process {
    pub fn new(id: Uuid, row: Option<IncarnationId>, origin: u64, now: u64) -> Self {
        let registry = Registry::default();
        registry.fleet().register(row);
        let began = Boottime::from_nanos(origin + now);
        Self {
            row,
            allowance: Allowance::default(),
            stopped_until: 0,
            dead: false,
            registry,
            gossip: Gossip::new(ProcessId(id), epoch(), began),
            noted: Vec::new(),
            origin,
            ticked_at: 0,
            next_tick: 0,
        }
    }

    pub fn local(&self, now: u64) -> Boottime {
        Boottime::from_nanos(self.origin + now)
    }

    fn is_away(&self, now: u64) -> bool {
        self.dead || now < self.stopped_until
    }

    pub fn register(&mut self, row: IncarnationId) {
        self.row = Some(row);
        self.registry.fleet().register(self.row);
    }

    pub fn read(&mut self, reading: &Reading, now: u64) {
        if !self.is_away(now) {
            let local = self.local(now);
            self.gossip.read(reading, local);
        }
    }

    pub fn hear(&mut self, message: &Message, now: u64) {
        if !self.dead {
            let local = self.local(now);
            self.gossip.hear(message, &self.registry, local);
        }
    }

    /// What it tells at its tick.
    pub fn tick(&mut self, now: u64) -> Vec<Message> {
        let idle = self.noted.is_empty() && now < self.next_tick;
        if self.is_away(now) || idle {
            return Vec::new();
        }
        self.ticked_at = now;
        self.next_tick = now + IDLE_TICK;
        let (local, noted) = (self.local(now), std::mem::take(&mut self.noted));
        self.gossip.tick(noted.into_iter(), &self.registry, local)
    }

    /// Asks for a request; none if it gets no answer.
    pub fn ask(&mut self, limit: u32, now: u64) -> Option<Asked> {
        if self.is_away(now) {
            return None;
        }
        let local = self.local(now);
        let part = self.registry.fleet().part(local);
        let credential = self.registry.credential(key().0, key().1);
        let (taken, news) = credential.state().take(local, limit, part);
        if news.is_first {
            self.noted.push(credential);
        }
        let urgent_at = now.max(self.ticked_at + URGENT_TICK);
        Some(Asked {
            admitted: taken.admitted,
            urgent_at: news.is_urgent.then_some(urgent_at),
        })
    }

    /// It admits nothing any more; what it tells, if it ends in order.
    pub fn end(&mut self, in_order: bool, now: u64) -> Vec<Message> {
        let speaks = in_order && !self.is_away(now);
        self.dead = true;
        if !speaks {
            return Vec::new();
        }
        let (local, noted) = (self.local(now), std::mem::take(&mut self.noted));
        self.gossip.leave(noted.into_iter(), &self.registry, local)
    }
}

/// What the primary knows at `now`, of rows and when each is or was deleted.
pub fn reading(rows: &[(IncarnationId, u64)], now: u64) -> Reading {
    let there = rows.iter().filter(|(_, until)| now < *until);
    let mut ended = rows.iter().map(|(_, until)| *until);
    Reading {
        epoch: epoch(),
        rows: there.map(|(row, _)| *row).collect(),
        ended_lately: ended.any(|until| until <= now && now < until.saturating_add(WINDOW)),
    }
}

fn epoch() -> LogEpoch {
    LogEpoch::from_uuid(Uuid::from_u128(9))
}
