//! Deliberate faults, each breaking one rule of the protocol: a test that cannot find them proves
//! nothing (faults.md 6). Without the feature `mutants` none is ever active, and none of this costs
//! anything.

/// One fault; the numbers are those of the rules in revocation.md 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mutant {
    /// 1: a row is deleted while its lease may still be valid.
    GcByWallClock = 1,
    /// 2: the lease runs from the arrival of the renewal's answer.
    LeaseFromReceive,
    /// 3: a renewal takes effect before everything up to its head is applied.
    NoCatchUp,
    /// 4: the row is inserted and the head read in one transaction.
    JoinOneSnapshot,
    /// 5: whether the lease holds is a flag that a timer clears.
    TimerFlag,
    /// 6: the cache is read before the deadlines.
    LookupThenDeadline,
    /// 8: an event is acknowledged on receipt and applied later.
    AckBeforeApply,
    /// 9: W leaves out the drift of clocks.
    ShortWait,
    /// 10: a leaving replica deletes its row before it stops serving.
    LeaveRowFirst,
    /// 11: a restarted process takes over the row of its predecessor.
    SameIdReplaces,
    /// 12: a retry of a revocation returns at once.
    RetryReturnsEarly,
    /// 13: what was read is inserted unconditionally, and a revocation only invalidates.
    StaleInsert,
    /// 13: a request trusts an answer of the primary that was asked for before it began.
    JoinedLoad,
    /// 13: the tombstone lives only in the cache, which may evict it.
    WatermarkNoGuard,
    /// The hold's own timer runs for D instead of W.
    HoldShort,
    /// A denial is told at once.
    NoHold,
    /// Tombstones are dropped while the cache still holds what they speak to.
    CollectUnforgotten,
    /// They are dropped before the deadlines of who found such an entry have run out.
    CollectEarly,
    /// What was read before they stood is cached after they were dropped.
    CollectThenInsert,
    /// 1: rows are registered and renewed with synchronous_commit = off.
    AsyncLease,
    /// Of two clocks the one that shows more counts, not the one that ran longer.
    ClocksZeroed,
    /// 7: what follows in the stream is taken to follow in the log.
    StreamContiguity,
    /// 15: VERIFY reads on a standby.
    StandbyVerify,
    /// A command service lets in whom it knows, and the append asks nobody.
    CommandCache,
    /// When a denial was made known is read from its event.
    EventTimestamp,
    /// Replicas share a consumer of the log's feed, so that each event reaches one of them.
    SharedDurable,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::GcByWallClock,
        Self::LeaseFromReceive,
        Self::NoCatchUp,
        Self::JoinOneSnapshot,
        Self::TimerFlag,
        Self::LookupThenDeadline,
        Self::AckBeforeApply,
        Self::ShortWait,
        Self::LeaveRowFirst,
        Self::SameIdReplaces,
        Self::RetryReturnsEarly,
        Self::StaleInsert,
        Self::JoinedLoad,
        Self::WatermarkNoGuard,
        Self::HoldShort,
        Self::NoHold,
        Self::CollectUnforgotten,
        Self::CollectEarly,
        Self::CollectThenInsert,
        Self::AsyncLease,
        Self::ClocksZeroed,
        Self::StreamContiguity,
        Self::StandbyVerify,
        Self::CommandCache,
        Self::EventTimestamp,
        Self::SharedDurable,
    ];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GcByWallClock => "gc-by-wall-clock",
            Self::LeaseFromReceive => "lease-from-receive",
            Self::NoCatchUp => "no-catch-up",
            Self::JoinOneSnapshot => "join-one-snapshot",
            Self::TimerFlag => "timer-flag",
            Self::LookupThenDeadline => "lookup-then-deadline",
            Self::AckBeforeApply => "ack-before-apply",
            Self::ShortWait => "short-wait",
            Self::LeaveRowFirst => "leave-row-first",
            Self::SameIdReplaces => "same-id-replaces",
            Self::RetryReturnsEarly => "retry-returns-early",
            Self::StaleInsert => "stale-insert",
            Self::JoinedLoad => "joined-load",
            Self::WatermarkNoGuard => "watermark-no-guard",
            Self::HoldShort => "hold-short",
            Self::NoHold => "no-hold",
            Self::CollectUnforgotten => "collect-unforgotten",
            Self::CollectEarly => "collect-early",
            Self::CollectThenInsert => "collect-then-insert",
            Self::AsyncLease => "async-lease",
            Self::ClocksZeroed => "clocks-zeroed",
            Self::StreamContiguity => "stream-contiguity",
            Self::StandbyVerify => "standby-verify",
            Self::CommandCache => "command-cache",
            Self::EventTimestamp => "event-timestamp",
            Self::SharedDurable => "shared-durable",
        }
    }

    /// Whether this process has the fault.
    #[cfg(not(feature = "mutants"))]
    pub const fn is_active(self) -> bool {
        let _ = self;
        false
    }

    /// Whether this process has the fault.
    #[cfg(feature = "mutants")]
    pub fn is_active(self) -> bool {
        active::CHOSEN.load(std::sync::atomic::Ordering::Relaxed) == self as u8
    }

    /// Gives this process the fault, or takes it from it again.
    #[cfg(feature = "mutants")]
    pub fn choose(chosen: Option<Self>) {
        let number = chosen.map_or(0, |mutant| mutant as u8);
        active::CHOSEN.store(number, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(feature = "mutants")]
mod active {
    use std::sync::atomic::AtomicU8;

    /// One at a time, for the whole process.
    pub static CHOSEN: AtomicU8 = AtomicU8::new(0);
}
