//! `trackagoat serve console`: the web console, over APIs that are given.

use std::process::ExitCode;

use clap::Args;
use console::{Console, Parts};
use metrics_exporter_prometheus::PrometheusHandle;
use runtime::admin::Readiness;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::http::{HttpConfig, serve};
use runtime::lifecycle::{Lifecycle, TaskKind, Tasks};
use runtime::process::harden;

use super::Listening;
use crate::services::{ServeError, local_address, serve_admin_port};

/// A console of its own. It keeps nothing and needs neither database nor NATS.
#[derive(Debug, Args)]
pub struct ServeConsole {
    #[command(flatten)]
    listening: Listening,
    #[command(flatten)]
    config: console::Config,
}

impl ServeConsole {
    /// Runs until a signal.
    pub async fn run(&self, metrics: PrometheusHandle) -> Result<ExitCode, ServeError> {
        let mut lifecycle =
            Lifecycle::with_signals(Clock::system()).map_err(ServeError::Signals)?;
        let (base, requests) = (lifecycle.stage("console"), lifecycle.stage("requests"));
        let start = self.start(metrics, base, requests);
        let policy = self.listening.policy();
        let outcome = lifecycle.start_and_run(Box::pin(start), policy).await?;
        Ok(outcome.exit_code())
    }

    async fn start(
        &self,
        metrics: PrometheusHandle,
        base: Tasks,
        requests: Tasks,
    ) -> Result<(), ServeError> {
        harden().map_err(ServeError::Harden)?;
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let http = HttpConfig {
            proxies: self.listening.proxies.proxies(),
            ..HttpConfig::new(entropy.clone())
        };
        let console = Console::new(Parts {
            query_url: self.config.query_url.clone(),
            command_url: self.config.command_url.clone(),
            public_url: self.config.public_url.clone(),
            mcp_url: self.config.mcp_url.clone(),
            oidc_name: self.config.sign_in.oidc_name.clone(),
            clock,
            entropy,
        })?;
        let listener = self.listening.bind().await?;
        let address = local_address(&listener)?;
        let served = serve(listener, console, http, requests.clone());
        requests.spawn(TaskKind::Critical, "http", served);
        let port = self.listening.admin_port(metrics);
        let admin = serve_admin_port(port, Readiness::default(), &base).await?;
        self.listening.say_ready(address, admin)
    }
}
