//! Where the servers are: named, or found in the folder of a running `trackagoat dev`.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use command::app::{Commander, Parts};
use command::people::People;
use event_log::{Appender, Config, EventLog};
use gate::{Coordinator, CoordinatorConfig, CoordinatorParts, Erasures, Hold, LedgerError};
use runtime::clock::Clock;
use runtime::config::SecretError;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, Outcome, ShutdownPolicy, TaskKind};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use crate::arguments::{ArchiveArgs, DatabaseUrl, LedgerArgs, NatsUrl, SecretArgument};
use crate::database::connect_options;
use crate::nats::{self, NatsError};
use crate::terminal::remark;

/// The file in which a running `dev` says where its servers are.
pub const DEV_FILE: &str = "dev.json";

/// Connections of one command.
const CONNECTIONS: u32 = 4;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A NATS that stands still must hold up no revocation.
const NATS_WITHIN: Duration = Duration::from_secs(1);
const ORG_CACHE_BYTES: u64 = 1 << 30;

/// Which servers a command is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
pub struct Target {
    #[command(flatten)]
    database: DatabaseUrl,
    #[command(flatten)]
    nats: NatsUrl,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Folder of a running `trackagoat dev`, where no database is named.
    #[arg(long, env = "TGA_DATA_DIR", default_value = ".data", global = true)]
    data_dir: PathBuf,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
pub struct DevFile {
    #[serde(default)]
    pub ledger_dir: Option<PathBuf>,
    /// Where old events are read from, if there is such a folder.
    #[serde(default)]
    pub archive_dir: Option<PathBuf>,
    /// Where copies of signed heads are.
    #[serde(default)]
    pub checkpoint_dir: Option<PathBuf>,
    /// The file with the key by which the log is signed; none: a variable holds it.
    #[serde(default)]
    pub signing_key_file: Option<PathBuf>,
    pub database_url: String,
    pub nats_url: String,
    /// Where people reach it.
    #[serde(default)]
    pub public_url: Option<String>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(
        "no database is named, and no `trackagoat dev` runs in {0}: start one with deploy/run, set TGA_DATABASE_URL_FILE or give --data-dir"
    )]
    Nowhere(PathBuf),
    #[error("the URL of the database cannot be read")]
    Url(#[source] Cause),
    #[error("no connection to the database at {address}")]
    Database {
        address: Address,
        #[source]
        cause: Cause,
    },
    #[error("no answer within {} s from the database at {address}", CONNECT_WITHIN.as_secs())]
    Late { address: Address },
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

type Cause = Box<dyn Error + Send + Sync>;

/// Where a database was looked for; never with its password.
#[derive(Debug)]
pub struct Address {
    server: String,
    dev_folder: Option<PathBuf>,
}

/// Where the servers are, and where revocations are kept a second time.
pub struct Place {
    pub database: SecretString,
    /// An address that cannot be read fails only those who need NATS.
    pub nats: Result<Option<SecretString>, SecretError>,
    pub ledger: LedgerArgs,
    /// Where old events are read from.
    pub archive: ArchiveArgs,
    /// The folder of the `trackagoat dev` whose servers they are.
    pub dev_folder: Option<PathBuf>,
    /// Where that has copies of signed heads.
    pub checkpoint_dir: Option<PathBuf>,
    /// The file with the key by which it signs the log.
    pub signing_key_file: Option<PathBuf>,
    /// Where people reach that `trackagoat dev`.
    pub public_url: Option<String>,
}

impl Target {
    /// What is named, else what a running `dev` says.
    pub fn place(&self) -> Result<Place, ConnectError> {
        let (nats, ledger) = (self.nats.optional(), self.ledger.clone());
        let archive = self.archive.clone();
        if let Some(database) = self.database.optional()? {
            return Ok(Place {
                database,
                nats,
                ledger,
                archive,
                dev_folder: None,
                checkpoint_dir: None,
                signing_key_file: None,
                public_url: None,
            });
        }
        let found = read_dev_file(&self.data_dir);
        let found = found.ok_or_else(|| ConnectError::Nowhere(self.data_dir.clone()))?;
        Ok(Place {
            database: found.database_url.into(),
            nats: nats.map(|named| named.or(Some(found.nats_url.into()))),
            ledger: LedgerArgs {
                ledger_dir: ledger.ledger_dir.or(found.ledger_dir),
            },
            archive: ArchiveArgs {
                archive_dir: archive.archive_dir.or(found.archive_dir),
            },
            dev_folder: Some(self.data_dir.clone()),
            checkpoint_dir: found.checkpoint_dir,
            signing_key_file: found.signing_key_file,
            public_url: found.public_url,
        })
    }
}

impl Place {
    /// Connections for one command, none of which is made yet.
    pub fn pool(&self) -> Result<PgPool, ConnectError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_WITHIN);
        Ok(pool.connect_lazy_with(self.options()?))
    }

    fn options(&self) -> Result<PgConnectOptions, ConnectError> {
        let options = connect_options(&self.database);
        options.map_err(|error| ConnectError::Url(cause(error)))
    }

