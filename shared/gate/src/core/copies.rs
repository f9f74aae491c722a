//! Which denials nobody wrote into a ledger (revocation.md 10): whoever committed them may have died
//! before the second copy, and a later denial's settlement covers them.

use std::collections::BTreeSet;

use domain::ids::{GlobalPosition, LogEpoch};

/// Denials of its own that a process remembers as written; those beyond are written twice.
const REMEMBERED: usize = 4_096;

/// What one process knows of the second copies of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Copies {
    epoch: Option<LogEpoch>,
    /// Every denial up to here is in some ledger.
    up_to: GlobalPosition,
    /// Denials above that this process wrote.
    own: BTreeSet<GlobalPosition>,
}

impl Copies {
    /// Takes up to where the primary says that everything is copied. Says after which auth event
    /// denials are to be looked for.
    pub fn copied(&mut self, epoch: LogEpoch, up_to: GlobalPosition) -> GlobalPosition {
        self.begin(epoch);
        self.up_to = self.up_to.max(up_to);
        self.own = self.own.split_off(&self.up_to.next());
        self.up_to
    }

    /// This process wrote these.
    pub fn wrote(&mut self, epoch: LogEpoch, denials: impl IntoIterator<Item = GlobalPosition>) {
        self.begin(epoch);
        for denial in denials {
            if self.own.len() < REMEMBERED && denial > self.up_to {
                self.own.insert(denial);
            }
        }
    }

    /// Whether nobody is known to have written this one.
    pub fn lacks(&self, denial: GlobalPosition) -> bool {
        denial > self.up_to && !self.own.contains(&denial)
    }

    fn begin(&mut self, epoch: LogEpoch) {
        if self.epoch != Some(epoch) {
            *self = Self {
                epoch: Some(epoch),
                ..Self::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn epoch(number: u128) -> LogEpoch {
        LogEpoch::from_uuid(Uuid::from_u128(number))
    }

    fn position(number: u64) -> GlobalPosition {
        GlobalPosition::new(number)
    }

    /// Of 1 to 20.
    fn lacking(copies: &Copies) -> Vec<u64> {
        let all = 1..=20;
        all.filter(|denial| copies.lacks(position(*denial)))
            .collect()
    }

    #[test]
    fn what_is_neither_below_the_mark_nor_its_own_is_lacking() {
        let mut copies = Copies::default();
        assert_eq!(copies.copied(epoch(1), position(10)), position(10));
        copies.wrote(epoch(1), [9, 12, 15, 16].map(position));
        assert_eq!(lacking(&copies), [11, 13, 14, 17, 18, 19, 20]);
        assert_eq!(copies.copied(epoch(1), position(15)), position(15));
        assert_eq!(lacking(&copies), [17, 18, 19, 20]);
        assert_eq!(copies.copied(epoch(1), position(3)), position(15), "late");
        assert_eq!(copies.own.len(), 1);
    }

    #[test]
    fn of_another_log_nothing_is_known() {
        let mut copies = Copies::default();
        copies.copied(epoch(1), position(10));
        copies.wrote(epoch(1), [position(12)]);
        assert_eq!(copies.copied(epoch(2), position(5)), position(5));
        assert!(copies.lacks(position(12)));
    }

    #[test]
    fn what_is_forgotten_is_written_twice_and_never_missed() {
        let mut copies = Copies::default();
        copies.wrote(epoch(1), (1..=5_000).map(position));
        assert!(!copies.lacks(position(4_096)));
        assert!(copies.lacks(position(4_097)));
    }
}
