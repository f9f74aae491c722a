//! What a run must have met: one that never did proves nothing about it (faults.md 5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Something that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Case {
    /// A barrier ended by an acknowledgement …
    Acked,
    /// … by what a renewal said was applied …
    AppliedByARenewal,
    /// … because a row was gone …
    Left,
    /// … because a lease ran out.
    Expired,
    ReturnedAfterACrash,
    JoinedAfterCommit,
    /// A renewal took effect only after what it named was applied.
    CaughtUp,
    /// An event arrived before the one it follows.
    GapFound,
    RowWasGone,
    Collected,
    RenewedBeforeItWasCollected,
    AcceptedFromCache,
    AcceptedByVerify,
    StaleOfferDiscarded,
    /// A denial was answered 503 …
    KeptBack,
    /// … and 401 once the settlement was known …
    ToldOnceSettled,
    /// … or after W.
    ToldAfterTheBound,
}

/// What was met so far, by all threads of a run.
#[derive(Debug, Clone, Default)]
pub struct Coverage(Arc<AtomicU32>);

impl Coverage {
    /// It happened.
    pub fn note(&self, case: Case) {
        let bit = 1 << case as u8;
        // Read first: threads would otherwise fight over it all the time.
        if self.0.load(Ordering::Relaxed) & bit == 0 {
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The same, if it did.
    pub fn note_if(&self, happened: bool, case: Case) {
        if happened {
            self.note(case);
        }
    }

    /// What happened so far does not count.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What of `cases` never happened.
    pub fn missing(&self, cases: &[Case]) -> Vec<Case> {
        let met = self.0.load(Ordering::Relaxed);
        let is_missing = |case: &Case| met & 1 << *case as u8 == 0;
        cases.iter().copied().filter(is_missing).collect()
    }
}
