//! Failures by source address, in a table of fixed size.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use runtime::clock::Monotonic;

use super::FAILED_LATELY;

/// Sources that are remembered: 2 MB.
pub const SLOTS: usize = 65_536;
/// Places where one source may stand.
const WAYS: usize = 8;

/// What counts as one source: an IPv4 address, however it is written, or a /64 of IPv6, which is
/// what one customer of a provider gets at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Source(u128);

/// So many failures at once, and one more after each interval.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub burst: u32,
    pub every: Duration,
}

/// Failures that are not forgotten yet, and look-ups that may become some. Both together never
/// exceed the burst, so no more than burst + t / every fail in any interval of length t.
#[derive(Debug, Clone, Copy, Default)]
pub struct Debt {
    /// When the last failure will be forgotten; the clock's origin if there never was one.
    forgotten_at: Monotonic,
    /// Look-ups under way.
    pub pending: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    source: Source,
    debt: Debt,
}

const _: () = assert!(size_of::<Slot>() == 32);

/// The sources that failed last. Where one stands in the table nobody outside can know; if more
/// fail within a minute than there are slots, those that failed least are forgotten.
#[derive(Debug)]
pub struct Sources {
    slots: Box<[Slot]>,
    hasher: RandomState,
}

impl From<IpAddr> for Source {
    fn from(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().into()),
            IpAddr::V6(address) => Self(u128::from(address) >> 64 << 64),
        }
    }
}

impl Debt {
    /// Whether one more look-up may begin if no more than `burst` failures may stand at once.
    pub fn has_room(&self, limit: &Limit, burst: u32, now: Monotonic) -> bool {
        let owed = self.forgotten_at.saturating_since(now);
        owed + limit.every * (self.pending + 1) <= limit.every * burst
    }

    /// Notes a failure at `now` for which there was room.
    pub fn fail(&mut self, limit: &Limit, now: Monotonic) {
        self.forgotten_at = self.forgotten_at.max(now) + limit.every;
    }

    /// Notes one for which no room was kept, as long as no more than `most` stand.
    pub fn fail_besides(&mut self, limit: &Limit, most: u32, now: Monotonic) {
        let forgotten_at = self.forgotten_at.max(now) + limit.every;
        if forgotten_at <= now + limit.every * most {
            self.forgotten_at = forgotten_at;
        }
    }

    /// Whether it failed within the last minute, or at times that are not forgotten.
    pub fn failed_lately(&self, now: Monotonic) -> bool {
        let ever = self.forgotten_at != Monotonic::default();
        ever && now < self.forgotten_at + FAILED_LATELY
    }
}

impl Sources {
    pub fn new(slots: usize) -> Self {
        Self {
            slots: vec![Slot::default(); slots.next_multiple_of(WAYS)].into(),
            hasher: RandomState::new(),
        }
    }

    pub fn find(&mut self, source: Source) -> Option<&mut Debt> {
        let set = self.set(source);
        let slot = set.iter_mut().find(|slot| slot.source == source);
        slot.map(|slot| &mut slot.debt)
    }

    /// In place of the source that failed least, if there is no slot. None if look-ups of others
    /// are under way in all of them.
    pub fn find_or_make(&mut self, source: Source) -> Option<&mut Debt> {
        let set = self.set(source);
        if let Some(index) = set.iter().position(|slot| slot.source == source) {
            return Some(&mut set[index].debt);
        }
        let idle = set.iter_mut().filter(|slot| slot.debt.pending == 0);
        let slot = idle.min_by_key(|slot| slot.debt.forgotten_at)?;
        *slot = Slot {
            source,
            debt: Debt::default(),
        };
        Some(&mut slot.debt)
    }

    #[cfg(test)]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    fn set(&mut self, source: Source) -> &mut [Slot] {
        let sets = self.slots.len() / WAYS;
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let first = self.hasher.hash_one(source) as usize % sets * WAYS;
        &mut self.slots[first..first + WAYS]
    }
}
