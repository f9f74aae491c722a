//! Putting services together: pools, NATS, one limiter, one port. Used by `dev` and by `serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::cursor::Cursors;
use api::error::ApiError;
use api::input::issue::Issues;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use command::oidc::{Oidc, OidcConfigError};
use command::{CommandService, Resources};
use console::{Console, ConsoleError};
use event_log::{EventLog, SignerConfig};
use gate::{LedgerError, Limiter};
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use query::{Front, Parts, QueryService};
use read_model::ProjectionVersion;
use runtime::admin::{Readiness, serve_admin};
use runtime::clock::Clock;
use runtime::config::SecretError;
use runtime::entropy::Entropy;
use runtime::files;
use runtime::http::{HttpConfig, HttpLimits, Proxies, ProxyHeader, Respond, serve};
use runtime::lifecycle::{Lifecycle, TaskKind, Tasks};
use runtime::process::harden;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::net::TcpListener;
use url::Url;

use crate::arguments::{AdminArgs, ArchiveArgs, LedgerArgs, SigningKeyError};
use crate::database::{connect_options, pool, pool_options};
use crate::nats::{self, NatsError};
use crate::subscribers::{SubscriberAccess, SubscriberError};

/// How long each part may take to stop.
pub const GRACE: Duration = Duration::from_secs(15);

/// A query service, and how it logs in where it reads.
pub struct QueryPart<'a> {
    pub config: &'a query::Config,
    pub database_url: SecretString,
    pub reads_url: SecretString,
    pub projector_url: SecretString,
    /// Under which cursors are written; the same on every replica.
    pub cursor_secret: [u8; 32],
    /// By what it lets subscribers in, if it does.
    pub subscribers: Option<SubscriberAccess>,
}

/// A console beside the APIs.
pub struct ConsolePart {
    /// What people know the provider as that they may sign in with.
    pub oidc_name: Option<String>,
}

/// The services of one process.
pub struct Services<'a> {
    /// The log's primary; with a login in `tga_command` if there is a command service.
    pub primary_url: SecretString,
    pub command: Option<&'a command::Config>,
    /// For the command service, if people sign in with a provider.
    pub oidc_secret: Option<SecretString>,
    /// For the command service's second copy of revocations.
    pub ledger: LedgerArgs,
    /// Where old events are read from.
    pub archive: ArchiveArgs,
    /// By what the command service signs the log.
    pub signer: Option<SignerConfig>,
    pub query: Option<QueryPart<'a>>,
    /// The console on the same port, if it is to answer there.
    pub console: Option<ConsolePart>,
    pub nats: Option<SecretString>,
    pub proxies: Proxies,
}

/// The stages of a process with services: the last takes requests and stops first.
pub struct Stages {
    log: Tasks,
    begun: Tasks,
    requests: Tasks,
}

