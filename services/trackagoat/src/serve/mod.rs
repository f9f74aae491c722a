//! `trackagoat serve`: one role against servers that are given.

mod console;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use command::CommandService;
use metrics_exporter_prometheus::PrometheusHandle;
use runtime::clock::Clock;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use runtime::process;
use tokio::net::TcpListener;

use crate::arguments::{
    AdminArgs, ArchiveArgs, CursorSecret, DatabaseUrl, LedgerArgs, NatsUrl, OidcClientSecret,
    ProjectorDatabaseUrl, ProxyArgs, ReadDatabaseUrl, SecretArgument, SignerArgs,
};
use crate::services::{
    AdminPort, GRACE, QueryPart, Replica, ServeError, Services, Stages, cursor_secret,
};
use crate::subscribers::SubscriberArgs;

pub use self::console::ServeConsole;

/// One role against servers that are given.
#[derive(Debug, Subcommand)]
pub enum Serve {
    /// Take commands: decide, append to the log, mirror it on NATS.
    Command(Box<ServeCommand>),
    /// Answer reads, and project what they need.
    Query(Box<ServeQuery>),
    /// Show the web console, over the two APIs.
    Console(Box<ServeConsole>),
}

/// What a service rests on.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    listening: Listening,
    #[command(flatten)]
    database: DatabaseUrl,
    #[command(flatten)]
    nats: NatsUrl,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Stop when the process that started this one is gone.
    #[arg(long, hide = true)]
    end_with_parent: bool,
}

/// Where a process answers, and how it comes and goes.
#[derive(Debug, Args)]
struct Listening {
    /// Address to answer at; port 0 picks a free one.
    #[arg(long, env = "TGA_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where to say, once everything answers, how to reach it.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Seconds to go on serving, no longer ready, before stopping, so that load balancers notice.
    #[arg(
        long,
        env = "TGA_SHUTDOWN_NOTICE",
        value_name = "SECONDS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(0..=300)
    )]
    shutdown_notice: u64,
    #[command(flatten)]
    proxies: ProxyArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// A command service of its own; its login must be in `tga_command`.
#[derive(Debug, Args)]
pub struct ServeCommand {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    command: command::Config,
    #[command(flatten)]
    oidc_secret: OidcClientSecret,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    signer: SignerArgs,
}

/// A query service of its own; its login must be in `tga_query`.
#[derive(Debug, Args)]
pub struct ServeQuery {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    projector_database: ProjectorDatabaseUrl,
    #[command(flatten)]
    read_database: ReadDatabaseUrl,
    #[command(flatten)]
    cursor_secret: CursorSecret,
    #[command(flatten)]
    subscribers: SubscriberArgs,
    #[command(flatten)]
    query: query::Config,
}

impl Serve {
    /// Runs until a signal, then stops in order.
    pub async fn run(self, metrics: PrometheusHandle) -> Result<ExitCode, ServeError> {
        let (common, services) = match &self {
            Self::Command(arguments) => (&arguments.common, arguments.services()?),
            Self::Query(arguments) => (&arguments.common, arguments.services()?),
            Self::Console(arguments) => return arguments.run(metrics).await,
        };
        if common.end_with_parent {
            process::end_with_parent().map_err(ServeError::Signals)?;
        }
        let clock = Clock::system();
        let mut lifecycle = Lifecycle::with_signals(clock).map_err(ServeError::Signals)?;
        let stages = Stages::new(&mut lifecycle);
        let policy = common.listening.policy();
        let start = common.start(services, metrics, &stages);
        let outcome = lifecycle.start_and_run(Box::pin(start), policy).await?;
        Ok(outcome.exit_code())
    }
}

impl Common {
    async fn start(
        &self,
        services: Services<'_>,
        metrics: PrometheusHandle,
        stages: &Stages,
    ) -> Result<(), ServeError> {
        let admin_port = self.listening.admin_port(metrics);
        let listener = self.listening.bind().await?;
        let running = services.start(listener, admin_port, stages).await?;
        running.readiness.wait().await;
        if let Some(command) = &running.command {
            say_how_to_begin(command).await;
        }
        self.listening.say_ready(running.address, running.admin)
    }
}

/// What a first start needs. The token itself would be kept with this service's log, by whoever keeps that.
async fn say_how_to_begin(command: &CommandService) {
    if command
        .people()
        .is_set_up()
        .await
        .is_ok_and(|is_done| !is_done)
    {
        tracing::info!(
            "nobody can sign in to the console yet: `trackagoat setup-token` prints the token for its page /setup"
        );
    }
}

impl Listening {
    fn policy(&self) -> ShutdownPolicy {
        ShutdownPolicy {
            notice: Duration::from_secs(self.shutdown_notice),
            grace: GRACE,
        }
    }

    fn admin_port(&self, metrics: PrometheusHandle) -> AdminPort<'_> {
        AdminPort {
            arguments: &self.admin,
            metrics,
        }
    }

    async fn bind(&self) -> Result<TcpListener, ServeError> {
        let address = self.listen;
        let bound = TcpListener::bind(address).await;
        bound.map_err(|source| ServeError::Listen { address, source })
    }

    fn say_ready(&self, address: SocketAddr, admin: SocketAddr) -> Result<(), ServeError> {
        tracing::info!(%address, %admin, "ready");
        let Some(path) = &self.ready_file else {
            return Ok(());
        };
        let written = Replica::here(address).write(path);
        written.map_err(|source| ServeError::File {
            path: path.clone(),
            source,
        })
    }
}

impl ServeCommand {
    fn services(&self) -> Result<Services<'_>, ServeError> {
        Ok(Services {
            primary_url: self.common.database.required()?,
            command: Some(&self.command),
            oidc_secret: self.oidc_secret.optional()?,
            ledger: self.ledger.clone(),
            archive: self.common.archive.clone(),
            signer: self.signer.config()?,
            query: None,
            console: None,
            nats: self.common.nats.optional()?,
            proxies: self.common.listening.proxies.proxies(),
        })
    }
}

impl ServeQuery {
    fn services(&self) -> Result<Services<'_>, ServeError> {
        let database_url = self.common.database.required()?;
        let reads = self.read_database.optional()?;
        let query = QueryPart {
            config: &self.query,
            database_url: database_url.clone(),
            reads_url: reads.unwrap_or_else(|| database_url.clone()),
            projector_url: self.projector_database.required()?,
            cursor_secret: cursor_secret(&self.cursor_secret.required()?)?,
            subscribers: self.subscribers.access()?,
        };
        Ok(Services {
            primary_url: database_url,
            command: None,
            oidc_secret: None,
            ledger: LedgerArgs::default(),
            archive: self.common.archive.clone(),
            signer: None,
            query: Some(query),
            console: None,
            nats: self.common.nats.optional()?,
            proxies: self.common.listening.proxies.proxies(),
        })
    }
}
