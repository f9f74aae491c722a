//! How the process stands with the others: whether it may take from the whole, or has its share.

use runtime::clock::Boottime;

use super::super::fleet::{SILENCE, Standing};
use super::super::registry::Registry;
use super::{BEGINS, Gossip, LISTENS};

impl Gossip {
    /// How the process stands with the others.
    pub(super) fn judge(&mut self, registry: &Registry, now: Boottime) {
        let claimed: Vec<_> = self
            .peers
            .values()
            .filter_map(|peer| peer.row.map(|(row, _)| row))
            .chain(registry.fleet().row())
            .collect();
        let rows = self.rows.iter().flat_map(|(rows, _)| rows.all(now));
        let unclaimed: Vec<_> = rows.filter(|(row, _)| !claimed.contains(row)).collect();
        let fleet = u32::try_from(1 + self.peers.len() + unclaimed.len()).unwrap_or(u32::MAX);
        if fleet == 1 {
            return self.judge_alone(now);
        }
        if self.standing == Standing::Alone {
            // What was admitted meanwhile stands in no message: a gap shows that.
            self.number += 1;
            self.whole_below = self.number;
        }
        let peers = self.peers.values().map(|peer| peer.seen_until(now));
        let until = peers.chain(unclaimed.into_iter().map(|(_, until)| until));
        let until = until.min().flatten();
        self.knows |= self.has_heard_all(until.is_some(), now);
        // Whoever begins is waited for.
        self.misses = until.is_none() && (self.knows || now >= self.began + SILENCE);
        let mut current = self.peers.values().filter(|peer| peer.is_current(now));
        // Who is heard by all but one is held to its share with all.
        let others_miss = current.any(|peer| peer.state.misses);
        self.standing = match until.filter(|_| !others_miss) {
            _ if !self.knows => Standing::Begins { fleet },
            Some(until) => Standing::Sees { until, fleet },
            None => Standing::Sees {
                until: self.shares_since(now),
                fleet,
            },
        };
    }

    /// With nobody else there: the first of all has the whole; the next has half of it until what
    /// those before it admitted, who told nobody, has left every window.
    fn judge_alone(&mut self, now: Boottime) {
        let is_first = self.rows.is_some() && !self.ended_lately;
        self.misses = false;
        let is_known = is_first && now >= self.began + LISTENS;
        self.knows |= is_known || now >= self.began + BEGINS;
        self.standing = if self.knows || is_first {
            Standing::Alone
        } else {
            Standing::Begins { fleet: 1 }
        };
    }

    /// Whether it knows what was admitted before it began, or none of that counts any more. For
    /// those whom nobody hears at all, the others have told what they had heard, if they were
    /// there. Where all have just begun, nobody may have been there before them.
    fn has_heard_all(&self, misses_nobody: bool, now: Boottime) -> bool {
        let mut peers = self.peers.values();
        let all = peers.all(|peer| peer.is_current(now) || peer.is_lost(now));
        let mut peers = self.peers.values();
        let of_old = peers.any(|peer| peer.is_current(now) && !peer.state.begins);
        let waited = now >= self.began + SILENCE;
        let heard = all
            && if of_old {
                misses_nobody || waited
            } else {
                misses_nobody && !self.ended_lately
            };
        (self.rows.is_some() && heard) || now >= self.began + BEGINS
    }

    /// Since when it has its share: since it had to, if it has it already.
    fn shares_since(&self, now: Boottime) -> Boottime {
        match self.standing {
            Standing::Sees { until, .. } => until.min(now),
            Standing::Alone | Standing::Begins { .. } => now,
        }
    }
}
