use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tracing::Level;
use uuid::Uuid;

use super::pulse::{InFlight, Pulse};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::respond::Respond;
use super::{HttpConfig, PeerAddr};
use crate::lifecycle::Tasks;
use crate::telemetry::names;

/// The target of the summary lines, to be named in a log filter.
pub const REQUEST_TARGET: &str = "request";

/// What stands between a connection and the responder; one for each listener.
#[derive(Debug)]
pub(super) struct Edge<R> {
    responder: R,
    pub config: HttpConfig,
    pub tasks: Tasks,
    panics: metrics::Counter,
}

/// What only the responder knows about a request, put into the answer's extensions for the summary
/// line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notes {
    /// The route's template.
    pub route: Option<&'static str>,
    /// Whose data it was about.
    pub tenant: Option<Uuid>,
    /// What the caller showed, by its public id.
    pub credential: Option<Uuid>,
}

/// A body that ends its request when it is sent or dropped.
#[derive(Debug)]
pub(super) struct AnswerBody {
    inner: Body,
    _request: InFlight,
}

/// What the summary line says of the request, kept until the answer is there.
struct Begun {
    method: Method,
    uri: Uri,
    peer: PeerAddr,
    at: crate::clock::Monotonic,
}

impl<R: Respond> Edge<R> {
    pub fn new(responder: R, config: HttpConfig, tasks: Tasks) -> Self {
        Self {
            responder,
            config,
            tasks,
            panics: metrics::counter!(names::HTTP_PANICS),
        }
    }

    /// Answers one request.
    pub async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        connection: IpAddr,
        pulse: Arc<Pulse>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let in_flight = pulse.begin();
        let clock = self.tasks.clock();
        let id = RequestId::of(request.headers(), clock, &self.config.entropy);
        let peer = PeerAddr::resolve(connection, request.headers(), &self.config.proxies);
        let begun = tracing::enabled!(target: REQUEST_TARGET, Level::INFO).then(|| Begun {
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer,
            at: clock.monotonic(),
        });
        let oversized = self.oversized(request.uri(), request.headers());
        let mut response = if let Some(status) = oversized {
            (self.config.refuse)(status)
        } else {
            let extensions = request.extensions_mut();
            extensions.insert(id.clone());
            extensions.insert(peer);
            self.route(request, &id).await
        };
        response
            .headers_mut()
            .insert(X_REQUEST_ID, id.header_value());
        if let Some(begun) = begun {
            self.summarize(&begun, &id, &response);
        }
        Ok(response.map(|inner| AnswerBody {
            inner,
            _request: in_flight,
        }))
    }

    async fn route(&self, request: Request<Incoming>, id: &RequestId) -> Response {
        // A request without a body, as most are, needs no place for one.
        let request = request.map(|body| {
            if body.is_end_stream() {
                Body::empty()
            } else {
                Body::new(body)
            }
        });
        let answer = async { self.responder.respond(request).await };
        if let Ok(response) = AssertUnwindSafe(answer).catch_unwind().await {
            return response;
        }
        self.panics.increment(1);
        tracing::error!(request.id = id.as_str(), "a handler panicked");
        (self.config.refuse)(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn oversized(&self, uri: &Uri, headers: &HeaderMap) -> Option<StatusCode> {
        let target = uri
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        if target > self.config.limits.target_bytes {
            return Some(StatusCode::URI_TOO_LONG);
        }
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        (bytes > self.config.limits.header_bytes)
            .then_some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    }

    /// Writes the summary line. The query is left out: a credential may stand there by mistake.
    fn summarize(&self, begun: &Begun, id: &RequestId, response: &Response) {
        let notes = response
            .extensions()
            .get::<Notes>()
            .copied()
            .unwrap_or_default();
        let elapsed = self.tasks.clock().monotonic().saturating_since(begun.at);
        tracing::info!(
            target: REQUEST_TARGET,
            {
                request.id = id.as_str(),
                http.method = begun.method.as_str(),
                http.path = begun.uri.path(),
                http.route = notes.route,
                http.status = response.status().as_u16(),
                client.address = %begun.peer.0,
                tenant.id = notes.tenant.map(tracing::field::display),
                credential.id = notes.credential.map(tracing::field::display),
                elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            },
            "answered"
        );
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
