use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::Service;

/// What stands behind a listener: a router, or something quicker that may have one behind it.
pub trait Respond: Send + Sync + 'static {
    /// Answers one request. A panic is answered with 500 and touches no other request.
    fn respond(&self, request: Request) -> impl Future<Output = Response> + Send;
}

impl Respond for Router {
    async fn respond(&self, request: Request) -> Response {
        match self.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
