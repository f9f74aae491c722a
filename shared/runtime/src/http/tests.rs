#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use axum::extract::Extension;
use axum::routing::get;
use axum::{Router, middleware};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{HttpLimits, PeerAddr, RequestId, request_id, serve};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::lifecycle::{Lifecycle, Outcome, ShutdownPolicy, TaskKind};

const POLICY: ShutdownPolicy = ShutdownPolicy {
    notice: Duration::ZERO,
    grace: Duration::from_secs(5),
};

async fn start(limits: HttpLimits) -> (Lifecycle, std::net::SocketAddr) {
    let clock = Clock::system();
    let answer =
        |Extension(PeerAddr(peer)): Extension<PeerAddr>,
         Extension(RequestId(id)): Extension<RequestId>| async move { format!("{peer} {id}") };
    let ids = (clock.clone(), Entropy::os());
    let router = Router::new()
        .route("/", get(answer))
        .layer(middleware::from_fn_with_state(ids, request_id));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let lifecycle = Lifecycle::new(clock);
    let tasks = lifecycle.handle();
    tasks.spawn(
        TaskKind::Critical,
        "http",
        serve(listener, router, limits, tasks.clone()),
    );
    (lifecycle, address)
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: std::net::SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_knows_its_peer_and_a_good_id_is_kept() {
    let (lifecycle, address) = start(HttpLimits::default()).await;
    let head = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let answer = exchange(address, &format!("{head}x-request-id: mine-1\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-request-id: mine-1\r\n"));
    assert!(answer.ends_with("127.0.0.1 mine-1"));
    for bad in ["with space", &"x".repeat(65), "a/b"] {
        let answer = exchange(address, &format!("{head}x-request-id: {bad}\r\n\r\n")).await;
        assert!(
            !answer.contains(bad) && answer.contains("x-request-id: "),
            "{answer}"
        );
    }
    assert_eq!(lifecycle.shutdown(POLICY).await, Outcome::Clean);
}

#[tokio::test]
async fn silence_a_slow_head_and_a_fat_head_end_the_connection() {
    let limits = HttpLimits {
        first_byte: Duration::from_millis(50),
        head: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    let (lifecycle, address) = start(limits).await;
    assert_eq!(exchange(address, "").await, "");
    let slow = exchange(address, "GET / HTTP/1.1\r\nhost:").await;
    assert!(slow.is_empty() || slow.contains("408"), "{slow}");
    let fat = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(fat.as_bytes()).await.unwrap();
    let mut answer = vec![0; 32];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(read == 0 || answer.contains("431"), "{answer}");
    assert_eq!(lifecycle.shutdown(POLICY).await, Outcome::Clean);
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let limits = HttpLimits {
        connections_per_address: 1,
        ..HttpLimits::default()
    };
    let (lifecycle, address) = start(limits).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(matches!(second.read(&mut byte).await, Ok(0) | Err(_)));
    assert_eq!(lifecycle.shutdown(POLICY).await, Outcome::Clean);
}
