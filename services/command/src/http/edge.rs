//! What the accept loop says of a request, or what stands for it where there is none (tests).

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Extensions;
use runtime::http::{PeerAddr, RequestId, X_REQUEST_ID};

use super::App;

/// The caller's address; a request that came over no connection comes from this machine.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<PeerAddr>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0)
}

/// The request's id.
pub(super) fn id(extensions: &Extensions) -> Option<&str> {
    extensions.get::<RequestId>().map(RequestId::as_str)
}

/// A layer that gives a request an id, unless the accept loop did.
pub(super) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if id(request.extensions()).is_some() {
        return next.run(request).await;
    }
    let id = RequestId::of(request.headers(), app.clock(), app.entropy());
    let value = id.header_value();
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_REQUEST_ID, value);
    response
}