/// Why a service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the address of a database cannot be read")]
    DatabaseUrl(#[source] sqlx::Error),
    #[error(transparent)]
    Nats(#[from] NatsError),
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
    Subscribers(#[from] SubscriberError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error("the cursor secret must be 64 hexadecimal digits")]
    CursorSecret,
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Console(#[from] ConsoleError),
    #[error(transparent)]
    Oidc(#[from] OidcConfigError),
    #[error("the process cannot protect its memory")]
    Harden(#[source] std::io::Error),
}

/// 64 hexadecimal digits.
pub fn cursor_secret(text: &SecretString) -> Result<[u8; 32], ServeError> {
    let text = text.expose_secret();
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ServeError::CursorSecret);
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16)
            .map_err(|_| ServeError::CursorSecret)?;
    }
    Ok(bytes)
}

/// The operator's port: where it is, and what it shows.
pub struct AdminPort<'a> {
    pub arguments: &'a AdminArgs,
    pub metrics: PrometheusHandle,
}

/// Services that run, and where they answer.
pub struct Running {
    pub command: Option<CommandService>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub readiness: Readiness,
}

impl Stages {
    /// Adds them to those that the process has.
    pub fn new(lifecycle: &mut Lifecycle) -> Self {
        Self {
            log: lifecycle.stage("log"),
            begun: lifecycle.stage("commands"),
            requests: lifecycle.stage("requests"),
        }
    }
}

impl Services<'_> {
    /// Starts them on one port.
    pub async fn start(
        &self,
        listener: TcpListener,
        admin_port: AdminPort<'_>,
        stages: &Stages,
    ) -> Result<Running, ServeError> {
        harden().map_err(ServeError::Harden)?;
        let shared = Shared::new(self, stages).await?;
        let address = local_address(&listener)?;
        let command = match self.command {
            Some(config) => {
                let mut config = config.clone();
                config.public_url = Some(public_url(&config, address));
                Some(self.start_command(&config, &shared, stages)?)
            }
            None => None,
        };
        let log = command.as_ref().map(CommandService::log);
        let query = match &self.query {
            Some(part) => Some(part.start(&shared, log, stages).await?),
            None => None,
        };
        let readiness = Readiness::default();
        if let Some(command) = &command {
            readiness.require("log", command.ready());
        }
        if let Some(query) = &query {
            readiness.require("gate", query.gate_ready());
            readiness.require("projection", query.projection_ready());
        }
        let mut services = Answering {
            query: query.as_ref().map(QueryService::front),
            command: command.as_ref().map(CommandService::router),
            console: None,
        };
        let http = HttpConfig {
            refuse,
            proxies: self.proxies.clone(),
            ..HttpConfig::new(shared.entropy.clone())
        };
        if let Some(part) = &self.console {
            let apis = serve_console_apis(services.clone(), &http, stages).await?;
            services.console = Some(self.console(part, &apis, address, &shared)?);
        }
        let served = serve(listener, services, http, stages.requests.clone());
        stages.requests.spawn(TaskKind::Critical, "http", served);
        let admin = serve_admin_port(admin_port, readiness.clone(), &stages.log).await?;
        Ok(Running {
            command,
            address,
            admin,
            readiness,
        })
    }

    /// One beside the APIs, which it reaches at `apis`.
    fn console(
        &self,
        part: &ConsolePart,
        apis: &Url,
        address: SocketAddr,
        shared: &Shared,
    ) -> Result<Console, ServeError> {
        let public_url = self.command.map(|config| public_url(config, address));
        let public_url = public_url.and_then(|url| url.parse().ok());
        Ok(Console::new(console::Parts {
            query_url: apis.clone(),
            command_url: apis.clone(),
            public_url,
            mcp_url: None,
            oidc_name: part.oidc_name.clone(),
            clock: shared.clock.clone(),
            entropy: shared.entropy.clone(),
        })?)
    }

    fn start_command(
        &self,
        config: &command::Config,
        shared: &Shared,
        stages: &Stages,
    ) -> Result<CommandService, ServeError> {
        let oidc = Oidc::try_new(
            &config.oidc,
            self.oidc_secret.as_ref(),
            &config.public_url(),
            shared.clock.clone(),
            shared.entropy.clone(),
        )?;
        let resources = Resources {
            oidc,
            primary: shared.primary.clone(),
            // Its own connections: verifying must not wait behind what commands do.
            verify: pool(&self.primary_url).map_err(ServeError::DatabaseUrl)?,
            nats: shared.nats.clone(),
            ledger: self
                .ledger
                .open(&shared.clock, &shared.entropy, &stages.log)?,
            archive: shared.archive.archive_dir.clone(),
            signer: self.signer.clone().map(|signer| SignerConfig {
                stream_replicas: usize::from(config.stream_replicas),
                ..signer
            }),
            limiter: shared.limiter.clone(),
            clock: shared.clock.clone(),
            entropy: shared.entropy.clone(),
            base: stages.log.clone(),
            requests: stages.begun.clone(),
        };
        Ok(CommandService::start(config, resources))
    }
}

/// What the services of one process have in common.
struct Shared {
    primary: PgPool,
    nats: Option<async_nats::Client>,
    archive: ArchiveArgs,
    limiter: Limiter,
    clock: Clock,
    entropy: Entropy,
}

impl Shared {
    async fn new(services: &Services<'_>, stages: &Stages) -> Result<Self, ServeError> {
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let primary = pool(&services.primary_url).map_err(ServeError::DatabaseUrl)?;
        let nats = match &services.nats {
            Some(url) => nats::connect_if_there(url, &clock).await?,
            None => None,
        };
        Ok(Self {
            nats,
            archive: services.archive.clone(),
            limiter: Limiter::start(primary.clone(), clock.clone(), &stages.log),
            primary,
            clock,
            entropy,
        })
    }
}

