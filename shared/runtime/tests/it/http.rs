#![expect(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::routing::{get, post};
use axum::{Router, response::Response};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use runtime::clock::{Clock, ManualClock};
use runtime::entropy::Entropy;
use runtime::http::{HttpConfig, HttpLimits, PeerAddr, RequestId, serve};
use runtime::lifecycle::{Lifecycle, Outcome, ShutdownPolicy, TaskKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

const POLICY: ShutdownPolicy = ShutdownPolicy {
    notice: Duration::ZERO,
    grace: Duration::from_secs(10),
};
/// By how much the server's time moves at once.
const STEP: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(10);
const CLOSE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
const KEEP: &str = "GET / HTTP/1.1\r\nhost: x\r\n";

struct Server {
    lifecycle: Lifecycle,
    address: SocketAddr,
    /// Moves the server's time, which stands still otherwise.
    hand: ManualClock,
    /// Lets the route `/gate` answer; told when the answer of `/flood` is dropped.
    gate: Arc<Notify>,
    /// Told when a request is at the route `/gate`.
    arrived: Arc<Notify>,
}

impl Server {
    async fn start(limits: HttpLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let lifecycle = Lifecycle::new(clock);
        let tasks = lifecycle.handle();
        let (gate, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let config = HttpConfig {
            limits,
            ..HttpConfig::new(Entropy::os())
        };
        let serving = serve(listener, router(&gate, &arrived), config, tasks.clone());
        tasks.spawn(TaskKind::Critical, "http", serving);
        Self {
            lifecycle,
            address,
            hand,
            gate,
            arrived,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a new connection and reads until the server closes it.
    async fn exchange(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        to_end(&mut stream).await
    }

    /// Lets time pass on the server until `future` is ready.
    async fn in_time<T>(&self, future: impl Future<Output = T>) -> T {
        let clock = Clock::system();
        let passing = async {
            loop {
                clock.sleep(Duration::from_millis(5)).await;
                self.hand.advance(STEP);
            }
        };
        tokio::select! {
            ready = clock.timeout(LATER, future) => ready.expect("the server's time came"),
            () = passing => unreachable!("time does not end"),
        }
    }

    async fn stop(self) {
        assert_eq!(self.lifecycle.shutdown(POLICY).await, Outcome::Clean);
    }
}

fn router(gate: &Arc<Notify>, arrived: &Arc<Notify>) -> Router {
    let who = |Extension(PeerAddr(peer)): Extension<PeerAddr>,
               Extension(id): Extension<RequestId>| async move { format!("{peer} {id}") };
    let (opening, dropped) = (Arc::clone(gate), Arc::clone(gate));
    let arrived = Arc::clone(arrived);
    let wait = || async move {
        arrived.notify_one();
        opening.notified().await;
        "opened"
    };
    let flood = || async { endless(1 << 20, dropped) };
    let count = |body: Bytes| async move { body.len().to_string() };
    Router::new()
        .route("/", get(who))
        .route("/gate", get(wait))
        .route(
            "/count",
            post(count).layer(axum::extract::DefaultBodyLimit::max(8 << 20)),
        )
        .route("/panic", get(panics))
        .route("/flood", get(flood))
        .route("/drip", get(async || endless(1, Arc::default())))
}

async fn panics() -> &'static str {
    tokio::task::yield_now().await;
    panic!("no {}", "way");
}

/// An answer that goes on for ever, with so many bytes each few milliseconds; tells when it is
/// dropped.
fn endless(bytes: usize, dropped: Arc<Notify>) -> Response {
    let chunks = futures_util::stream::unfold(TellDrop(dropped), move |tell| async move {
        Clock::system().sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes])), tell))
    });
    Response::new(Body::from_stream(chunks))
}

struct TellDrop(Arc<Notify>);

impl Drop for TellDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let ended = Clock::system()
        .timeout(LATER, stream.read_to_end(&mut answer))
        .await;
    let _ = ended.expect("the server closes the connection");
    String::from_utf8(answer).unwrap()
}

