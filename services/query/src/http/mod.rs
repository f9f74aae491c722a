//! What stands in front of every endpoint, in the order of v1-contract.md 4: the gate (401, 403,
//! 429, 503), then, for an answer that is kept, the cache; else the table of routes (404, 405,
//! 403) and the endpoint.

mod denial;
mod docs;
mod document;
mod fixed;
mod packed;
mod schemas;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use api::error::{ApiError, ErrorCode, Rendering};
use api::header::{QueryHeaders, TGA_KEY_EXPIRES_AT, TGA_MIN_POSITION, wants_strict};
use api::route::{self, Route, Service as Owner};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use domain::ids::GlobalPosition;
use gate::{Admission, Denial, Gate, Principal, Purpose, Rate};
use http::header::CONTENT_LENGTH;
use http::{Extensions, HeaderMap, HeaderValue, Method};
use runtime::clock::Monotonic;
use runtime::http::{Notes, PeerAddr, REQUEST_TARGET, RequestId, Respond, X_REQUEST_ID};
use tower::ServiceExt;

pub use self::denial::refused;
pub use self::document::{Described, Documents};
use self::packed::Coding;
pub use self::packed::Packed;
use crate::app::Shared;
use crate::cache::{Entry, target_of};
use crate::call::Call;
use crate::metrics::RouteMetrics;

/// Takes every request; cheap to clone.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    app: Shared,
    gate: Gate,
    endpoints: Router,
    documents: Documents,
}

/// What became of a request, for counting.
struct Outcome {
    response: Response,
    metrics: RouteMetrics,
}

impl Front {
    /// In front of these endpoints.
    pub(crate) fn new(app: Shared, gate: Gate, endpoints: Router, documents: Documents) -> Self {
        Self(Arc::new(Inner {
            app,
            gate,
            endpoints,
            documents,
        }))
    }

    async fn answer(&self, mut request: Request) -> Response {
        let inner = &*self.0;
        let began = inner.app.clock.monotonic();
        let is_head = *request.method() == Method::HEAD;
        let id = inner.identify(&mut request);
        let coding = Coding::wanted_by(request.headers()).filter(|_| !is_head);
        let Outcome {
            mut response,
            metrics,
        } = inner.answer(request, coding).await;
        if is_head {
            drop_body(&mut response);
        }
        if let Some(id) = id {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        inner.count(&response, &metrics, began);
        response
    }
}

impl Respond for Front {
    async fn respond(&self, request: Request) -> Response {
        self.answer(request).await
    }
}

impl Inner {
    /// Names a request that came over no connection; the accept loop names all others.
    fn identify(&self, request: &mut Request) -> Option<HeaderValue> {
        if request.extensions().get::<RequestId>().is_some() {
            return None;
        }
        let id = RequestId::of(request.headers(), &self.app.clock, &self.app.entropy);
        let value = id.header_value();
        request.extensions_mut().insert(id);
        Some(value)
    }

    async fn answer(&self, request: Request, coding: Option<Coding>) -> Outcome {
        if let Some(document) = self.documents.find(request.uri().path()) {
            let mut response = document.respond(request.method(), request.headers());
            if let Some(coding) = coding {
                Box::pin(document.pack(&mut response, coding)).await;
            }
            return Outcome {
                response,
                metrics: self.metrics_of(document.route()),
            };
        }
        if docs::has(request.uri().path()) || schemas::has(request.uri().path()) {
            return Box::pin(self.explain(request, coding)).await;
        }
        let admission = match self
            .admit(request.headers(), peer_of(request.extensions()))
            .await
        {
            Ok(admission) => admission,
            Err(denial) => return self.refuse(denial, request.headers()),
        };
        let mut outcome = match self.kept(&request, &admission) {
            Some((entry, asked)) => {
                self.app.lookups.hit.increment(1);
                self.gate.count(&admission, purpose(entry.route));
                let mut response = entry.answer.respond(entry.position, &asked);
                if let Some(coding) = coding {
                    let body = entry.answer.body();
                    Box::pin(entry.packed.put(&mut response, body, coding)).await;
                }
                Outcome {
                    response,
                    metrics: entry.metrics.clone(),
                }
            }
            // Apart, so that kept answers do not carry its future.
            None => Box::pin(self.dispatch(request, &admission, coding)).await,
        };
        let headers = outcome.response.headers_mut();
        denial::set_rate(headers, &admission.rate);
        if let Some(end) = admission.key_expires_at
            && let Ok(end) = HeaderValue::try_from(end.to_string())
        {
            headers.insert(TGA_KEY_EXPIRES_AT, end);
        }
        if tracing::enabled!(target: REQUEST_TARGET, tracing::Level::INFO) {
            let notes = notes(&admission.principal, &outcome.metrics);
            outcome.response.extensions_mut().insert(notes);
        }
        outcome
    }

    /// The reference for people and the schemas of events, which are nobody's in particular.
    async fn explain(&self, request: Request, coding: Option<Coding>) -> Outcome {
        let (asked, _) = request.into_parts();
        let (path, http) = (asked.uri.path(), &self.app.http);
        let (response, metrics) = if schemas::has(path) {
            let schema = schemas::respond(&asked.method, path, &asked.headers, coding);
            (schema.await, http.schemas())
        } else {
            let page = docs::respond(&asked.method, path, &asked.headers, coding);
            (page.await, http.docs())
        };
        Outcome {
            response,
            metrics: metrics.clone(),
        }
    }

