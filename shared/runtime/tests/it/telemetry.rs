#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::process::Command;

use runtime::http::REQUEST_TARGET;
use runtime::telemetry::{LogFormat, TelemetryConfig, TelemetryError, init};
use serde_json::Value;

/// Set in the helper process to the format it writes.
const HELPER: &str = "TGA_TEST_HELPER_LOG";

/// Not a test by itself: a process that logs, panics and counts.
#[test]
fn helper() {
    let Ok(format) = env::var(HELPER) else {
        return;
    };
    let config = TelemetryConfig {
        log: Some("info,quiet=off".to_owned()),
        log_format: if format == "json" {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
    };
    let telemetry = init(&config).unwrap();
    assert!(matches!(init(&config), Err(TelemetryError::Logs(_))));
    tracing::info!(server = "nats://me:hidden@localhost:4222", "connected");
    tracing::info!(target: "quiet", "not this");
    let path = format!("/key_{}", "0123456789abcdef".repeat(4));
    tracing::info!(target: REQUEST_TARGET, { http.path = path }, "answered");
    std::thread::spawn(|| panic!("with Bearer hidden"))
        .join()
        .unwrap_err();
    metrics::histogram!("some_seconds").record(0.003);
    assert!(
        telemetry
            .metrics
            .render()
            .contains(r#"some_seconds_bucket{le="0.005"} 1"#)
    );
}

fn lines(format: &str) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "telemetry::helper", "--nocapture"])
        .env(HELPER, format)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        !text.contains("hidden") && !text.contains("not this"),
        "{text}"
    );
    text.lines().map(str::to_owned).collect()
}

#[test]
fn logs_are_lines_of_json_without_secrets() {
    let lines = lines("json");
    assert_eq!(lines.len(), 3, "{lines:?}");
    // In no certain order: lines of requests are written when there are many, or time has passed.
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("nothing says {message}: {lines:?}"))
    };
    let connected = said("connected");
    assert_eq!(connected["server"], "nats://me:***@localhost:4222");
    assert_eq!(connected["level"], "INFO");
    let panicked = &said("with Bearer ***")["panic.location"];
    assert!(panicked.as_str().unwrap().contains("telemetry.rs"));
    assert_eq!(said("answered")["http.path"], "/key_***");
}

#[test]
fn logs_are_text_where_asked_for() {
    let text = lines("text").join("\n");
    assert!(
        text.contains("connected") && text.contains("nats://me:***@"),
        "{text}"
    );
    assert!(
        !text.contains('\u{1b}'),
        "no colours outside a terminal: {text}"
    );
}

#[test]
fn a_wrong_filter_is_refused() {
    let config = TelemetryConfig {
        log: Some("info,=,x".to_owned()),
        ..TelemetryConfig::default()
    };
    assert!(matches!(init(&config), Err(TelemetryError::Filter(_))));
}
