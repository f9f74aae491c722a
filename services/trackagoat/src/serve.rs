//! Putting services together: pools, NATS, one limiter, one router. Used by `dev` and by `serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use api::cursor::Cursors;
use axum::Router;
use axum::extract::Request;
use clap::{Args, Subcommand};
use command::{CommandService, Resources};
use event_log::EventLog;
use gate::Limiter;
use http::Method;
use metrics_exporter_prometheus::PrometheusHandle;
use query::{Parts, QueryService};
use read_model::ProjectionVersion;
use runtime::admin::{Readiness, serve_admin};
use runtime::clock::Clock;
use runtime::config::{optional_secret, secret};
use runtime::entropy::Entropy;
use runtime::http::{HttpConfig, serve};
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};
use runtime::nats::{InvalidNatsUrl, NatsUrl};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::dev::{Replica, write_secret};

/// Connections of one service to the primary.
const CONNECTIONS: u32 = 16;
const ACQUIRE_WITHIN: Duration = Duration::from_secs(3);
/// How long each part may take to stop.
const GRACE: Duration = Duration::from_secs(15);
const NATS_WITHIN: Duration = Duration::from_secs(5);

/// Where the operator's port is.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// Address of the operator's port (/livez, /readyz, /metrics); by default a free loopback port.
    #[arg(id = "admin_listen", long = "admin-listen", env = "TGA_ADMIN_LISTEN")]
    pub listen: Option<SocketAddr>,
}

/// How a process reaches what services rest on.
pub struct Connections {
    pub command: Option<SecretString>,
    pub query: SecretString,
    pub reads: SecretString,
    pub projector: SecretString,
    pub nats: Option<SecretString>,
    /// Under which cursors are written; the same on every replica.
    pub cursor_secret: [u8; 32],
}

