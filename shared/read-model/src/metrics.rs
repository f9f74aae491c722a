//! What the read model measures.

use std::time::Duration;

use domain::ids::GlobalPosition;

use crate::projection::Applied;

/// Gauge: the position up to which the projection has applied every event.
pub const POSITION: &str = "tga_projection_position";
/// Gauge: events of the log that the projection had not applied when the log was last asked.
pub const LAG: &str = "tga_projection_lag_events";
/// Counter: events applied.
pub const EVENTS: &str = "tga_projection_events_total";
/// Counter: readings of videos' counts applied, by `late`.
pub const READINGS: &str = "tga_projection_readings_total";
/// Counter: events left out because their type is not known to this build.
pub const SKIPPED: &str = "tga_projection_skipped_total";
/// Counter: times the projector had to begin anew, by `reason`.
pub const RESTARTS: &str = "tga_projection_restarts_total";
/// Histogram: seconds from a batch's events to their commit.
pub const BATCH_SECONDS: &str = "tga_projection_batch_seconds";

/// Says what each of them means; once, after the recorder is installed.
pub fn describe() {
    metrics::describe_gauge!(POSITION, "position up to which every event is applied");
    metrics::describe_gauge!(LAG, "events of the log not applied yet");
    metrics::describe_counter!(EVENTS, "events applied");
    metrics::describe_counter!(READINGS, "readings of videos applied, late ones apart");
    metrics::describe_counter!(SKIPPED, "events left out: types of a newer build");
    metrics::describe_counter!(RESTARTS, "times the projector began anew, by reason");
    metrics::describe_histogram!(
        BATCH_SECONDS,
        metrics::Unit::Seconds,
        "from a batch's events to their commit"
    );
}

pub(crate) fn applied(position: GlobalPosition, applied: Applied, took: Duration) {
    metrics::gauge!(POSITION).set(gauge(position.get()));
    metrics::counter!(EVENTS).increment(applied.events);
    metrics::counter!(READINGS, "late" => "no").increment(applied.readings - applied.late);
    metrics::counter!(READINGS, "late" => "yes").increment(applied.late);
    metrics::histogram!(BATCH_SECONDS).record(took);
}

pub(crate) fn lag(events: u64) {
    metrics::gauge!(LAG).set(gauge(events));
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
const fn gauge(value: u64) -> f64 {
    value as f64
}
