//! Names of what the gate counts, each described once.

use std::time::Duration;

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram};

use crate::admission::{Denial, Policy};

/// Decisions, by `outcome`; what a replica without a lease decided has outcomes of its own.
pub const DECISIONS: &str = "tga_gate_decisions_total";
/// How long VERIFY took, in seconds.
pub const VERIFY_SECONDS: &str = "tga_gate_verify_seconds";
/// Requests refused by a limit, by `policy`.
pub const LIMITED: &str = "tga_gate_limited_total";
/// Guesses, by `outcome`: what was no credential at all (malformed), what was looked up and refused
/// (failed), and what was not looked up because the source (source) or all sources (overall) failed
/// too often, or was refused again for that reason (refused); and credentials that may not call and
/// were looked up too often (forbidden).
pub const BRAKE: &str = "tga_gate_brake_total";
/// Messages with counts of admissions, by `outcome` (sent, heard, refused).
pub const COUNTS: &str = "tga_gate_window_messages_total";
/// Processes that admit the same keys, this one included.
pub const FLEET: &str = "tga_gate_window_processes";
/// 1 while this process has its share of every window, not what nobody has taken.
pub const SHARES: &str = "tga_gate_window_shared";
/// Position up to which every auth event is applied.
pub const APPLIED_POSITION: &str = "tga_gate_applied_position";
/// 1 while the lease holds, as of the last look of the task that renews it.
pub const LEASED: &str = "tga_gate_leased";
/// Renewals, by `outcome`.
pub const RENEWALS: &str = "tga_gate_renewals_total";
/// Snapshots loaded, by `reason`: the process began (start), the log is another one (other_log), or
/// its events did not follow each other (broken_chain).
pub const LOADS: &str = "tga_gate_loads_total";
/// Entries in the cache of allowed credentials.
pub const ENTRIES: &str = "tga_gate_entries";
/// Tombstones kept.
pub const TOMBS: &str = "tga_gate_tombs";
/// Times tombstones were collected.
pub const TOMBS_COLLECTED: &str = "tga_gate_tombs_collected_total";
/// Reads of the log, by `reason`: an event does not follow what is applied (gap), or a renewal showed
/// more than the feed had brought (behind).
pub const CATCH_UPS: &str = "tga_gate_catch_ups_total";
/// Verified rows that were not cached, by `reason`.
pub const DISCARDED: &str = "tga_gate_discarded_total";
/// Blocks of quota asked for, by `outcome`.
pub const BLOCKS: &str = "tga_gate_quota_blocks_total";
/// Counts of use that could not be flushed and were kept.
pub const FLUSH_FAILURES: &str = "tga_gate_usage_flush_failures_total";
/// Barriers: replicas settled, by `state`.
pub const SETTLED: &str = "tga_gate_barrier_replicas_total";
/// Acknowledgements without the MAC of the replica they name.
pub const FORGED: &str = "tga_gate_acks_refused_total";
/// Auth events and settlements on NATS that were not taken: without the MAC of the bus, malformed, or
/// of a newer build.
pub const NEWS_REFUSED: &str = "tga_gate_news_refused_total";
/// Denials that were settled in place of whoever committed them.
pub const SWEPT: &str = "tga_gate_swept_total";
/// Denials by `outcome` of their second copy (written, pending).
pub const LEDGER: &str = "tga_gate_ledger_total";
/// How long a denial took to a `stage` (commit, told, acknowledged, settled), in seconds.
pub const REVOCATION_SECONDS: &str = "tga_gate_revocation_seconds";
/// Rows of silent replicas that were deleted.
pub const COLLECTED: &str = "tga_gate_leases_collected_total";
/// Denials that were held back, by `outcome` (told, kept back).
pub const HOLDS: &str = "tga_gate_holds_total";
/// How long barriers took, in seconds.
pub const BARRIER_SECONDS: &str = "tga_gate_barrier_seconds";

