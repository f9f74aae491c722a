#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use runtime::admin::{Readiness, serve_admin};
use runtime::clock::Clock;
use runtime::lifecycle::{Lifecycle, Outcome, ShutdownPolicy, TaskKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn operators_see_life_readiness_and_metrics() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The only test of this binary that sets it.
    metrics::set_global_recorder(recorder).unwrap();
    metrics::counter!("some_total").increment(3);

    let (readiness, lifecycle) = (Readiness::default(), Lifecycle::new(Clock::system()));
    let (caught_up, condition) = watch::channel(false);
    readiness.require("projection", condition);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, tasks) = (listener.local_addr().unwrap(), lifecycle.handle());
    let serving = serve_admin(listener, readiness.clone(), handle, tasks.clone());
    tasks.spawn(TaskKind::Critical, "admin", serving);

    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with("not ready: projection\n"), "{answer}");
    caught_up.send_replace(true);
    readiness.wait().await;
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    let metrics = get(address, "/metrics").await;
    for line in [
        "some_total 3",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }

    let policy = ShutdownPolicy {
        notice: Duration::from_secs(10),
        ..ShutdownPolicy::default()
    };
    let (clock, draining) = (Clock::system(), tasks.draining());
    let watching = async {
        draining.cancelled().await;
        let answer = get(address, "/readyz").await;
        assert!(answer.ends_with("stopping\n"), "{answer}");
        assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    };
    tokio::select! {
        outcome = lifecycle.shutdown(policy) => assert_eq!(outcome, Outcome::Clean),
        watched = clock.timeout(Duration::from_secs(9), watching) => watched.unwrap(),
    }
}
