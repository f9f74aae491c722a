//! The operator's port: `/livez`, `/readyz`, `/metrics`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::entropy::Entropy;
use crate::http::{HttpConfig, serve};
use crate::lifecycle::Tasks;

/// What must be so before the process is ready; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Vec<Condition>>>);

type Condition = (&'static str, watch::Receiver<bool>);

impl Readiness {
    /// Adds a condition, by its name.
    pub fn require(&self, name: &'static str, condition: watch::Receiver<bool>) {
        self.conditions().push((name, condition));
    }

    /// The names of what is not so yet.
    pub fn missing(&self) -> Vec<&'static str> {
        let conditions = self.conditions();
        let missing = conditions
            .iter()
            .filter(|(_, condition)| !*condition.borrow());
        missing.map(|(name, _)| *name).collect()
    }

    /// Waits until everything is so.
    pub async fn wait(&self) {
        let conditions = self.conditions().clone();
        for (_, mut condition) in conditions {
            // One whose owner is gone will not come true; the owner's end stops the process.
            let _ = condition.wait_for(|is_so| *is_so).await;
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
    let content_type = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, admin.metrics.render())
}