/// Why a service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the address of a database cannot be read")]
    DatabaseUrl(#[source] sqlx::Error),
    #[error("the address of NATS cannot be read")]
    NatsUrl(#[from] InvalidNatsUrl),
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the file {path} cannot be used")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Secret(#[from] runtime::config::SecretError),
    #[error("the cursor secret must be 64 hexadecimal digits")]
    CursorSecret,
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
}

/// `trackagoat serve`: one role against servers that are given.
#[derive(Debug, Subcommand)]
pub enum Serve {
    /// Answer reads.
    Query(ServeQuery),
}

/// A query service of its own.
#[derive(Debug, Args)]
pub struct ServeQuery {
    /// Address of the API; port 0 picks a free one.
    #[arg(long, env = "TGA_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// URL of the log's primary, as a member of `tga_query`.
    #[arg(long, env = "TGA_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A file that holds it.
    #[arg(long, env = "TGA_DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,
    /// URL of the read model's database for the projector, a member of `tga_projector`.
    #[arg(long, env = "TGA_PROJECTOR_DATABASE_URL", hide_env_values = true)]
    projector_database_url: Option<String>,
    /// A file that holds it.
    #[arg(long, env = "TGA_PROJECTOR_DATABASE_URL_FILE")]
    projector_database_url_file: Option<PathBuf>,
    /// URL of the read model's database, if it is another than the log's.
    #[arg(long, env = "TGA_READ_DATABASE_URL", hide_env_values = true)]
    read_database_url: Option<String>,
    /// A file that holds it.
    #[arg(long, env = "TGA_READ_DATABASE_URL_FILE")]
    read_database_url_file: Option<PathBuf>,
    /// URL of NATS.
    #[arg(long, env = "TGA_NATS_URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// A file that holds it.
    #[arg(long, env = "TGA_NATS_URL_FILE")]
    nats_url_file: Option<PathBuf>,
    /// 64 hexadecimal digits under which cursors are written; the same on every replica.
    #[arg(long, env = "TGA_CURSOR_SECRET", hide_env_values = true)]
    cursor_secret: Option<String>,
    /// A file that holds them.
    #[arg(long, env = "TGA_CURSOR_SECRET_FILE")]
    cursor_secret_file: Option<PathBuf>,
    /// Where to say that everything answers, and how to reach it.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    query: query::Config,
    #[command(flatten)]
    admin: AdminArgs,
}

impl Serve {
    /// Runs until a signal, then stops in order.
    pub async fn run(self, metrics: PrometheusHandle) -> Result<ExitCode, ServeError> {
        let Self::Query(arguments) = self;
        let clock = Clock::system();
        let mut lifecycle = Lifecycle::with_signals(clock).map_err(ServeError::Signals)?;
        let policy = ShutdownPolicy {
            notice: Duration::ZERO,
            grace: GRACE,
        };
        match arguments.start(metrics, &mut lifecycle).await {
            Ok(()) => Ok(lifecycle.run(policy).await.exit_code()),
            Err(error) => {
                lifecycle.shutdown(policy).await;
                Err(error)
            }
        }
    }
}

impl ServeQuery {
    async fn start(
        &self,
        metrics: PrometheusHandle,
        lifecycle: &mut Lifecycle,
    ) -> Result<(), ServeError> {
        let operators = Operators {
            arguments: &self.admin,
            metrics,
        };
        let address = self.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        let running = start(
            &self.connections()?,
            &self.query,
            None,
            listener,
            operators,
            lifecycle,
        )
        .await?;
        running.readiness.wait().await;
        if let Some(path) = &self.ready_file {
            let replica = Replica {
                pid: std::process::id(),
                url: format!("http://{}", running.address),
            };
            let json = serde_json::to_vec(&replica).unwrap_or_default();
            write_secret(path, &json).map_err(|source| ServeError::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }

    fn connections(&self) -> Result<Connections, ServeError> {
        let query = secret(
            "TGA_DATABASE_URL",
            self.database_url.as_deref(),
            self.database_url_file.as_deref(),
        )?;
        let reads = optional_secret(
            "TGA_READ_DATABASE_URL",
            self.read_database_url.as_deref(),
            self.read_database_url_file.as_deref(),
        )?;
        let projector = secret(
            "TGA_PROJECTOR_DATABASE_URL",
            self.projector_database_url.as_deref(),
            self.projector_database_url_file.as_deref(),
        )?;
        let nats = optional_secret(
            "TGA_NATS_URL",
            self.nats_url.as_deref(),
            self.nats_url_file.as_deref(),
        )?;
        let cursors = cursor_secret(
            self.cursor_secret.as_deref(),
            self.cursor_secret_file.as_deref(),
        )?;
        Ok(Connections {
            command: None,
            reads: reads.unwrap_or_else(|| query.clone()),
            query,
            projector,
            nats,
            cursor_secret: cursors,
        })
    }
}

/// 64 hexadecimal digits, from a value or a file.
pub fn cursor_secret(value: Option<&str>, file: Option<&Path>) -> Result<[u8; 32], ServeError> {
    let text = secret("TGA_CURSOR_SECRET", value, file)?;
    let text = text.expose_secret();
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(ServeError::CursorSecret);
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16)
            .map_err(|_| ServeError::CursorSecret)?;
    }
    Ok(bytes)
}

/// What the operator's port shows, and where it is.
pub struct Operators<'a> {
    pub arguments: &'a AdminArgs,
    pub metrics: PrometheusHandle,
}

/// Services of one process, and where they answer.
pub struct Running {
    pub command: Option<CommandService>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub readiness: Readiness,
}

/// Starts a query service and, if `command` is given, a command service, on one port.
pub async fn start(
    connections: &Connections,
    query_config: &query::Config,
    command_config: Option<&command::Config>,
    listener: TcpListener,
    operators: Operators<'_>,
    lifecycle: &mut Lifecycle,
) -> Result<Running, ServeError> {
    let (clock, entropy) = (Clock::system(), Entropy::os());
    let base = lifecycle.stage("log");
    let begun = lifecycle.stage("commands");
    let requests = lifecycle.stage("requests");
    let nats = connect_nats(connections.nats.as_ref(), &clock).await?;
    let query_pool = pool(&connections.query)?;
    let limiter_pool = match &connections.command {
        Some(url) => pool(url)?,
        None => query_pool.clone(),
    };
    // Its own connections: verifying must not wait behind what commands do.
    let verify = pool(connections.command.as_ref().unwrap_or(&connections.query))?;
    let limiter = Limiter::start(limiter_pool.clone(), clock.clone(), &base);
    let command = command_config.map(|command_config| {
        let resources = Resources {
            primary: limiter_pool,
            verify,
            nats: nats.clone(),
            limiter: limiter.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            base: base.clone(),
            requests: begun,
        };
        CommandService::start(command_config, resources)
    });
    let log = if let Some(command) = &command {
        // Whoever follows the log of the process that appends hears at once.
        command.log().clone()
    } else {
        let config = event_log::Config::default();
        EventLog::new(query_pool.clone(), clock.clone(), entropy.clone(), config).0
    };
    let query = start_query(
        connections,
        query_config,
        query_pool,
        log,
        nats,
        limiter,
        &base,
    )?;
    let readiness = Readiness::default();
    readiness.require("gate", query.gate_ready());
    readiness.require("projection", query.projection_ready());

    let address = local_address(&listener)?;
    let router = router(&query, command.as_ref());
    let http = HttpConfig {
        refuse,
        ..HttpConfig::new(entropy)
    };
    let served = serve(listener, router, http, requests.clone());
    requests.spawn(TaskKind::Critical, "http", served);
    let admin = serve_operators(operators, readiness.clone(), &base).await?;
    Ok(Running {
        command,
        address,
        admin,
        readiness,
    })
}

