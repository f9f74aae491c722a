//! What the accept loop says of a request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::Extensions;

/// The caller's address.
pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let info = extensions.get::<ConnectInfo<SocketAddr>>();
    info.map(|info| info.0.ip())
}

/// The request's name.
pub(super) fn request_id(_: &Extensions) -> Option<String> {
    Some(String::new())
}
