//! Other limiters, each driven by a program in a folder of its own (deploy/README.md).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::judge::Answer;
use super::trace::Trace;
use crate::bench::error::BenchError;

/// Folders of `bench.d`.
pub const NAMES: [&str; 3] = ["governor", "limits", "node-limiters"];
/// Their windows are as long as they are told, so that a run takes seconds.
const WINDOW_SECONDS: u64 = 4;
const ANSWERS_WITHIN: Duration = Duration::from_mins(3);

/// What a peer's program prints.
#[derive(Debug, Deserialize)]
pub struct Printed {
    pub version: String,
    pub contestants: Vec<Contestant>,
}

/// One limiter with so many processes.
#[derive(Debug, Deserialize)]
pub struct Contestant {
    pub name: String,
    pub replicas: usize,
    /// Real or virtual.
    pub time: String,
    pub answers: BTreeMap<String, Vec<Answer>>,
}

/// Has a peer's limiters asked along the traces.
pub async fn ask(
    folder: &Path,
    traces: &[Trace],
    limit: usize,
    clock: &Clock,
) -> Result<Printed, BenchError> {
    let traces: BTreeMap<_, _> = traces.iter().map(|trace| (trace.name, &trace.at)).collect();
    let question = json!({
        "limit": limit,
        "window_seconds": WINDOW_SECONDS,
        "replicas": [1, 3],
        "traces": traces,
    });
    let mut child = Command::new(folder.join("run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(BenchError::Talk)?;
    let mut input = child.stdin.take();
    let answered = async {
        if let Some(mut input) = input.take() {
            let question = question.to_string();
            // One that ends early says why below.
            let _ = input.write_all(question.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = clock.timeout(ANSWERS_WITHIN, answered).await;
    let output = output
        .map_err(|source| BenchError::Late {
            what: "a peer's answers",
            source,
        })?
        .map_err(BenchError::Talk)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(BenchError::Child {
            program: folder.display().to_string(),
            reason: said
                .lines()
                .last()
                .unwrap_or("it gave no reason")
                .to_owned(),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(BenchError::json)
}
