//! What every page needs.

use std::sync::Arc;

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use url::Url;

use crate::assets::Assets;
use crate::client::Api;

/// Shared by all requests.
pub struct App {
    pub api: Api,
    pub assets: Assets,
    /// Where scripts reach the API, if that was told.
    pub public_url: Option<Url>,
    /// Where agents reach MCP, if they do.
    pub mcp_url: Option<Url>,
    /// What people know the provider as that they may sign in with, if there is one.
    pub oidc_name: Option<String>,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// The one of a process.
pub type Shared = Arc<App>;