fn start_query(
    connections: &Connections,
    config: &query::Config,
    primary: PgPool,
    log: EventLog,
    nats: Option<async_nats::Client>,
    limiter: Limiter,
    tasks: &Tasks,
) -> Result<QueryService, ServeError> {
    let version = ProjectionVersion::CURRENT;
    let options = |url: &SecretString| {
        version
            .connect_options(url.expose_secret())
            .map_err(ServeError::DatabaseUrl)
    };
    let reads = pool_options().connect_lazy_with(options(&connections.reads)?);
    let projector = connections.projector.expose_secret().parse();
    let parts = Parts {
        log,
        primary,
        reads,
        projector: projector.map_err(ServeError::DatabaseUrl)?,
        nats,
        limiter,
        cursors: Cursors::new(connections.cursor_secret, None),
        openapi: openapi(),
        clock: Clock::system(),
        entropy: Entropy::os(),
    };
    Ok(QueryService::start(config, parts, tasks))
}

/// The document of both services, as bytes.
pub fn openapi() -> bytes::Bytes {
    let document = api::openapi::document([command::openapi(), query::openapi()]);
    serde_json::to_vec(&document)
        .expect("the document is plain JSON")
        .into()
}

/// One host serves both: reads go to the query service, everything else to the command service.
fn router(query: &QueryService, command: Option<&CommandService>) -> Router {
    let query = query.router();
    let Some(command) = command.map(CommandService::router) else {
        return query;
    };
    Router::new().fallback(move |request: Request| {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let service = if is_read {
            query.clone()
        } else {
            command.clone()
        };
        service.oneshot(request)
    })
}

/// What the router did not survive.
fn refuse(status: http::StatusCode) -> axum::response::Response {
    use axum::response::IntoResponse;
    if status == http::StatusCode::INTERNAL_SERVER_ERROR {
        return api::error::ApiError::internal("a request handler panicked").into_response();
    }
    status.into_response()
}

async fn serve_operators(
    operators: Operators<'_>,
    readiness: Readiness,
    tasks: &Tasks,
) -> Result<SocketAddr, ServeError> {
    let address = operators
        .arguments
        .listen
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = local_address(&listener)?;
    let served = serve_admin(listener, readiness, operators.metrics, tasks.clone());
    tasks.spawn(TaskKind::Critical, "operator's port", served);
    Ok(address)
}

/// Where a listener ended up.
pub fn local_address(listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|source| ServeError::Listen {
        address: nowhere,
        source,
    })
}

/// NATS, if it answers in time: it is never needed to begin, and found again when it is back.
async fn connect_nats(
    url: Option<&SecretString>,
    clock: &Clock,
) -> Result<Option<async_nats::Client>, ServeError> {
    let Some(url) = url else { return Ok(None) };
    let url: NatsUrl = url.expose_secret().parse()?;
    let options = url.options().retry_on_initial_connect();
    let connecting = clock
        .timeout(NATS_WITHIN, options.connect(url.addresses()))
        .await;
    Ok(connecting.ok().and_then(Result::ok))
}

fn pool(url: &SecretString) -> Result<PgPool, ServeError> {
    let options = url
        .expose_secret()
        .parse()
        .map_err(ServeError::DatabaseUrl)?;
    Ok(pool_options().connect_lazy_with(options))
}

fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_WITHIN)
}
