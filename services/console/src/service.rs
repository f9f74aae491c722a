//! The console as a service.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn;
use axum::response::Response;
use http::header::CONTENT_DISPOSITION;
use http::{Extensions, HeaderMap, StatusCode, Version};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::http::Respond;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::csrf::CsrfLayer;
use url::Url;

use crate::app::{App, Shared};
use crate::assets::Assets;
use crate::client::Api;
use crate::form::FORM_BYTES;
use crate::{protect, routes};

/// What a console rests on.
pub struct Parts {
    /// Where query services answer.
    pub query_url: Url,
    /// Where command services answer.
    pub command_url: Url,
    /// Where scripts reach the API; if nobody told, the examples say so.
    pub public_url: Option<Url>,
    /// Where agents reach MCP, if they do.
    pub mcp_url: Option<Url>,
    /// What people know the provider as that they may sign in with, if there is one.
    pub oidc_name: Option<String>,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
#[error("the client of the APIs cannot be made")]
pub struct ConsoleError(#[from] reqwest::Error);

/// Takes every request of browsers; cheap to clone.
#[derive(Clone)]
pub struct Console(Router);

impl Console {
    /// Makes it.
    ///
    /// # Errors
    /// If no client of the APIs can be made.
    pub fn new(parts: Parts) -> Result<Self, ConsoleError> {
        let (assets, files) = Assets::load();
        let app: Shared = Arc::new(App {
            api: Api::new(parts.query_url, parts.command_url, parts.clock.clone())?,
            assets,
            public_url: parts.public_url,
            mcp_url: parts.mcp_url,
            oidc_name: parts.oidc_name,
            clock: parts.clock,
            entropy: parts.entropy,
        });
        let pages = routes::pages()
            .layer(DefaultBodyLimit::max(FORM_BYTES))
            .layer(CsrfLayer::new().with_rejection_response(|_| routes::from_elsewhere()))
            .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(may_compress)))
            .with_state(app);
        let router = pages.merge(files).layer(from_fn(protect::headers));
        Ok(Self(router))
    }
}

impl Respond for Console {
    async fn respond(&self, request: Request) -> Response {
        self.0.respond(request).await
    }
}

/// Marks an answer that holds a secret: it is not compressed, so that its length says nothing.
#[derive(Clone, Copy)]
pub struct Secret;

/// Neither secrets nor files: whoever compresses holds back what has come.
fn may_compress(_: StatusCode, _: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Secret>().is_none() && !headers.contains_key(CONTENT_DISPOSITION)
}

/// First parts of the paths that are the APIs'.
const OF_THE_APIS: [&str; 4] = ["api", "auth", "docs", "schemas"];

/// Whether a path is the console's, where one port serves it beside the APIs: whatever is not theirs, so that
/// people who are lost get a page.
pub fn has(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    !OF_THE_APIS.contains(&first)
}
