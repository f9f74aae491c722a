//! The accept loop: HTTP/1 and HTTP/2 with a deadline for every wait and a cap on everything that
//! a stranger can make grow (security.md, 13).
//!
//! `axum::serve` has no header timeout, and hyper's does nothing without a timer; a connection
//! that sends nothing at all needs a deadline of its own.

mod caps;
mod request_id;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use self::caps::{Caps, Place};
use crate::lifecycle::{TaskKind, Tasks};

pub use self::request_id::{RequestId, request_id};

/// Who is at the other end of the connection: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Open connections in all; beyond, new ones wait in the kernel's queue.
    pub connections: usize,
    /// Open connections of one address; beyond, new ones are closed at once.
    pub connections_per_address: usize,
    /// How long a new connection may send nothing.
    pub first_byte: Duration,
    /// How long a request's head may take, and how long a connection may idle between requests.
    pub head: Duration,
    /// All headers of a request together, in bytes.
    pub header_bytes: u32,
    /// Requests under way at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for HttpLimits {
    /// 8,192 connections, 1,024 of one address, 10 s for a first byte, 30 s for a head, 16 KiB of
    /// headers, 128 streams.
    fn default() -> Self {
        Self {
            connections: 8_192,
            connections_per_address: 1_024,
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(30),
            header_bytes: 16 * 1024,
            streams: 128,
        }
    }
}

/// Failed accepts (no descriptors left) are tried again after this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the soft token, then lets requests that have begun finish.
pub async fn serve(listener: TcpListener, router: Router, limits: HttpLimits, tasks: Tasks) {
    let caps = Caps::new(limits.connections, limits.connections_per_address);
    let builder = Arc::new(builder(&limits));
    loop {
        let room = tokio::select! {
            () = tasks.stopping() => return,
            room = caps.room() => room,
        };
        let accepted = tokio::select! {
            () = tasks.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tasks.clock().sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = caps.place(peer.ip(), room) else {
            continue;
        };
        let connection = Connection {
            stream,
            peer,
            place,
            router: router.clone(),
            builder: Arc::clone(&builder),
            first_byte: limits.first_byte,
            tasks: tasks.clone(),
        };
        tasks.spawn(TaskKind::Request, "http connection", connection.serve());
    }
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = limits.header_bytes as usize;
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(header_bytes.max(MIN_BUFFER))
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .max_pending_accept_reset_streams(20)
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.first_byte);
    builder
}

/// hyper's smallest read buffer.
const MIN_BUFFER: usize = 8 * 1024;

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    router: Router,
    builder: Arc<auto::Builder<TokioExecutor>>,
    first_byte: Duration,
    tasks: Tasks,
}

impl Connection {
    async fn serve(self) {
        let _place = self.place;
        let clock = self.tasks.clock();
        let mut first = [0];
        let heard = clock.timeout(self.first_byte, self.stream.peek(&mut first));
        let spoke = tokio::select! {
            () = self.tasks.stopping() => return,
            heard = heard => matches!(heard, Ok(Ok(1))),
        };
        if !spoke || self.stream.set_nodelay(true).is_err() {
            return;
        }
        let peer = PeerAddr(self.peer.ip());
        let service = self
            .router
            .map_request(move |mut request: hyper::Request<_>| {
                request.extensions_mut().insert(peer);
                request.map(Body::new)
            });
        let service = TowerToHyperService::new(service);
        let served = self
            .builder
            .serve_connection(TokioIo::new(self.stream), service);
        let mut served = std::pin::pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = self.tasks.stopping() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, peer = %self.peer, "connection broken off");
        }
    }
}
