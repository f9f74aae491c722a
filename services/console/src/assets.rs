//! Style, scripts and pictures, in the binary, under names that change with what is in them.

use axum::Router;
use memory_serve::{CacheControl, MemoryServe};

/// Where pages find them.
#[derive(Debug, Clone)]
pub struct Assets {
    pub style: String,
    pub script: String,
    pub htmx: String,
    pub icon: String,
}

/// Under which path they are served.
pub const PREFIX: &str = "/assets";

impl Assets {
    /// Where they are, and the router that serves them below [`PREFIX`].
    pub fn load() -> (Self, Router) {
        let serve: MemoryServe = memory_serve::load!()
            .index_file(None)
            .cache_control(CacheControl::NoCache)
            .enable_hashed_routes(true);
        let manifest = serve.manifest();
        let place = |name: &str| {
            let path = format!("/{name}");
            let hashed = manifest
                .get(&path)
                .map_or(path.clone(), ToString::to_string);
            format!("{PREFIX}{hashed}")
        };
        let assets = Self {
            style: place("console.css"),
            script: place("console.js"),
            htmx: place("htmx.min.js"),
            icon: place("icon.svg"),
        };
        (assets, Router::new().nest(PREFIX, serve.into_router()))
    }
}
