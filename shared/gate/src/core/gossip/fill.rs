//! Telling again what may have been lost, a message at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use runtime::clock::Boottime;

use super::message::{COUNTS_MAX, Count, Filling, ProcessId};
use crate::core::others::{Others, Slot};
use crate::core::registry::{Credential, Registry, SHARDS};

/// All keys whose count was told from a message on, or all that count at all; and what is known of
/// some other processes, whom somebody may not hear.
#[derive(Debug)]
pub struct Fill {
    filling: Filling,
    is_whole: bool,
    others: Vec<(ProcessId, Slot)>,
    shard: usize,
    left: VecDeque<Arc<Credential>>,
    of_others: BTreeMap<ProcessId, Vec<Count>>,
}

impl Fill {
    /// One that begins.
    pub fn new(filling: Filling, is_whole: bool, others: Vec<(ProcessId, Slot)>) -> Self {
        Self {
            filling,
            is_whole,
            others,
            shard: 0,
            left: VecDeque::new(),
            of_others: BTreeMap::new(),
        }
    }

    /// What it has told once there is nothing next.
    pub fn filling(&self) -> Filling {
        self.filling
    }

    /// The counts of the message of this number, and whose they are if not this process's own.
    pub fn next(
        &mut self,
        number: u64,
        registry: &Registry,
        now: Boottime,
    ) -> Option<(Option<ProcessId>, Vec<Count>)> {
        let full = |(_, counts): &(&ProcessId, &Vec<Count>)| counts.len() >= COUNTS_MAX;
        if let Some((of, _)) = self.of_others.iter().find(full) {
            return self.take_of(*of);
        }
        let mut counts = Vec::new();
        while counts.len() < COUNTS_MAX
            && let Some(credential) = self.next_credential(registry)
        {
            self.note_others(&credential, now);
            if self.is_lacking(&credential, now) {
                counts.push(credential.tell_in(number, now));
            }
            if self.of_others.values().any(|all| all.len() >= COUNTS_MAX) {
                break;
            }
        }
        if !counts.is_empty() {
            return Some((None, counts));
        }
        let of = *self.of_others.keys().next()?;
        self.take_of(of)
    }

    fn take_of(&mut self, of: ProcessId) -> Option<(Option<ProcessId>, Vec<Count>)> {
        Some((Some(of), self.of_others.remove(&of)?))
    }

    fn next_credential(&mut self, registry: &Registry) -> Option<Arc<Credential>> {
        while self.left.is_empty() && self.shard < SHARDS {
            self.left.extend(registry.credentials_in(self.shard));
            self.shard += 1;
        }
        self.left.pop_front()
    }

    fn is_lacking(&self, credential: &Credential, now: Boottime) -> bool {
        let mut state = credential.state();
        let others = state.window.others();
        let told = others.is_some_and(|others| others.told_in() >= self.filling.from);
        let changed = others.is_some_and(Others::is_changed);
        told || (self.is_whole && (changed || state.window.recent(now) > 0))
    }

    fn note_others(&mut self, credential: &Credential, now: Boottime) {
        for (process, slot) in &self.others {
            let mut state = credential.state();
            if let Some(admitted) = state.window.heard_of(*slot, now) {
                self.of_others.entry(*process).or_default().push(Count {
                    key: credential.id,
                    org: credential.org,
                    admitted,
                });
            }
        }
    }
}