/// Describes every metric of this crate. Call it once, after the recorder is installed.
pub fn describe() {
    describe_counter!(DECISIONS, "Decisions about requests, by outcome");
    describe_histogram!(
        VERIFY_SECONDS,
        Unit::Seconds,
        "Time that checking a credential on the primary took"
    );
    describe_counter!(LIMITED, "Requests refused with 429, by policy");
    describe_counter!(
        BRAKE,
        "Credentials that nobody has, and what the brake on guessing did, by outcome"
    );
    describe_counter!(COUNTS, "Messages with counts of admissions, by outcome");
    describe_gauge!(FLEET, "Processes that admit the same keys");
    describe_gauge!(
        SHARES,
        "1 while this process misses another and has its share of every window"
    );
    describe_gauge!(
        APPLIED_POSITION,
        "Position up to which every auth event is applied"
    );
    describe_gauge!(LEASED, "1 while this replica may trust its cache");
    describe_counter!(RENEWALS, "Renewals of the lease, by outcome");
    describe_counter!(LOADS, "Snapshots of all credentials loaded, by reason");
    describe_gauge!(ENTRIES, "Cached credentials");
    describe_gauge!(TOMBS, "Remembered changes of credentials, owners and orgs");
    describe_counter!(
        TOMBS_COLLECTED,
        "Times changes that nobody needs to remember any more were forgotten"
    );
    describe_counter!(
        CATCH_UPS,
        "Reads of the log because the feed was late or had a gap, by reason"
    );
    describe_counter!(DISCARDED, "Verified rows that were not cached, by reason");
    describe_counter!(BLOCKS, "Blocks of quota asked for, by outcome");
    describe_counter!(
        FLUSH_FAILURES,
        "Flushes of usage that failed and are repeated"
    );
    describe_counter!(
        SETTLED,
        "Replicas a barrier waited for, by how they were settled"
    );
    describe_counter!(
        HOLDS,
        "Denials that waited until they were in force everywhere, by outcome"
    );
    describe_counter!(
        NEWS_REFUSED,
        "Auth events and settlements on NATS that were forged, malformed, or of a newer build"
    );
    describe_counter!(
        FORGED,
        "Acknowledgements that did not come from the replica they name"
    );
    describe_counter!(
        SWEPT,
        "Times denials were settled in place of a process that is gone"
    );
    describe_counter!(LEDGER, "Second copies of denials, by outcome");
    describe_histogram!(
        REVOCATION_SECONDS,
        Unit::Seconds,
        "Time a denial took, by stage: its commit; then, from there, until it was told, until nobody was waited for, until that was noted"
    );
    describe_counter!(COLLECTED, "Leases of silent replicas that were deleted");
    describe_histogram!(
        BARRIER_SECONDS,
        Unit::Seconds,
        "Time from a deny event's commit until it was in force everywhere"
    );
}

/// Notes how long a denial took to a stage.
pub fn revocation(stage: &'static str, took: Duration) {
    metrics::histogram!(REVOCATION_SECONDS, "stage" => stage).record(took.as_secs_f64());
}

/// Handles of what is counted on every request, looked up once.
pub(crate) struct Decisions {
    pub cached: Counter,
    pub verified: Counter,
    pub verified_without_lease: Counter,
    pub missing: Counter,
    pub invalid: Counter,
    pub forbidden: Counter,
    pub in_progress: Counter,
    pub unavailable: Counter,
    pub unavailable_without_lease: Counter,
    pub limited_minute: Counter,
    pub limited_day: Counter,
}

impl Decisions {
    pub fn new() -> Self {
        let outcome = |name: &'static str| counter!(DECISIONS, "outcome" => name);
        Self {
            cached: outcome("admitted_from_cache"),
            verified: outcome("admitted_by_verify"),
            verified_without_lease: outcome("admitted_without_lease"),
            missing: outcome("missing"),
            invalid: outcome("invalid"),
            forbidden: outcome("forbidden"),
            in_progress: outcome("revocation_in_progress"),
            unavailable: outcome("unavailable"),
            unavailable_without_lease: outcome("unavailable_without_lease"),
            limited_minute: counter!(LIMITED, "policy" => "minute"),
            limited_day: counter!(LIMITED, "policy" => "day"),
        }
    }

    /// Counts a refusal. Whether the replica has no lease is asked where it is counted: most refusals
    /// cost less than to read the clocks.
    pub fn count(&self, denial: &Denial, is_fenced: impl FnOnce() -> bool) {
        let counter = match denial {
            Denial::TwoCredentials | Denial::Missing => &self.missing,
            Denial::Invalid => &self.invalid,
            Denial::AddressNotAllowed | Denial::OrgSuspended | Denial::UserSuspended => {
                &self.forbidden
            }
            Denial::RevocationInProgress => &self.in_progress,
            Denial::VerificationUnavailable if is_fenced() => &self.unavailable_without_lease,
            Denial::VerificationUnavailable => &self.unavailable,
            Denial::RateLimited(limited) => match limited.policy {
                Policy::KeyMinute | Policy::SessionMinute => &self.limited_minute,
                Policy::OrgDay => &self.limited_day,
            },
        };
        counter.increment(1);
    }
}