    fn address(&self, options: &PgConnectOptions) -> Address {
        let (host, port) = (options.get_host(), options.get_port());
        Address {
            server: match options.get_socket() {
                Some(folder) => format!("{}, port {port}", folder.display()),
                None => format!("{host}:{port}"),
            },
            dev_folder: self.dev_folder.clone(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)?;
        let Some(folder) = &self.dev_folder else {
            return Ok(());
        };
        let folder = folder.display();
        write!(
            f,
            " (`trackagoat dev` in {folder} may not be running: start it with deploy/run --data-dir {folder})"
        )
    }
}

/// One connection to the database, or why there is none.
pub async fn connect(place: &Place, clock: &Clock) -> Result<PgConnection, ConnectError> {
    let options = place.options()?;
    let connecting = PgConnection::connect_with(&options);
    match clock.timeout(CONNECT_WITHIN, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(ConnectError::Database {
            address: place.address(&options),
            cause: cause(error),
        }),
        Err(_) => Err(ConnectError::Late {
            address: place.address(&options),
        }),
    }
}

/// What lies behind an error, which sqlx's own text would say a second time.
fn cause(error: sqlx::Error) -> Cause {
    match error {
        sqlx::Error::Io(cause) => cause.into(),
        sqlx::Error::Database(cause) => cause.message().into(),
        sqlx::Error::Configuration(cause) | sqlx::Error::Tls(cause) => cause,
        other => other.into(),
    }
}

/// The log, to be read alone: nobody appends here. Any login that may read it will do.
pub async fn open_log(
    place: &Place,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<EventLog, ConnectError> {
    drop(connect(place, clock).await?);
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_WITHIN)
        .connect_lazy_with(place.options()?);
    let (clock, entropy) = (clock.clone(), entropy.clone());
    let (log, _) = EventLog::new(pool, clock, entropy, Config::default());
    Ok(log.with_archive(place.archive.archive_dir.clone()))
}

fn read_dev_file(folder: &Path) -> Option<DevFile> {
    serde_json::from_slice(&std::fs::read(folder.join(DEV_FILE)).ok()?).ok()
}

/// A connected operator.
pub struct Operator {
    pub commander: Commander,
    pub people: People,
    pub pool: PgPool,
    /// Where this command keeps its own denials a second time.
    pub ledger_dir: Option<PathBuf>,
    /// And what it erases.
    pub erasures: Option<Erasures>,
    /// Where people reach the `trackagoat dev` that it is connected to.
    pub public_url: Option<String>,
    lifecycle: Lifecycle,
}

impl Operator {
    /// Connects; the log must have been migrated.
    pub async fn connect(
        target: &Target,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, ConnectError> {
        let place = target.place()?;
        // A pool alone tries again until its time is over, and then says only that it is.
        drop(connect(&place, clock).await?);
        let pool = place.pool()?;
        let nats = match place.nats? {
            // That NATS is away delays the barrier, no more.
            Some(url) => match clock.timeout(NATS_WITHIN, nats::connect(&url)).await {
                Ok(Ok(client)) => Some(client),
                Ok(Err(NatsError::Connect(_))) | Err(_) => None,
                Ok(Err(error @ NatsError::Url(_))) => return Err(error.into()),
            },
            None => None,
        };
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        let (log, appender): (EventLog, Appender) = EventLog::new(
            pool.clone(),
            clock.clone(),
            entropy.clone(),
            Config::default(),
        );
        let log = log.with_archive(place.archive.archive_dir.clone());
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        let parts = CoordinatorParts {
            primary: pool.clone(),
            log: log.clone(),
            nats,
            ledger: place.ledger.open(clock, entropy, &tasks)?,
            hold: Arc::new(Hold::new(clock.clone())),
            clock: clock.clone(),
        };
        let coordinator = Coordinator::start(parts, CoordinatorConfig::default(), &tasks);
        let (commander, snapshotter) = Commander::new(Parts {
            log,
            coordinator,
            clock: clock.clone(),
            entropy: entropy.clone(),
            tasks: tasks.clone(),
            org_cache_bytes: ORG_CACHE_BYTES,
            ingest_places: 1,
        });
        tasks.spawn(
            TaskKind::Disposable,
            "snapshots",
            snapshotter.run(tasks.clone()),
        );
        let people = People::new(
            pool.clone(),
            commander.clone(),
            clock.clone(),
            entropy.clone(),
        );
        Ok(Self {
            commander,
            people,
            pool,
            erasures: place.ledger.erasures(clock, entropy),
            ledger_dir: place.ledger.ledger_dir,
            public_url: place.public_url,
            lifecycle,
        })
    }

    /// Finishes what was begun.
    pub async fn close(self) {
        let policy = ShutdownPolicy {
            notice: Duration::ZERO,
            grace: Duration::from_secs(5),
        };
        // Who writes the ledger stops when nobody is left who could add to it.
        drop((self.people, self.commander));
        if let Outcome::Forced { dropped } = self.lifecycle.shutdown(policy).await {
            remark(format_args!("warning: {dropped} tasks did not finish"));
        }
        self.pool.close().await;
    }
}