impl QueryPart<'_> {
    /// `log` is that of the process's command service: who follows it hears at once.
    async fn start(
        &self,
        shared: &Shared,
        log: Option<&EventLog>,
        stages: &Stages,
    ) -> Result<QueryService, ServeError> {
        let subscribers = if let Some(access) = &self.subscribers {
            Some(access.connect().await?)
        } else {
            tracing::info!("no subscribers over NATS: their secrets are not given");
            None
        };
        let primary = pool(&self.database_url).map_err(ServeError::DatabaseUrl)?;
        let (clock, entropy) = (shared.clock.clone(), shared.entropy.clone());
        let log = log.cloned().unwrap_or_else(|| {
            let config = event_log::Config::default();
            let (log, _) = EventLog::new(primary.clone(), clock.clone(), entropy.clone(), config);
            log.with_archive(shared.archive.archive_dir.clone())
        });
        let reads = ProjectionVersion::CURRENT.connect_options(self.reads_url.expose_secret());
        let reads = pool_options().connect_lazy_with(reads.map_err(ServeError::DatabaseUrl)?);
        let projector = connect_options(&self.projector_url);
        let parts = Parts {
            log,
            primary,
            reads,
            projector: projector.map_err(ServeError::DatabaseUrl)?,
            nats: shared.nats.clone(),
            subscribers,
            limiter: shared.limiter.clone(),
            cursors: Cursors::new(self.cursor_secret, None),
            openapi: openapi(),
            clock,
            entropy,
        };
        Ok(QueryService::start(self.config, parts, &stages.log))
    }
}

/// The document of both services, as bytes.
pub fn openapi() -> bytes::Bytes {
    let document = api::openapi::document([command::openapi(), query::openapi()]);
    serde_json::to_vec(&document)
        .expect("the document is plain JSON")
        .into()
}

/// One host may serve all: pages are the console's, reads go to the query service, everything else to
/// the command service.
#[derive(Clone)]
struct Answering {
    query: Option<Front>,
    command: Option<Router>,
    console: Option<Console>,
}

impl Respond for Answering {
    async fn respond(&self, request: Request) -> Response {
        if let Some(console) = &self.console
            && console::has(request.uri().path())
        {
            return Box::pin(console.respond(request)).await;
        }
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match (&self.query, &self.command) {
            (Some(query), Some(_)) if is_read => query.respond(request).await,
            (Some(query), None) => query.respond(request).await,
            // Apart, so that reads do not carry its future.
            (_, Some(command)) => Box::pin(command.respond(request)).await,
            (None, None) => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// The answer to a request that the router did not survive or never saw.
fn refuse(status: StatusCode) -> Response {
    let error = match status {
        StatusCode::INTERNAL_SERVER_ERROR => ApiError::internal("a request handler panicked"),
        StatusCode::URI_TOO_LONG => {
            let longest = HttpLimits::default().target_bytes;
            let text = format!("path and query must not be longer than {longest} bytes");
            ApiError::invalid_query(&Issues::one("$", text))
        }
        _ => {
            let most = HttpLimits::default().header_bytes;
            let text = format!("headers must not be longer than {most} bytes in all");
            ApiError::invalid_params(&Issues::one("$", text))
        }
    };
    error.into_response()
}

/// The APIs on a port of this machine alone, where the console's word about browsers' addresses is
/// believed, as a proxy's is.
async fn serve_console_apis(
    services: Answering,
    http: &HttpConfig,
    stages: &Stages,
) -> Result<Url, ServeError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = local_address(&listener)?;
    let http = HttpConfig {
        proxies: Proxies {
            trusted: vec![IpAddr::V4(Ipv4Addr::LOCALHOST).into()],
            header: ProxyHeader::XForwardedFor,
        },
        ..http.clone()
    };
    let served = serve(listener, services, http, stages.requests.clone());
    let tasks = &stages.requests;
    tasks.spawn(TaskKind::Critical, "http for the console", served);
    let url = url(address).parse();
    Ok(url.expect("the address of a socket is one of a URL"))
}

/// The operator's port, and where it ended up.
pub async fn serve_admin_port(
    admin_port: AdminPort<'_>,
    readiness: Readiness,
    tasks: &Tasks,
) -> Result<SocketAddr, ServeError> {
    let address = admin_port
        .arguments
        .listen
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = local_address(&listener)?;
    let served = serve_admin(listener, readiness, admin_port.metrics, tasks.clone());
    tasks.spawn(TaskKind::Critical, "operator's port", served);
    Ok(address)
}

/// A process that answers, for those who start it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Replica {
    pub pid: u32,
    pub url: String,
}

impl Replica {
    /// This process.
    pub fn here(address: SocketAddr) -> Self {
        Self {
            pid: std::process::id(),
            url: url(address),
        }
    }

    /// Writes it whole or not at all, readable by its owner only.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        files::write_private(path, &serde_json::to_vec(self)?)
    }
}

/// How this machine reaches an address that is listened on.
pub fn url(address: SocketAddr) -> String {
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reached}")
}

/// Where people reach services that listen on an address, unless that is told.
pub fn public_url(config: &command::Config, address: SocketAddr) -> String {
    let told = config.public_url.clone();
    told.unwrap_or_else(|| url(address))
}

/// Where a listener ended up.
pub fn local_address(listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|source| ServeError::Listen {
        address: nowhere,
        source,
    })
}
