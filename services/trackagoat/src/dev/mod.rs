//! `trackagoat dev`: everything in one directory: private Postgres and NATS, the command and a
//! query service on one port, further query replicas as processes of their own.

mod demo;
mod demo_data;
mod ready_file;
mod replicas;
mod servers;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use command::CommandService;
use command::people::SetupError;
use event_log::SignerConfig;
use metrics_exporter_prometheus::PrometheusHandle;
use runtime::clock::Clock;
use runtime::config::secret;
use runtime::entropy::Entropy;
use runtime::files;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, Tasks};
use runtime::local::{FolderLock, LocalError};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;

use self::ready_file::ReadyFile;
use self::replicas::Template;
use self::servers::{DatabaseUrls, Servers, ServersError};
use crate::arguments::{
    AdminArgs, ArchiveArgs, CursorSecret, LedgerArgs, LogSigningKey, OidcClientSecret, ProxyArgs,
    SecretArgument, SignerArgs,
};
use crate::operator::{DEV_FILE, DevFile};
use crate::services::{
    AdminPort, ConsolePart, GRACE, QueryPart, Replica, Running, ServeError, Services, Stages,
    cursor_secret, local_address, public_url, url,
};
use crate::subscribers::SubscriberAccess;
use crate::terminal::say;

/// Everything in one directory, for trying out and for development.
#[derive(Debug, Args)]
pub struct Dev {
    /// Where everything is kept; starting again in the same folder goes on where it stopped.
    #[arg(long, env = "TGA_DATA_DIR", default_value = ".data")]
    data_dir: PathBuf,
    /// Address of the API; port 0 picks a free one.
    #[arg(long, env = "TGA_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Make, once, an org with a few hundred synthetic creators, and a new key at each start.
    #[arg(long)]
    demo: bool,
    /// Query services: one in this process, the others in processes and on ports of their own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=32))]
    query_replicas: u16,
    /// Where to say that everything answers, and how to reach it.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    command: command::Config,
    #[command(flatten)]
    oidc_secret: OidcClientSecret,
    #[command(flatten)]
    sign_in: console::SignInConfig,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    query: query::Config,
    #[command(flatten)]
    proxies: ProxyArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Where tasks go; the last stage stops first.
struct Handles {
    servers: Tasks,
    services: Stages,
    replicas: Tasks,
}

/// How services reach the private servers.
struct Access {
    nats_url: String,
    urls: DatabaseUrls,
    cursor_secret_file: PathBuf,
    subscribers: SubscriberAccess,
}

/// Why `dev` does not run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    #[error(transparent)]
    Folder(#[from] LocalError),
    #[error(transparent)]
    Servers(#[from] ServersError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("cannot listen on {address}: is another `trackagoat dev` running?")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the file {path} cannot be written")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the demo could not be made")]
    Demo(#[from] demo::DemoError),
    #[error("no setup token could be made")]
    SetupToken(#[from] SetupError),
    #[error("a query replica did not start")]
    Replica(#[from] replicas::ReplicaError),
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
}

impl Dev {
    /// Runs until a signal, then stops everything in order.
    pub async fn run(
        mut self,
        metrics: PrometheusHandle,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<ExitCode, DevError> {
        self.command.allow_loopback();
        let admin_port = AdminPort {
            arguments: &self.admin,
            metrics,
        };
        let _lock = self.take_folder()?;
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|source| DevError::Listen {
                address: self.listen,
                source,
            })?;
        let mut lifecycle = Lifecycle::with_signals(clock.clone()).map_err(DevError::Signals)?;
        let handles = Handles {
            servers: lifecycle.handle(),
            services: Stages::new(&mut lifecycle),
            replicas: lifecycle.stage("replicas"),
        };
        let policy = ShutdownPolicy {
            notice: Duration::ZERO,
            grace: GRACE,
        };
        let start = self.start(listener, admin_port, &clock, &entropy, &handles);
        let ended = lifecycle.start_and_run(Box::pin(start), policy).await;
        self.remove_written()?;
        Ok(ended?.exit_code())
    }

    /// Makes the folder ours for as long as the lock lives. What a predecessor that was killed said
    /// of itself is taken back.
    fn take_folder(&self) -> Result<FolderLock, DevError> {
        let file = |source| DevError::File {
            path: self.data_dir.clone(),
            source,
        };
        if !self.data_dir.exists() {
            std::fs::create_dir_all(&self.data_dir).map_err(file)?;
            // Servers run under an account of their own, which must get to their folders.
            let pass_through = std::fs::Permissions::from_mode(0o711);
            std::fs::set_permissions(&self.data_dir, pass_through).map_err(file)?;
        }
        let lock = FolderLock::take("trackagoat dev", &self.data_dir)?;
        self.remove_written()?;
        Ok(lock)
    }

    fn remove_written(&self) -> Result<(), DevError> {
        for path in self.written() {
            files::remove(&path).map_err(|source| DevError::File { path, source })?;
        }
        Ok(())
    }

    /// What must not be left behind.
    fn written(&self) -> Vec<PathBuf> {
        let ready = self.ready_file.clone();
        ready
            .into_iter()
            .chain([self.default_ready_file(), self.dev_file()])
            .collect()
    }

    fn dev_file(&self) -> PathBuf {
        self.data_dir.join(DEV_FILE)
    }

    fn default_ready_file(&self) -> PathBuf {
        self.data_dir.join("ready.json")
    }

    async fn start(
        &self,
        listener: TcpListener,
        admin_port: AdminPort<'_>,
        clock: &Clock,
        entropy: &Entropy,
        handles: &Handles,
    ) -> Result<(), DevError> {
        say("starting Postgres and NATS");
        let home = runtime::local::home(&self.data_dir, entropy)?;
        let servers =
            Servers::start(&home, self.query_replicas, self.query.lease, clock, entropy).await?;
        let access = Access {
            nats_url: servers.nats.url(),
            urls: servers.urls.clone(),
            cursor_secret_file: self.data_dir.join("cursor.secret"),
            subscribers: SubscriberAccess::of(&servers.nats),
        };
        servers.supervise(&handles.servers);
        let dev_file = self.said_to_operators(&access, local_address(&listener)?)?;
        write_json(&self.dev_file(), &dev_file)?;

        say("starting services");
        let services = self.services(&access, entropy)?;
        let running = services
            .start(listener, admin_port, &handles.services)
            .await?;
        let query_replicas = self.replicas(&running, &access, &handles.replicas).await?;
        let demo = match &running.command {
            // It may be a log that was restored, to which nothing is to be added yet.
            Some(service) if self.demo && is_open(service).await => {
                say("making the demo");
                Some(demo::make(&self.data_dir, service, entropy, clock).await?)
            }
            _ => None,
        };
        running.readiness.wait().await;
        let setup_token = match &running.command {
            Some(service) => match service.people().new_setup_token().await {
                // Somebody has set it up, or is about to.
                Err(SetupError::Over | SetupError::InUse) => None,
                token => Some(token?),
            },
            None => None,
        };
        self.say_ready(&ReadyFile {
            pid: std::process::id(),
            api: format!("{}/api/v1", url(running.address)),
            console: Some(format!("{}/", url(running.address))),
            mcp: None,
            admin: url(running.admin),
            nats_url: dev_file.nats_url,
            database_url: dev_file.database_url,
            query_replicas,
            setup_token: setup_token.map(|token| token.reveal().to_owned()),
            demo: demo.map(|demo| ready_file::Demo {
                org_id: demo.org_id,
                project_id: demo.project_id,
                admin_email: demo::ADMIN_EMAIL,
                admin_password: demo.admin_password.expose_secret().to_owned(),
                api_key: demo.secret.reveal().to_owned(),
            }),
        })
    }

    /// Operators may run elsewhere: paths are whole.
    fn said_to_operators(&self, access: &Access, address: SocketAddr) -> Result<DevFile, DevError> {
        let whole = |path: PathBuf| {
            std::path::absolute(&path).map_err(|source| DevError::File { path, source })
        };
        let archive = self.archive.archive_dir.clone();
        Ok(DevFile {
            ledger_dir: Some(whole(self.ledger_dir())?),
            archive_dir: archive.map(whole).transpose()?,
            checkpoint_dir: Some(whole(self.checkpoint_dir())?),
            signing_key_file: self.signing_key_file()?.map(whole).transpose()?,
            database_url: access.urls.operator.expose_secret().to_owned(),
            nats_url: access.nats_url.clone(),
            public_url: Some(public_url(&self.command, address)),
        })
    }

    fn ledger_dir(&self) -> PathBuf {
        let named = self.ledger.ledger_dir.clone();
        named.unwrap_or_else(|| self.data_dir.join("ledger"))
    }

    fn checkpoint_dir(&self) -> PathBuf {
        let named = self.signer.checkpoint_dir.clone();
        named.unwrap_or_else(|| self.data_dir.join("checkpoints"))
    }

    fn own_signing_key_file(&self) -> PathBuf {
        self.data_dir.join("log-signing.key")
    }

    /// The one that is named, else its own; none if a variable holds the key.
    fn signing_key_file(&self) -> Result<Option<PathBuf>, DevError> {
        let key = &self.signer.key;
        if let Some(named) = key.file() {
            return Ok(Some(named.to_owned()));
        }
        let held = key.optional().map_err(ServeError::Secret)?;
        Ok(held.is_none().then(|| self.own_signing_key_file()))
    }

    /// With a key and a folder of its own, unless others are named.
    fn signer(&self, entropy: &Entropy) -> Result<SignerConfig, DevError> {
        let mut signer = self.signer.clone();
        signer.checkpoint_dir = Some(self.checkpoint_dir());
        let named = signer.config().map_err(ServeError::SigningKey)?;
        if let Some(named) = named {
            return Ok(named);
        }
        let file = self.own_signing_key_file();
        let kept = kept_secret(LogSigningKey::VARIABLE, &file, entropy)?;
        Ok(signer.config_with(&kept).map_err(ServeError::SigningKey)?)
    }

    fn services(&self, access: &Access, entropy: &Entropy) -> Result<Services<'_>, DevError> {
        let urls = &access.urls;
        let query = QueryPart {
            config: &self.query,
            database_url: urls.query.clone(),
            reads_url: urls.query.clone(),
            projector_url: urls.projector.clone(),
            cursor_secret: cursor_secret(&kept_secret(
                CursorSecret::VARIABLE,
                &access.cursor_secret_file,
                entropy,
            )?)?,
            subscribers: Some(access.subscribers.clone()),
        };
        Ok(Services {
            primary_url: urls.command.clone(),
            command: Some(&self.command),
            oidc_secret: self.oidc_secret.optional().map_err(ServeError::Secret)?,
            ledger: LedgerArgs {
                ledger_dir: Some(self.ledger_dir()),
            },
            archive: self.archive.clone(),
            signer: Some(self.signer(entropy)?),
            query: Some(query),
            console: Some(ConsolePart {
                oidc_name: self.oidc_name(),
            }),
            nats: Some(access.nats_url.clone().into()),
            proxies: self.proxies.proxies(),
        })
    }

    /// What people know the provider as, if they may sign in with one.
    fn oidc_name(&self) -> Option<String> {
        self.command.oidc.issuer.as_ref()?;
        let named = self.sign_in.oidc_name.clone();
        Some(named.unwrap_or_else(|| "single sign-on".to_owned()))
    }

    async fn replicas(
        &self,
        running: &Running,
        access: &Access,
        tasks: &Tasks,
    ) -> Result<Vec<Replica>, DevError> {
        let template = Template {
            folder: &self.data_dir,
            access,
            query: &self.query,
            archive: &self.archive,
            proxies: &self.proxies,
        };
        let mut replicas = vec![Replica {
            pid: std::process::id(),
            url: url(running.address),
        }];
        for n in 1..self.query_replicas {
            replicas.push(template.start(n, tasks).await?);
        }
        Ok(replicas)
    }

    fn say_ready(&self, ready: &ReadyFile) -> Result<(), DevError> {
        for path in [Some(self.default_ready_file()), self.ready_file.clone()]
            .into_iter()
            .flatten()
        {
            ready
                .write(&path)
                .map_err(|source| DevError::File { path, source })?;
        }
        ready.print();
        Ok(())
    }
}

/// Waits until commands are taken; false if they never are.
async fn is_open(service: &CommandService) -> bool {
    let mut open = service.ready();
    let opened = open.wait_for(|open| *open).await;
    opened.is_ok()
}

/// 64 hexadecimal digits, the same on every start, so that what is made with them outlives them.
fn kept_secret(
    name: &'static str,
    path: &Path,
    entropy: &Entropy,
) -> Result<SecretString, DevError> {
    if !path.exists() {
        let hex = files::hex(&entropy.bytes::<32>());
        files::write_private(path, hex.as_bytes()).map_err(|source| DevError::File {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(secret(name, None, Some(path)).map_err(ServeError::Secret)?)
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), DevError> {
    let file = |source| DevError::File {
        path: path.to_owned(),
        source,
    };
    let json = serde_json::to_vec_pretty(value).map_err(|error| file(error.into()))?;
    files::write_private(path, &json).map_err(file)
}
