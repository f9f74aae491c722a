//! The names of this service's metrics, and how requests are counted.

use std::time::Duration;

use domain::webhook::DeliveryError;
use http::StatusCode;
use metrics::{counter, gauge, histogram};

use crate::webhooks::Sent;

/// Counter by `service`, `route`, `status`: answers.
pub const REQUESTS: &str = "tga_http_requests_total";
/// Histogram by `service`, `route`: seconds from the complete headers to the answer's.
pub const REQUEST_SECONDS: &str = "tga_http_request_seconds";
/// Counter by `outcome` (`decided`, `unchanged`, `rejected`, `conflict`, `failed`): commands.
pub const COMMANDS: &str = "tga_command_commands_total";
/// Counter by `outcome` (`accepted`, `duplicate`, `rejected`): lines of ingest requests.
pub const LINES: &str = "tga_command_ingest_lines_total";
/// Gauge: orgs in memory.
pub const ORGS: &str = "tga_command_orgs";
/// Gauge: bytes that their states take, by estimate.
pub const ORG_BYTES: &str = "tga_command_org_bytes";
/// Counter by `outcome` (`stored`, `failed`): snapshots.
pub const SNAPSHOTS: &str = "tga_command_snapshots_total";

/// Counter by `outcome` (`taken`, or why not): attempts at deliveries to webhooks.
pub const DELIVERIES: &str = "tga_webhook_attempts_total";
/// Histogram: seconds of an attempt at a delivery.
pub const DELIVERY_SECONDS: &str = "tga_webhook_attempt_seconds";
/// Gauge: deliveries to webhooks that this process has under way.
pub const DELIVERIES_UNDER_WAY: &str = "tga_webhook_deliveries_under_way";

/// Describes every metric of this service, once.
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    describe_counter!(REQUESTS, "Answers");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time to answer");
    describe_counter!(COMMANDS, "What became of commands");
    describe_counter!(LINES, "What became of lines of ingest requests");
    describe_gauge!(ORGS, "Orgs in memory");
    describe_gauge!(
        ORG_BYTES,
        Unit::Bytes,
        "Bytes that their states take, about"
    );
    describe_counter!(SNAPSHOTS, "Snapshots of orgs");
    describe_counter!(
        DELIVERIES,
        "What became of attempts at deliveries to webhooks"
    );
    describe_histogram!(
        DELIVERY_SECONDS,
        Unit::Seconds,
        "Time of an attempt at a delivery"
    );
    describe_gauge!(
        DELIVERIES_UNDER_WAY,
        "Deliveries to webhooks that are under way"
    );
}

/// Counts an answer; `route` none: the path leads nowhere, or its caller was refused.
pub(crate) fn count_request(route: Option<&'static str>, status: StatusCode, took: Duration) {
    let route = route.unwrap_or("none");
    let status = status.as_str().to_owned();
    counter!(REQUESTS, "service" => "command", "route" => route, "status" => status).increment(1);
    histogram!(REQUEST_SECONDS, "service" => "command", "route" => route)
        .record(took.as_secs_f64());
}

/// Counts what became of a command.
pub(crate) fn count_command(outcome: &'static str) {
    counter!(COMMANDS, "outcome" => outcome).increment(1);
}

/// Counts what became of lines.
pub(crate) fn count_lines(answer: &api::v1::IngestAnswer) {
    for (outcome, lines) in [
        ("accepted", answer.accepted),
        ("duplicate", answer.duplicate),
        ("rejected", answer.rejected),
    ] {
        counter!(LINES, "outcome" => outcome).increment(lines as u64);
    }
}

/// Counts a snapshot.
pub(crate) fn count_snapshot(is_stored: bool) {
    let outcome = if is_stored { "stored" } else { "failed" };
    counter!(SNAPSHOTS, "outcome" => outcome).increment(1);
}

/// Counts an attempt at a delivery.
pub(crate) fn count_delivery(sent: &Sent, took: Duration) {
    let outcome = sent.error().map_or("taken", DeliveryError::name);
    counter!(DELIVERIES, "outcome" => outcome).increment(1);
    histogram!(DELIVERY_SECONDS).record(took.as_secs_f64());
}

/// Says how many deliveries are under way.
pub(crate) fn gauge_webhooks_under_way(count: usize) {
    gauge!(DELIVERIES_UNDER_WAY).set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// Says how much of memory orgs take.
pub(crate) fn gauge_orgs(orgs: usize, bytes: u64) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge needs no more than 53 bits"
    )]
    let (orgs, bytes) = (orgs as f64, bytes as f64);
    gauge!(ORGS).set(orgs);
    gauge!(ORG_BYTES).set(bytes);
}
