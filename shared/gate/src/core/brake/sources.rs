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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const LIMIT: Limit = Limit {
        burst: 5,
        every: Duration::from_nanos(100),
    };

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    /// What stands, one by one: each failure is forgotten an interval after the one before it, or
    /// after it happened.
    #[derive(Debug, Default)]
    struct Failures(Vec<u64>);

    impl Failures {
        fn standing(&self, now: u64) -> impl Iterator<Item = u64> {
            self.0
                .iter()
                .copied()
                .filter(move |forgotten| *forgotten > now)
        }

        fn fail(&mut self, now: u64) {
            let last = self.standing(now).last().unwrap_or(now);
            self.0.push(last + 100);
        }

        /// Whether `most` would be enough for all that stand and so many more. Of the first to be
        /// forgotten only the rest counts.
        fn has_room(&self, more: u64, most: u64, now: u64) -> bool {
            let owed = self.standing(now).last().map_or(0, |last| last - now);
            owed + 100 * more <= 100 * most
        }
    }

    proptest! {
        #[test]
        fn a_debt_is_what_failures_are_not_forgotten(
            steps in prop::collection::vec((0..150_u64, 0..3_u32, 0..8_u32, any::<bool>()), 1..60)
        ) {
            let (mut debt, mut failures) = (Debt::default(), Failures::default());
            let mut now = 1_000;
            for (wait, pending, most, has_kept_room) in steps {
                now += wait;
                debt.pending = pending;
                let room = failures.has_room(u64::from(pending) + 1, u64::from(most), now);
                prop_assert_eq!(debt.has_room(&LIMIT, most, at(now)), room);
                if has_kept_room {
                    debt.fail(&LIMIT, at(now));
                    failures.fail(now);
                } else {
                    debt.fail_besides(&LIMIT, most, at(now));
                    if failures.has_room(1, u64::from(most), now) {
                        failures.fail(now);
                    }
                }
                let forgotten = failures.0.last().copied();
                prop_assert_eq!(debt.forgotten_at, at(forgotten.unwrap_or(0)));
                let lately = forgotten.map(|at| at + 60_000_000_000);
                for now in lately.map_or(0..1, |until| until - 1..until + 1) {
                    let is_lately = lately.is_some_and(|until| now < until);
                    prop_assert_eq!(debt.failed_lately(at(now)), is_lately);
                }
            }
        }
    }

    fn source(number: u128) -> Source {
        Source(1 + number)
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "tens of thousands of things: hours under the interpreter"
    )]
    fn all_slots_are_used_and_each_source_keeps_its_own() {
        let mut sources = Sources::new(2 * WAYS - 1);
        assert_eq!(sources.slots(), 2 * WAYS);
        let all = || (0..400).map(source);
        for (pending, one) in (1..).zip(all()) {
            if let Some(debt) = sources.find_or_make(one) {
                debt.pending = pending;
            }
        }
        let kept: Vec<_> = (1..)
            .zip(all())
            .filter_map(|(pending, one)| Some((pending, sources.find(one)?.pending)))
            .collect();
        assert_eq!(kept.len(), 2 * WAYS, "which set one falls into is chance");
        assert!(kept.iter().all(|(pending, found)| pending == found));
        assert!(
            sources.find_or_make(source(1_000)).is_none(),
            "look-ups are under way in all"
        );
    }

    #[test]
    fn without_a_slot_the_idle_source_that_failed_least_is_forgotten() {
        let mut sources = Sources::new(WAYS);
        for (number, failed_at) in (0..).zip([30, 80, 10, 60, 20, 70, 40, 50]) {
            let debt = sources.find_or_make(source(number)).unwrap();
            debt.fail(&LIMIT, at(failed_at));
            debt.pending = u32::from(failed_at == 20);
        }
        for number in 10..13 {
            let debt = sources.find_or_make(source(number)).unwrap();
            assert!(!debt.failed_lately(at(100)), "nothing is left of the other");
            debt.fail(&LIMIT, at(100));
        }
        let known: Vec<_> = (0..13)
            .filter(|number| sources.find(source(*number)).is_some())
            .collect();
        assert_eq!(known, [1, 3, 4, 5, 7, 10, 11, 12]);
    }
}
