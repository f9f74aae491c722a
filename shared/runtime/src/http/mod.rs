//! Serving HTTP/1 and HTTP/2 on an open port: our own accept loop, since `axum::serve` bounds
//! neither what a slow client holds nor how many of them there are.
//!
//! What it adds to a responder: bounds on connections, heads and waiting, a [`RequestId`] and a
//! [`PeerAddr`] in each request's extensions, the id echoed on each answer, a panic answered with
//! 500, one summary line for each request, and a drain that finishes what was begun.

mod admission;
mod connection;
mod peer;
mod pulse;
mod request_id;
mod respond;
mod service;
mod stream;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::net::TcpListener;

use crate::entropy::Entropy;
use crate::lifecycle::{TaskKind, Tasks};
use crate::telemetry::names;
use admission::Admission;
use connection::Connection;
use service::Edge;

pub use peer::{PeerAddr, Proxies, ProxyHeader};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use respond::Respond;
pub use service::{Notes, REQUEST_TARGET};

/// How long to leave the listener alone when the system has no descriptors or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a client may hold, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections in all; more are closed at once.
    pub connections: usize,
    /// Connections from one address, or from one /64 of IPv6; trusted proxies are exempt.
    pub connections_per_address: usize,
    /// How long a new connection may stay silent.
    pub first_byte: Duration,
    /// How long a request's head may take, from its first byte. HTTP/1 only.
    pub head: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// How long a client may take nothing of its answer.
    pub write_stall: Duration,
    /// The longest target of a request, in bytes.
    pub target_bytes: usize,
    /// The most bytes of header names and values.
    pub header_bytes: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// What a client may hold.
    pub limits: HttpLimits,
    /// Whose word about the client's address is believed.
    pub proxies: Proxies,
    /// Makes the answer to a request that the router never saw (414: its target is too long, 431: its headers
    /// are) or did not survive (500).
    pub refuse: fn(StatusCode) -> Response,
    /// Where new request ids come from.
    pub entropy: Entropy,
}

impl HttpConfig {
    /// The default limits, no proxies, and refusals without a body.
    pub fn new(entropy: Entropy) -> Self {
        Self {
            limits: HttpLimits::default(),
            proxies: Proxies::default(),
            refuse: IntoResponse::into_response,
            entropy,
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 8_192,
            connections_per_address: 2_048,
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
            target_bytes: 8 * 1024,
            header_bytes: 16 * 1024,
            streams: 128,
        }
    }
}

/// Serves `responder` until the stage of `tasks` stops. Connections are tasks of that stage: they
/// finish the requests they began, and the stage waits for them.
///
/// What goes wrong on accepting is waited out: a listener that gave up would take a healthy
/// process down.
pub async fn serve(
    listener: TcpListener,
    responder: impl Respond,
    config: HttpConfig,
    tasks: Tasks,
) {
    let admission = Arc::new(Admission::new(&config));
    let edge = Arc::new(Edge::new(responder, config, tasks.clone()));
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tasks.clock().sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match admission.admit(peer.ip()) {
            Ok(place) => {
                let connection = Connection::new(Arc::clone(&edge), peer, place);
                tasks.spawn(TaskKind::Request, "http connection", connection.run(stream));
            }
            Err(reason) => {
                metrics::counter!(names::HTTP_REFUSED, "reason" => reason).increment(1);
            }
        }
    }
}

/// Whether the client went away before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