    /// Steps 1 to 3: who calls, the window, the day.
    async fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Admission, Denial> {
        if wants_strict(headers) || !self.gate_has(headers) {
            Box::pin(self.gate.authorize_strictly(headers, peer)).await
        } else {
            self.gate.authorize(headers, peer).await
        }
    }

    /// Whether the gate knows everything up to the position that is asked for.
    fn gate_has(&self, headers: &HeaderMap) -> bool {
        let Some(wanted) = headers.get(&TGA_MIN_POSITION) else {
            return true;
        };
        let wanted = wanted.to_str().ok().and_then(|text| text.parse().ok());
        // What is malformed is refused later, among the other input.
        let wanted = GlobalPosition::new(wanted.unwrap_or(0));
        let freshness = self.app.cache.freshness();
        // In this order: nothing up to `followed` changes who may call above `auth_followed`.
        wanted <= freshness.followed() && self.gate.applied() >= freshness.auth_followed()
    }

    /// The kept answer to a request, if the caller may have it and asked for nothing else.
    fn kept(&self, request: &Request, admission: &Admission) -> Option<(Arc<Entry>, QueryHeaders)> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let org = admission.principal.org();
        let app = &self.app;
        let entry = app.cache.get(org, &target(request), || app.now())?;
        let scopes = admission.principal.scopes();
        let may_read = entry
            .route
            .scope()
            .is_some_and(|scope| scopes.contains(scope));
        let asked = QueryHeaders::read(request.headers()).ok()?;
        (may_read && entry.position >= asked.min_position).then_some((entry, asked))
    }

    /// Step 4 and all that follow.
    async fn dispatch(
        &self,
        mut request: Request,
        admission: &Admission,
        coding: Option<Coding>,
    ) -> Outcome {
        let is_session = matches!(admission.principal, Principal::Session { .. });
        let scopes = admission.principal.scopes();
        let found = route::find(request.method(), request.uri().path());
        let route = match found.admit(scopes, is_session) {
            Ok(route) if route.service() == Owner::Query => route,
            // One host serves both, and sends commands to the other service.
            Ok(_) => {
                let error = ApiError::method_not_allowed("GET, HEAD");
                return self.fail(error, request.headers(), None);
            }
            Err(error) => {
                // The scope may have been taken away a moment ago.
                if error.code() == ErrorCode::InsufficientScope
                    && let Err(denial) = self.gate.may_tell(admission).await
                {
                    return self.refuse(denial, request.headers());
                }
                return self.fail(error, request.headers(), None);
            }
        };
        self.gate.count(admission, purpose(route));
        let call = Call::new(admission, route, target(&request));
        request.extensions_mut().insert(call);
        let rendering = Rendering::wanted_by(request.headers());
        let endpoints = self.endpoints.clone();
        let response = match endpoints.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let mut response = api::error::rendered(response, rendering);
        if let Some(coding) = coding {
            response = packed::compress(response, coding).await;
        }
        Outcome {
            response,
            metrics: self.metrics_of(Some(route)),
        }
    }

    fn refuse(&self, denial: Denial, headers: &HeaderMap) -> Outcome {
        let (error, rate): (ApiError, Option<Rate>) = denial::refused(denial, || self.app.jitter());
        let mut outcome = self.fail(error, headers, None);
        if let Some(rate) = rate {
            denial::set_rate(outcome.response.headers_mut(), &rate);
        }
        outcome
    }

    fn fail(&self, error: ApiError, headers: &HeaderMap, route: Option<&'static Route>) -> Outcome {
        Outcome {
            response: error.into_rendered(Rendering::wanted_by(headers)),
            metrics: self.metrics_of(route),
        }
    }

    fn metrics_of(&self, route: Option<&'static Route>) -> RouteMetrics {
        self.app.http.of(route).clone()
    }

    fn count(&self, response: &Response, metrics: &RouteMetrics, began: Monotonic) {
        let took = self.app.clock.monotonic().saturating_since(began);
        metrics.record(response.status(), took);
    }
}

/// What a request is counted as.
fn purpose(route: &'static Route) -> Purpose {
    Purpose {
        method: route.verb.name(),
        route: route.path,
        scope: route.scope(),
    }
}

/// For the request's summary line.
fn notes(principal: &Principal, metrics: &RouteMetrics) -> Notes {
    let credential = match principal {
        Principal::Key { id, .. } => id.as_uuid(),
        Principal::Session { id, .. } => id.as_uuid(),
    };
    Notes {
        route: metrics.route(),
        tenant: Some(principal.org().as_uuid()),
        credential: Some(credential),
    }
}

/// What an answer to this request is kept by.
fn target(request: &Request) -> std::borrow::Cow<'_, str> {
    let uri = request.uri();
    let path_and_query = uri.path_and_query().map_or("/", |all| all.as_str());
    target_of(uri.path(), uri.query(), path_and_query)
}

/// Who is at the other end; a request that came over no connection comes from this machine.
pub fn peer_of(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<PeerAddr>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0)
}

/// HEAD: what GET would answer, without the body.
fn drop_body(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact()
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        let length = HeaderValue::from(length);
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    *response.body_mut() = Body::empty();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<'a, F: Future>(_: impl Fn(&'a Front, Request) -> F) -> usize {
        size_of::<F>()
    }

    /// Every request moves its future: what is rare stands apart.
    #[test]
    fn the_future_of_an_answer_is_small() {
        let bytes = future_bytes(Front::answer);
        assert!(bytes <= 2_560, "{bytes}");
    }
}
