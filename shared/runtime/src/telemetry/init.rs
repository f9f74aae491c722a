//! Where logs and metrics of a process go.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Seconds: from a tenth of a millisecond to the longest wait there is.
const SECONDS: [f64; 16] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// What is logged unless `TGA_LOG` says otherwise.
const FILTER: &str = "info,async_nats=warn,sqlx=warn,hyper=warn";

/// Why telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `TGA_LOG` is no filter.
    #[error("TGA_LOG is no filter such as info,gate=debug")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Logs go somewhere else already.
    #[error("logs go somewhere else already")]
    Logs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Metrics go somewhere else already.
    #[error("metrics go somewhere else already")]
    Metrics(#[source] BuildError),
}

/// Sends logs to standard error, as text on a terminal and as JSON lines elsewhere, and collects
/// metrics for the handle to render. Once a process.
///
/// # Errors
/// If the filter is wrong, or somebody was here before.
pub fn init(filter: Option<&str>) -> Result<PrometheusHandle, TelemetryError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(FILTER)).map_err(TelemetryError::Filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        logs.compact().try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
    started.map_err(TelemetryError::Logs)?;
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(TelemetryError::Metrics)
}