/// Sends a request and reads its answer, whose length it tells, leaving the connection open.
async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut byte = [0];
    while !answer.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        answer.push(char::from(byte[0]));
    }
    let (_, length) = answer.split_once("content-length: ").unwrap();
    let length: usize = length.split_once("\r\n").unwrap().0.parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    answer + &String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn a_request_knows_its_peer_and_its_id_which_comes_back() {
    let server = Server::start(HttpLimits::default()).await;
    let answer = server
        .exchange(&format!("{CLOSE}x-request-id: mine-1\r\n\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-request-id: mine-1\r\n"), "{answer}");
    assert!(answer.ends_with("127.0.0.1 mine-1"), "{answer}");

    let answer = server
        .exchange(&format!("{CLOSE}x-request-id: a/b\r\n\r\n"))
        .await;
    let (_, id) = answer.split_once("x-request-id: ").unwrap();
    assert!(
        answer.ends_with(&format!("127.0.0.1 {}", &id[..36])),
        "{answer}"
    );

    let absent = CLOSE.replace("GET / ", "GET /nowhere ");
    let answer = server.exchange(&format!("{absent}\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 404") && answer.contains("x-request-id: "),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn silence_ends_a_connection_at_each_stage() {
    let server = Server::start(HttpLimits::default()).await;
    for (what, bytes) in [
        ("nothing", ""),
        ("half a head", "GET / HTTP/1.1\r\nhost:"),
        ("P", "P"),
    ] {
        let answer = server.in_time(server.exchange(bytes)).await;
        assert_eq!(answer, "", "{what}");
    }
    let mut idle = server.connect().await;
    for _ in 0..3 {
        server.hand.advance(HttpLimits::default().idle / 2);
        let answer = ask(&mut idle, &format!("{KEEP}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(server.in_time(to_end(&mut idle)).await, "");

    let mut second_head = server.connect().await;
    ask(&mut second_head, &format!("{KEEP}\r\n{KEEP}")).await;
    assert_eq!(server.in_time(to_end(&mut second_head)).await, "");
    server.stop().await;
}

#[tokio::test]
async fn a_head_sent_byte_by_byte_is_cut_off() {
    let server = Server::start(HttpLimits::default()).await;
    let mut stream = server.connect().await;
    let clock = Clock::system();
    let trickle = async {
        for byte in std::iter::repeat(b"GET / HTTP/1.1\r\nx: yyyyy").flatten() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            clock.sleep(Duration::from_millis(5)).await;
        }
    };
    server.in_time(trickle).await;
    server.stop().await;
}

#[tokio::test]
async fn whoever_does_not_read_is_cut_off_and_whoever_does_is_not() {
    let server = Server::start(HttpLimits::default()).await;
    let mut listening = server.connect().await;
    let request = CLOSE.replace("GET / ", "GET /drip ");
    let request = format!("{request}\r\n");
    listening.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    for _ in 0..20 {
        let length = listening.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "a stream is no idle connection");
        server.hand.advance(STEP * 10);
    }

    let mut deaf = server.connect().await;
    let request = CLOSE.replace("GET / ", "GET /flood ");
    let request = format!("{request}\r\n");
    deaf.write_all(request.as_bytes()).await.unwrap();
    server.in_time(server.gate.notified()).await;
    drop(listening);
    server.stop().await;
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let server = Server::start(HttpLimits::default()).await;
    let fits = format!("{CLOSE}x: {}\r\n\r\n", "y".repeat(16_000));
    assert!(server.exchange(&fits).await.starts_with("HTTP/1.1 200"));
    let long = format!("/?{}", "q".repeat(8_190));
    let fits = CLOSE.replace(" / ", &format!(" {long} "));
    assert!(
        server
            .exchange(&format!("{fits}\r\n"))
            .await
            .starts_with("HTTP/1.1 200")
    );

    let fat = format!("{CLOSE}x: {}\r\n\r\n", "y".repeat(17_000));
    let answer = server.exchange(&fat).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let longer = CLOSE.replace(" / ", &format!(" {long}q "));
    let answer = server.exchange(&format!("{longer}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 414"), "{answer}");
    assert!(answer.contains("x-request-id: "), "{answer}");
    let endless = format!("{CLOSE}x: {}", "y".repeat(200_000));
    let mut stream = server.connect().await;
    // It may be refused before all of it is sent.
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut start = [0; 12];
    if stream.read_exact(&mut start).await.is_ok() {
        assert_eq!(&start, b"HTTP/1.1 431");
    }
    server.stop().await;
}

#[tokio::test]
async fn large_bodies_pass() {
    let server = Server::start(HttpLimits::default()).await;
    let length = 5 << 20;
    let head = format!(
        "POST /count HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    let answer = server.exchange(&(head + &"b".repeat(length))).await;
    assert!(answer.ends_with("5242880"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_by_address_and_in_all() {
    for limits in [
        HttpLimits {
            connections_per_address: 1,
            ..HttpLimits::default()
        },
        HttpLimits {
            connections: 1,
            ..HttpLimits::default()
        },
    ] {
        let server = Server::start(limits).await;
        let mut first = server.connect().await;
        ask(&mut first, &format!("{KEEP}\r\n")).await;
        assert_eq!(server.exchange("").await, "");
        ask(&mut first, &format!("{KEEP}\r\n")).await;
        drop(first);
        let clock = Clock::system();
        let again = async {
            while !server
                .exchange(&format!("{CLOSE}\r\n"))
                .await
                .starts_with("HTTP/1.1 200")
            {
                tokio::task::yield_now().await;
            }
        };
        clock
            .timeout(LATER, again)
            .await
            .expect("the place is given back");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_connection_goes_on() {
    let server = Server::start(HttpLimits::default()).await;
    let mut stream = server.connect().await;
    let panic = KEEP.replace("GET / ", "GET /panic ");
    let answer = ask(&mut stream, &format!("{panic}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(
        !answer.contains("no way") && answer.contains("x-request-id: "),
        "{answer}"
    );
    let answer = ask(&mut stream, &format!("{KEEP}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn stopping_finishes_what_was_begun_and_takes_nothing_new() {
    let server = Server::start(HttpLimits::default()).await;
    let mut idle = server.connect().await;
    ask(&mut idle, &format!("{KEEP}\r\n")).await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    let gate = KEEP.replace("GET / ", "GET /gate ");
    busy.write_all(format!("{gate}\r\n").as_bytes())
        .await
        .unwrap();
    server.arrived.notified().await;
    let (address, gate) = (server.address, Arc::clone(&server.gate));
    let client = async {
        // Idle connections end at once, while the busy one is still being answered.
        assert_eq!(to_end(&mut idle).await, "");
        assert_eq!(to_end(&mut silent).await, "");
        TcpStream::connect(address)
            .await
            .expect_err("the listener is closed");
        gate.notify_one();
        let answer = to_end(&mut busy).await;
        assert!(answer.ends_with("opened"), "{answer}");
    };
    let ((), ()) = tokio::join!(server.stop(), client);
}

#[tokio::test]
async fn http2_is_spoken_to_whoever_begins_with_it() {
    let server = Server::start(HttpLimits::default()).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    TaskTracker::new().spawn(connection);
    let requests = (0..50).map(|number| {
        let request = Request::get("http://x/")
            .header("x-request-id", format!("n{number}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let sent = sender.send_request(request);
        async move {
            let response = sent.await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, format!("127.0.0.1 n{number}"));
        }
    });
    futures_util::future::join_all(requests).await;

    let panic = Request::get("http://x/panic")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(panic).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);

    let gate = Request::get("http://x/gate")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let gated = sender.send_request(gate);
    let gate = Arc::clone(&server.gate);
    let arrived = Arc::clone(&server.arrived);
    let client = async {
        arrived.notified().await;
        gate.notify_one();
        let body = gated
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body, "opened");
    };
    let ((), ()) = tokio::join!(server.stop(), client);
}

#[tokio::test]
async fn an_idle_http2_connection_ends() {
    let server = Server::start(HttpLimits::default()).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let request = Request::get("http://x/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let client = async {
        sender.send_request(request).await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = client => {}
        _ = server.in_time(connection) => {}
    }
    server.stop().await;
}
