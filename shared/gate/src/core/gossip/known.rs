//! Of whom the process knows, and who is gone.

use runtime::clock::Boottime;

use super::super::others::Slot;
use super::message::{Known, PROCESSES_MAX, ProcessId};
use super::peer::Peer;
use super::{GONE_FOR, GONE_MAX, Gone, Gossip};

impl Gossip {
    pub(super) fn peer(&mut self, process: ProcessId, now: Boottime) -> Option<&mut Peer> {
        if !self.peers.contains_key(&process) {
            if self.peers.len() >= PROCESSES_MAX {
                return None;
            }
            let slot = self.slot_of(process, now)?;
            self.gone.remove(&process);
            self.peers.insert(process, Peer::new(slot, now));
        }
        self.peers.get_mut(&process)
    }

    /// Its number in the windows; one for which there is none any more is not counted, and missed.
    pub(super) fn slot_of(&mut self, process: ProcessId, now: Boottime) -> Option<Slot> {
        if process == self.me {
            return None;
        }
        if let Some(peer) = self.peers.get(&process) {
            return Some(peer.slot);
        }
        if let Some(gone) = self.gone.get(&process) {
            return Some(gone.slot);
        }
        if self.gone.len() >= GONE_MAX || self.next_slot == u32::MAX {
            return None;
        }
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        let gone = Gone {
            slot,
            since: now,
            left: false,
        };
        self.gone.insert(process, gone);
        Some(slot)
    }

    /// Somebody hears that process.
    pub(super) fn mention(&mut self, known: &Known, now: Boottime) {
        let gone = self.gone.get(&known.process);
        if known.process == self.me || gone.is_some_and(|gone| gone.left) {
            return;
        }
        if let Some(peer) = self.peer(known.process, now) {
            peer.mention(known.row, now);
        }
    }

    pub(super) fn part_with(&mut self, process: ProcessId, left: bool, now: Boottime) {
        if let Some(peer) = self.peers.remove(&process) {
            let gone = Gone {
                slot: peer.slot,
                since: now,
                left,
            };
            self.gone.insert(process, gone);
        }
    }

    pub(super) fn forget_gone(&mut self, now: Boottime) {
        let rows = self.rows.as_ref().map(|(rows, at)| (rows, *at));
        let gone = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_gone(rows, now));
        let gone: Vec<_> = gone.map(|(process, _)| *process).collect();
        for process in gone {
            self.part_with(process, false, now);
        }
        self.gone.retain(|_, gone| now < gone.since + GONE_FOR);
    }
}
