//! The names of this crate's metrics, and what they mean.

use std::time::Duration;

use domain::ids::TreeSize;
use metrics::{Unit, counter, gauge, histogram};

use crate::append::{AppendError, NotCommitted};

/// Gauge: appends that wait for the appender.
pub const QUEUE_DEPTH: &str = "tga_log_append_queue_depth";
/// Histogram: appends of one transaction.
pub const BATCH_APPENDS: &str = "tga_log_append_batch_appends";
/// Histogram: seconds from taking the head's lock to the answer to COMMIT.
pub const COMMIT_SECONDS: &str = "tga_log_append_commit_seconds";
/// Counter: events that were committed.
pub const EVENTS: &str = "tga_log_events_appended_total";
/// Counter by `reason`: appends that were refused (conflict, idempotency, caller).
pub const REFUSED: &str = "tga_log_appends_refused_total";
/// Counter by `step`: transactions that failed and were tried again.
pub const FAILURES: &str = "tga_log_append_failures_total";
/// Counter by `outcome`: commits whose answer was lost, by what the log showed.
pub const LOST_ANSWERS: &str = "tga_log_commit_answers_lost_total";
/// Gauge: events that are committed and not yet on the stream, as far as this process knows.
pub const MIRROR_LAG: &str = "tga_log_mirror_lag_events";
/// Counter: events published to the stream by this process.
pub const MIRRORED: &str = "tga_log_mirrored_total";
/// Histogram: seconds from publishing an event to its acknowledgement.
pub const PUBLISH_SECONDS: &str = "tga_log_publish_ack_seconds";
/// Counter: how often another position was expected on the stream (another mirror, a lost tail).
pub const MIRROR_RESUMED: &str = "tga_log_mirror_resumed_total";
/// Counter: streams made anew because one was gone or did not match the log.
pub const STREAMS_MADE: &str = "tga_log_streams_made_total";
/// Counter by `source` (log, live): events given to subscribers.
pub const FED: &str = "tga_log_feed_events_total";
/// Counter: gaps in the live stream that were filled from the log.
pub const FEED_GAPS: &str = "tga_log_feed_gaps_total";
/// Counter: heads of the tree that were signed.
pub const CHECKPOINTS: &str = "tga_log_checkpoints_signed_total";
/// Gauge: events under the newest head that this process signed.
pub const CHECKPOINT_SIZE: &str = "tga_log_checkpoint_tree_size";
/// Counter: times that nothing was signed because the log is not the one that was signed before.
pub const SIGNING_REFUSED: &str = "tga_log_signing_refused_total";
/// Counter by `place` (folder, stream): times that copies of signed heads could not be carried there.
pub const COPIES_FAILED: &str = "tga_log_checkpoint_copies_failed_total";
/// Counter: signed ends of an org's streams.
pub const SEALS: &str = "tga_log_seals_signed_total";

/// Describes all of them to the installed recorder; once, at start.
pub fn describe() {
    metrics::describe_gauge!(QUEUE_DEPTH, "Appends that wait for the appender");
    metrics::describe_histogram!(BATCH_APPENDS, "Appends of one transaction");
    metrics::describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "From taking the head's lock to the answer to COMMIT"
    );
    metrics::describe_counter!(EVENTS, "Events that were committed");
    metrics::describe_counter!(REFUSED, "Appends that were refused, by reason");
    metrics::describe_counter!(FAILURES, "Transactions that failed, by step");
    metrics::describe_counter!(LOST_ANSWERS, "Lost answers to COMMIT, by outcome");
    metrics::describe_gauge!(MIRROR_LAG, "Events committed and not yet on the stream");
    metrics::describe_counter!(MIRRORED, "Events published to the stream by this process");
    metrics::describe_histogram!(
        PUBLISH_SECONDS,
        Unit::Seconds,
        "From publishing an event to its acknowledgement"
    );
    metrics::describe_counter!(
        MIRROR_RESUMED,
        "Times the stream stood elsewhere than expected"
    );
    metrics::describe_counter!(STREAMS_MADE, "Streams made anew");
    metrics::describe_counter!(FED, "Events given to subscribers, by source");
    metrics::describe_counter!(FEED_GAPS, "Gaps in the live stream filled from the log");
    metrics::describe_counter!(CHECKPOINTS, "Heads of the tree that were signed");
    metrics::describe_gauge!(CHECKPOINT_SIZE, "Events under the newest signed head");
    metrics::describe_counter!(
        SIGNING_REFUSED,
        "Times that nothing was signed because the log was changed"
    );
    metrics::describe_counter!(
        COPIES_FAILED,
        "Times that copies of signed heads were not carried, by place"
    );
    metrics::describe_counter!(SEALS, "Signed ends of an org's streams");
}

pub(crate) fn record_checkpoint(size: TreeSize) {
    counter!(CHECKPOINTS).increment(1);
    gauge!(CHECKPOINT_SIZE).set(as_f64(usize::try_from(size.get()).unwrap_or(usize::MAX)));
}

pub(crate) fn record_queue(waiting: usize) {
    gauge!(QUEUE_DEPTH).set(as_f64(waiting));
}

pub(crate) fn record_commit(appends: usize, events: usize, took: Duration) {
    histogram!(BATCH_APPENDS).record(as_f64(appends));
    histogram!(COMMIT_SECONDS).record(took);
    counter!(EVENTS).increment(events as u64);
}

pub(crate) fn record_refusal(error: &AppendError) {
    let reason = match error {
        AppendError::Conflict { .. } => "conflict",
        AppendError::IdempotencyTaken(_) => "idempotency",
        AppendError::CallerDenied => "caller",
        AppendError::TooLarge { .. } => "size",
        AppendError::NotCommitted(_) => "not_committed",
        AppendError::OutcomeUnknown => "outcome_unknown",
    };
    counter!(REFUSED, "reason" => reason).increment(1);
}

pub(crate) fn record_failure(cause: &NotCommitted) {
    counter!(FAILURES, "step" => cause.step()).increment(1);
}

pub(crate) fn record_lost_answer(found: Option<bool>) {
    let outcome = match found {
        Some(true) => "committed",
        Some(false) => "not_committed",
        None => "unknown",
    };
    counter!(LOST_ANSWERS, "outcome" => outcome).increment(1);
}

pub(crate) fn as_f64(count: usize) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a metric; counts stay far below 2^53"
    )]
    let value = count as f64;
    value
}
