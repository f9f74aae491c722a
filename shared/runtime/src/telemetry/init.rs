//! Where logs and metrics of a process go.

use std::io::{self, IsTerminal, Stderr};
use std::panic;

use clap::{Args, ValueEnum};
use metrics::{Unit, describe_counter, describe_gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::EitherWriter;

use super::batch::{Batched, Flusher};
use super::json::JsonLine;
use super::names;
use super::redact::Redacted;
use crate::clock::Clock;
use crate::http::REQUEST_TARGET;

/// Seconds: from a tenth of a millisecond to the longest wait there is.
const SECONDS: [f64; 16] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// What is logged unless told otherwise. Lines of single requests have the target `request`.
const FILTER: &str = "info,async_nats=warn,sqlx=warn,hyper=warn,memory_serve=warn";

/// What to log and how.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Logs")]
pub struct TelemetryConfig {
    /// What to log, by target: for example `info,gate=debug,request=off`.
    #[arg(long, env = "TGA_LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,
    /// How to write a line of log.
    #[arg(
        long,
        env = "TGA_LOG_FORMAT",
        value_enum,
        default_value_t,
        global = true
    )]
    pub log_format: LogFormat,
}

/// How a line of log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter (TGA_LOG) is none such as info,gate=debug")]
    Filter(#[source] ParseError),
    /// Logs go somewhere else already.
    #[error("logs go somewhere else already")]
    Logs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gives no thread for the lines of requests.
    #[error("the log has no thread to write with")]
    Thread(#[source] io::Error),
    /// Metrics go somewhere else already.
    #[error("metrics go somewhere else already")]
    Metrics(#[source] BuildError),
}

/// What a process keeps while it logs.
#[derive(Debug)]
pub struct Telemetry {
    /// What was counted, to be rendered.
    pub metrics: PrometheusHandle,
    /// Writes the lines that wait when it is dropped.
    _requests: Flusher,
}

/// Sends logs and panics to standard error, with credentials masked, and collects metrics for the
/// handle to render. Once a process.
///
/// # Errors
/// If the filter is wrong, or somebody was here before.
pub fn init(config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let requests = start_logs(config)?;
    panic::set_hook(Box::new(log_panic));
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(TelemetryError::Metrics)?;
    describe();
    Ok(Telemetry {
        metrics,
        _requests: requests,
    })
}

fn start_logs(config: &TelemetryConfig) -> Result<Flusher, TelemetryError> {
    let filter = config.log.as_deref().unwrap_or(FILTER);
    let filter = EnvFilter::try_new(filter).map_err(TelemetryError::Filter)?;
    let (requests, flusher) = Batched::start(io::stderr()).map_err(TelemetryError::Thread)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines { requests });
    let terminal = io::stderr().is_terminal();
    let text = match config.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started = if text {
        logs.compact().with_ansi(terminal).try_init()
    } else {
        let clock = Clock::system();
        logs.event_format(JsonLine { clock }).try_init()
    };
    started.map_err(TelemetryError::Logs)?;
    Ok(flusher)
}

/// Where a line goes: those of requests are written many at once, all others at once, for they may
/// be the last.
struct Lines {
    requests: Batched<Stderr>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Redacted<EitherWriter<Batched<Stderr>, Stderr>>;

    fn make_writer(&'a self) -> Self::Writer {
        Redacted(EitherWriter::B(io::stderr()))
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        if metadata.target() == REQUEST_TARGET {
            Redacted(EitherWriter::A(self.requests.clone()))
        } else {
            self.make_writer()
        }
    }
}

fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let location = panic.location().map(tracing::field::display);
    tracing::error!(
        panic.location = location,
        panic.thread = std::thread::current().name(),
        "{}",
        panic.payload_as_str().unwrap_or("a panic without a text")
    );
}

fn describe() {
    describe_counter!(names::TASK_FAILURES, "Tasks that failed or panicked");
    describe_gauge!(names::HTTP_CONNECTIONS, "Open HTTP connections");
    describe_counter!(
        names::HTTP_REFUSED,
        "Connections closed on arrival, over a bound"
    );
    describe_counter!(names::HTTP_CLOSED, "Connections whose client took too long");
    describe_counter!(names::HTTP_PANICS, "Handlers that panicked");
    describe_gauge!(names::RESIDENT_BYTES, Unit::Bytes, "Memory of the process");
    describe_gauge!(names::OPEN_FILES, "Open descriptors of the process");
}
