use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::admission::Place;
use super::pulse::{Overdue, Pulse};
use super::respond::Respond;
use super::service::Edge;
use super::stream::Stream;
use crate::lifecycle::{TaskKind, Tasks};
use crate::telemetry::names;

/// How an HTTP/2 connection begins, as far as no request of HTTP/1 does.
const HTTP2_PREFACE: &[u8; 3] = b"PRI";
const PREFACE_PAUSE: Duration = Duration::from_millis(5);
const PREFACE_LOOKS: usize = 20;
/// How long an idle connection may take to end by itself.
const GOODBYE: Duration = Duration::from_millis(100);
const READ_BUFFER: usize = 128 * 1024;
const HTTP2_PING: Duration = Duration::from_secs(20);
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;
const HTTP2_SEND_BUFFER: usize = 128 * 1024;
const HTTP2_RESETS: usize = 128;

/// One connection, from its first byte to its end.
#[derive(Debug)]
pub(super) struct Connection<R> {
    edge: Arc<Edge<R>>,
    peer: SocketAddr,
    _place: Place,
}

enum Version {
    Http1,
    Http2,
}

/// What both versions of hyper's connections can do.
trait Graceful: Future<Output = hyper::Result<()>> {
    /// Finishes what was begun and takes nothing new.
    fn finish(self: Pin<&mut Self>);
}

/// Runs the streams of HTTP/2 as tasks of the stage.
#[derive(Clone, Debug)]
struct StreamTasks(Tasks);

impl<R: Respond> Connection<R> {
    pub fn new(edge: Arc<Edge<R>>, peer: SocketAddr, place: Place) -> Self {
        Self {
            edge,
            peer,
            _place: place,
        }
    }

    pub async fn run(self, stream: TcpStream) {
        // Only slower without it.
        let _ = stream.set_nodelay(true);
        let tasks = &self.edge.tasks;
        let limit = self.edge.config.limits.first_byte;
        let version = tokio::select! {
            biased;
            version = tasks.clock().timeout(limit, self.version(&stream)) => version,
            () = tasks.stopping() => return,
        };
        match version {
            Ok(Some(Version::Http1)) => self.http1(stream).await,
            Ok(Some(Version::Http2)) => self.http2(stream).await,
            Ok(None) => {}
            Err(_) => closed("first byte"),
        }
    }

    /// Looks at the first bytes without taking them; none if the client went away.
    async fn version(&self, stream: &TcpStream) -> Option<Version> {
        let mut start = [0; HTTP2_PREFACE.len()];
        for _ in 0..PREFACE_LOOKS {
            let length = stream
                .peek(&mut start)
                .await
                .ok()
                .filter(|length| *length > 0)?;
            if start[..length] != HTTP2_PREFACE[..length] {
                return Some(Version::Http1);
            }
            if length == HTTP2_PREFACE.len() {
                return Some(Version::Http2);
            }
            self.edge.tasks.clock().sleep(PREFACE_PAUSE).await;
        }
        Some(Version::Http1)
    }

    async fn http1(&self, stream: TcpStream) {
        let (pulse, io) = self.open(stream, true);
        let limits = &self.edge.config.limits;
        let mut server = http1::Builder::new();
        server
            .max_buf_size(READ_BUFFER)
            .max_header_size(limits.header_bytes + limits.target_bytes)
            // The watch does it, without a timer for each request.
            .header_read_timeout(None);
        let answering = Arc::clone(&pulse);
        let service = service_fn(|request| {
            Arc::clone(&self.edge).answer(request, self.peer.ip(), Arc::clone(&answering))
        });
        self.drive(server.serve_connection(io, service), &pulse)
            .await;
    }

    async fn http2(&self, stream: TcpStream) {
        let (pulse, io) = self.open(stream, false);
        let limits = &self.edge.config.limits;
        let list = limits.header_bytes + limits.target_bytes;
        let mut server = http2::Builder::new(StreamTasks(self.edge.tasks.clone()));
        server
            .timer(TokioTimer::new())
            .keep_alive_interval(HTTP2_PING)
            .keep_alive_timeout(HTTP2_PING)
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_send_buf_size(HTTP2_SEND_BUFFER)
            .max_local_error_reset_streams(HTTP2_RESETS);
        let (edge, ip, answering) = (Arc::clone(&self.edge), self.peer.ip(), Arc::clone(&pulse));
        let service = service_fn(move |request| {
            Arc::clone(&edge).answer(request, ip, Arc::clone(&answering))
        });
        self.drive(server.serve_connection(io, service), &pulse)
            .await;
    }

    fn open(&self, stream: TcpStream, heads_follow: bool) -> (Arc<Pulse>, TokioIo<Stream>) {
        let pulse = Arc::new(Pulse::new(self.edge.tasks.clock().clone(), heads_follow));
        let io = TokioIo::new(Stream::new(stream, Arc::clone(&pulse)));
        (pulse, io)
    }

    /// Runs the connection until it ends, is overdue, or the stage stops.
    async fn drive(&self, connection: impl Graceful, pulse: &Pulse) {
        let (clock, limits) = (self.edge.tasks.clock(), &self.edge.config.limits);
        // A child of its own: each look at a token takes a lock, and this one nobody shares.
        let soft = self.edge.tasks.soft().child_token();
        let mut stopping = std::pin::pin!(soft.cancelled());
        let mut connection = std::pin::pin!(connection);
        let mut finishing = false;
        loop {
            let next = match pulse.check(limits) {
                Ok(next) => next,
                Err(overdue) => {
                    closed(overdue.reason());
                    if overdue == Overdue::Idle {
                        // Says goodbye where the protocol knows how to; what stays is dropped.
                        connection.as_mut().finish();
                        let _ = clock.timeout(GOODBYE, connection).await;
                    }
                    return;
                }
            };
            let mut watch = std::pin::pin!(clock.sleep_until(next));
            loop {
                tokio::select! {
                    biased;
                    // Mostly that the client went away: nobody is left to tell.
                    _ = &mut connection => return,
                    () = &mut stopping, if !finishing => {
                        finishing = true;
                        connection.as_mut().finish();
                    }
                    () = &mut watch => break,
                }
            }
        }
    }
}

impl<I, B, S> Graceful for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S, E> Graceful for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<F> Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(TaskKind::Request, "http2 stream", future);
    }
}

fn closed(reason: &'static str) {
    metrics::counter!(names::HTTP_CLOSED, "reason" => reason).increment(1);
}
