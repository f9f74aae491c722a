//! Where the servers are: named, or found in the folder of a running `trackagoat dev`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use command::app::{Commander, Parts};
use event_log::{Appender, Config, EventLog};
use gate::{Coordinator, CoordinatorConfig};
use runtime::clock::Clock;
use runtime::config::SecretError;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

use crate::arguments::{DatabaseUrl, NatsUrl, SecretArgument};
use crate::nats::{self, NatsError};

/// The file in which a running `dev` says where its servers are.
pub const DEV_FILE: &str = "dev.json";

/// Connections of one command.
const CONNECTIONS: u32 = 4;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ORG_CACHE_BYTES: u64 = 1 << 30;

/// Which servers a command is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
pub struct Target {
    #[command(flatten)]
    database: DatabaseUrl,
    #[command(flatten)]
    nats: NatsUrl,
    /// Folder of a running `trackagoat dev`, where no database is named.
    #[arg(long, env = "TGA_DATA_DIR", default_value = ".data", global = true)]
    data_dir: PathBuf,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
pub struct DevFile {
    pub database_url: String,
    pub nats_url: String,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(
        "no database is named, and no `trackagoat dev` runs in {0}: set TGA_DATABASE_URL_FILE or give --data-dir"
    )]
    Nowhere(PathBuf),
    #[error("the database cannot be reached")]
    Database(#[source] sqlx::Error),
    #[error("the database did not answer within {} s", CONNECT_WITHIN.as_secs())]
    Late,
    #[error(transparent)]
    Nats(#[from] NatsError),
}

impl Target {
    /// URLs of the database and of NATS.
    pub fn urls(&self) -> Result<(SecretString, Option<SecretString>), ConnectError> {
        let nats = self.nats.optional()?;
        if let Some(database) = self.database.optional()? {
            return Ok((database, nats));
        }
        let found = read_dev_file(&self.data_dir);
        let found = found.ok_or_else(|| ConnectError::Nowhere(self.data_dir.clone()))?;
        Ok((
            found.database_url.into(),
            nats.or(Some(found.nats_url.into())),
        ))
    }
}

/// One connection to the database, or why there is none.
pub async fn connect(url: &SecretString, clock: &Clock) -> Result<PgConnection, ConnectError> {
    let connecting = PgConnection::connect(url.expose_secret());
    let connected = clock.timeout(CONNECT_WITHIN, connecting).await;
    connected
        .map_err(|_| ConnectError::Late)?
        .map_err(ConnectError::Database)
}

fn read_dev_file(folder: &Path) -> Option<DevFile> {
    serde_json::from_slice(&std::fs::read(folder.join(DEV_FILE)).ok()?).ok()
}

/// A connected operator.
pub struct Operator {
    pub commander: Commander,
    pub pool: PgPool,
    lifecycle: Lifecycle,
}

impl Operator {
    /// Connects; the log must have been migrated.
    pub async fn connect(
        target: &Target,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, ConnectError> {
        let (database, nats) = target.urls()?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_WITHIN)
            .connect(database.expose_secret())
            .await
            .map_err(ConnectError::Database)?;
        let nats = match nats {
            // That NATS is away delays the barrier, no more.
            Some(url) => match nats::connect(&url).await {
                Ok(client) => Some(client),
                Err(NatsError::Connect(_)) => None,
                Err(error @ NatsError::Url(_)) => return Err(error.into()),
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
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        let coordinator = Coordinator::start(
            &pool,
            nats,
            clock.clone(),
            CoordinatorConfig::default(),
            &tasks,
        );
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
        Ok(Self {
            commander,
            pool,
            lifecycle,
        })
    }

    /// Finishes what was begun.
    pub async fn close(self) {
        let policy = ShutdownPolicy {
            notice: Duration::ZERO,
            grace: Duration::from_secs(5),
        };
        self.lifecycle.shutdown(policy).await;
        self.pool.close().await;
    }
}
