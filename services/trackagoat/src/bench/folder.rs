//! Where a benchmark runs: a folder on the measured disk, and a private Postgres in it with as many
//! databases as are asked for.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::local::{NatsConfig, NatsServer, PostgresConfig, PostgresServer};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::error::BenchError;

/// The database that all of ours are copies of.
const TEMPLATE: &str = "template_of_ours";

/// A folder beside the report, gone when dropped.
pub struct BenchFolder {
    folder: TempDir,
}

/// A private Postgres that keeps what it acknowledged.
pub struct Database {
    server: PostgresServer,
    made: u32,
}

impl BenchFolder {
    /// The report's folder is made if it is missing.
    pub fn beside(report: &Path) -> Result<Self, BenchError> {
        let parent = match report.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(BenchError::io("make the folder", &parent))?;
        let parent = parent
            .canonicalize()
            .map_err(BenchError::io("resolve", &parent))?;
        let folder = tempfile::Builder::new()
            .prefix("bench.")
            .tempdir_in(&parent)
            .map_err(BenchError::io("make a folder in", &parent))?;
        // The servers may run as another user, who has to pass through.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))
            .map_err(BenchError::io("open to the servers", folder.path()))?;
        Ok(Self { folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A private NATS server, its store on the same disk.
    pub async fn nats(&self, clock: &Clock, entropy: &Entropy) -> Result<NatsServer, BenchError> {
        let folder = self.path().join("nats");
        let config = NatsConfig {
            delete: Some(folder.clone()),
            ..NatsConfig::new(folder)
        };
        NatsServer::init(config, clock, entropy)
            .await
            .map_err(BenchError::Server)
    }
}

impl Database {
    /// Starts Postgres and brings one database up to date, to be copied.
    pub async fn start(
        parent: &BenchFolder,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, BenchError> {
        Self::start_with(parent, Vec::new(), clock, entropy).await
    }

    /// The same with settings of its own.
    pub async fn start_with(
        parent: &BenchFolder,
        settings: Vec<(&'static str, String)>,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, BenchError> {
        let folder = parent.path().join("postgres");
        let config = PostgresConfig {
            delete: Some(folder.clone()),
            settings,
            ..PostgresConfig::new(folder)
        };
        let server = PostgresServer::init(config, clock, entropy)
            .await
            .map_err(BenchError::Server)?;
        let database = Self { server, made: 0 };
        database
            .administer(format!("create database {TEMPLATE}"))
            .await?;
        let mut connection = PgConnection::connect(&database.server.url(TEMPLATE)).await?;
        event_log::migrate(&mut connection, clock)
            .await
            .map_err(BenchError::Migrate)?;
        connection.close().await?;
        Ok(database)
    }

    /// A new database with our tables; its URL, as the superuser.
    pub async fn ours(&mut self) -> Result<String, BenchError> {
        self.create(&format!(" template {TEMPLATE}")).await
    }

    /// A new, empty database; its URL, as the superuser.
    pub async fn empty(&mut self) -> Result<String, BenchError> {
        self.create("").await
    }

    /// Deletes a database, whoever is still connected to it. Postgres writes out what lies in memory
    /// before it does, so nobody pays for those before.
    pub async fn drop(&self, url: &str) -> Result<(), BenchError> {
        let name = url.rsplit('/').next().unwrap_or_default();
        self.administer(format!("drop database {name} with (force)"))
            .await
    }

    /// Has Postgres write out what lies in memory, and make ready for use again the parts of its log
    /// that it no longer needs: as on a server that has run for a while, later writes then seldom
    /// wait for a new part to be made.
    pub async fn checkpoint(&self) -> Result<(), BenchError> {
        self.administer("checkpoint".to_owned()).await
    }

    /// A connection as the superuser to the server's own database.
    pub async fn connect(&self) -> Result<PgConnection, BenchError> {
        Ok(PgConnection::connect(&self.server.url("postgres")).await?)
    }

    /// Stops all its processes where they stand, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Kills all its processes and starts it again.
    pub async fn crash(&mut self) -> Result<(), BenchError> {
        self.server.kill().await.map_err(BenchError::Server)?;
        self.server.start().await.map_err(BenchError::Server)
    }

    pub async fn shut_down(self) -> Result<(), BenchError> {
        self.server.shut_down().await.map_err(BenchError::Server)
    }

    async fn create(&mut self, options: &str) -> Result<String, BenchError> {
        self.made += 1;
        let name = format!("bench_{}", self.made);
        self.administer(format!("create database {name}{options}"))
            .await?;
        Ok(self.server.url(&name))
    }

    async fn administer(&self, statement: String) -> Result<(), BenchError> {
        let mut connection = self.connect().await?;
        // Names cannot be bound; these are made above.
        connection.execute(AssertSqlSafe(statement)).await?;
        connection.close().await?;
        Ok(())
    }
}

/// Connections as the superuser, all of them open.
pub async fn pool(url: &str, connections: u32) -> Result<PgPool, BenchError> {
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .connect(url)
        .await?;
    Ok(pool)
}
