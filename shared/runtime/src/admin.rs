//! The operator's port: `/livez`, `/readyz`, `/metrics`.

use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::entropy::Entropy;
use crate::http::{HttpConfig, serve};
use crate::lifecycle::{TaskKind, Tasks};
use crate::telemetry::names;

/// How often histograms are folded: what is recorded waits in memory for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// What must be so before the process is ready; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Vec<Condition>>>);

type Condition = (&'static str, watch::Receiver<bool>);

impl Readiness {
    /// Adds a condition, by its name. It may come and go.
    pub fn require(&self, name: &'static str, condition: watch::Receiver<bool>) {
        self.conditions().push((name, condition));
    }

    /// The names of what is not so now.
    pub fn missing(&self) -> Vec<&'static str> {
        let conditions = self.conditions();
        let missing = conditions
            .iter()
            .filter(|(_, condition)| !*condition.borrow());
        missing.map(|(name, _)| *name).collect()
    }

    /// Waits until everything is so. A condition whose owner is gone cannot come true any more;
    /// such an owner takes the process down.
    pub async fn wait(&self) {
        loop {
            let conditions = self.conditions().clone();
            for (_, mut condition) in conditions {
                if condition.wait_for(|is_so| *is_so).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            if self.missing().is_empty() {
                return;
            }
        }
    }

    fn conditions(&self) -> MutexGuard<'_, Vec<Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    metrics: PrometheusHandle,
    tasks: Tasks,
}

/// Serves the operator's port until the soft token. It is for operators alone: bind it to
/// loopback or to a network of theirs.
pub async fn serve_admin(
    listener: TcpListener,
    readiness: Readiness,
    metrics: PrometheusHandle,
    tasks: Tasks,
) {
    let keeping = upkeep(metrics.clone(), tasks.clone());
    tasks.spawn(TaskKind::Disposable, "metrics upkeep", keeping);
    let admin = Admin {
        readiness,
        metrics,
        tasks: tasks.clone(),
    };
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(admin);
    serve(listener, router, HttpConfig::new(Entropy::os()), tasks).await;
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, String) {
    if admin.tasks.draining().is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let missing = admin.readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let text = format!("not ready: {}\n", missing.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

async fn render(State(admin): State<Admin>) -> ([(&'static str, &'static str); 1], String) {
    measure_process();
    let content_type = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, admin.metrics.render())
}

async fn upkeep(metrics: PrometheusHandle, tasks: Tasks) {
    loop {
        tasks.clock().sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

/// Best effort: what the system does not tell is left out.
fn measure_process() {
    if let Some(bytes) = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| resident_bytes(&text))
    {
        metrics::gauge!(names::RESIDENT_BYTES).set(bytes);
    }
    let files = fs::read_dir("/proc/self/fd").map(Iterator::count);
    if let Ok(Ok(files)) = files.map(u32::try_from) {
        metrics::gauge!(names::OPEN_FILES).set(f64::from(files));
    }
}

/// Reads the line `VmRSS:     1234 kB`.
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kilobytes) * 1024.0)
}
