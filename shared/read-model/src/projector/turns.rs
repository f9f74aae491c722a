//! When roll-ups of campaigns have their turn among batches.

/// After so many batches in a row a step is taken even though more wait: a busy log must not keep
/// campaigns from being rolled up, nor campaigns the log from being applied.
const BATCHES: u32 = 8;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Whether no campaign waits for its roll-up; looked up at first.
    is_rolled: bool,
    /// Batches since the last step.
    batches: u32,
}

impl Turns {
    /// A batch was applied.
    pub fn applied(&mut self, is_rolled: bool) {
        self.is_rolled = is_rolled;
        self.batches = self.batches.saturating_add(1);
    }

    /// A step was taken, and whether it found nothing to do.
    pub fn rolled(&mut self, is_rolled: bool) {
        *self = Self {
            is_rolled,
            batches: 0,
        };
    }

    /// Whether a step has work if nothing else does.
    pub const fn has_work(&self) -> bool {
        !self.is_rolled
    }

    /// Whether a step comes before the next batch, whatever waits.
    pub const fn is_due(&self) -> bool {
        self.has_work() && self.batches >= BATCHES
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCHES, Turns};

    #[test]
    fn a_step_is_due_once_every_so_many_batches_while_there_is_work() {
        let mut turns = Turns::default();
        assert!(turns.has_work(), "what was left by another process");
        for _ in 0..3 {
            for _ in 0..BATCHES {
                assert!(!turns.is_due());
                turns.applied(false);
            }
            assert!(turns.is_due());
            turns.rolled(false);
        }
        assert!(turns.has_work() && !turns.is_due());
        turns.rolled(true);
        for _ in 0..3 * BATCHES {
            turns.applied(true);
            assert!(!turns.has_work() && !turns.is_due());
        }
        turns.applied(false);
        assert!(turns.is_due());
    }
}
