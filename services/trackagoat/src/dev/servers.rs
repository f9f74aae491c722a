//! The private Postgres and NATS of `trackagoat dev`, prepared for the services.

use std::path::Path;
use std::time::Duration;

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::files::hex;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::local::{LocalError, NatsConfig, NatsServer, PostgresConfig, PostgresServer};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};

const DATABASE: &str = "trackagoat";

/// Connections that a query service may open: its pools, projector, lease and feed.
const CONNECTIONS_PER_REPLICA: u32 = 64;
/// Those of the command service and of operators.
const OTHER_CONNECTIONS: u32 = 96;

/// Servers that run and hold a migrated database.
pub struct Servers {
    pub postgres: PostgresServer,
    pub nats: NatsServer,
    pub urls: DatabaseUrls,
}

/// How each part reaches the database: each as its own role.
#[derive(Clone)]
pub struct DatabaseUrls {
    /// The operator: the owner of the private server.
    pub operator: SecretString,
    pub command: SecretString,
    pub query: SecretString,
    pub projector: SecretString,
}

/// Why the servers are not there.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    #[error("the private Postgres did not start")]
    Postgres(#[source] LocalError),
    #[error("the private NATS server did not start")]
    Nats(#[source] LocalError),
    #[error("the private Postgres could not be prepared")]
    Prepare(#[source] sqlx::Error),
    #[error("the lease could not be allowed")]
    Lease(#[source] gate::StoreError),
    #[error("the database could not be migrated")]
    Migrate(#[source] event_log::MigrateError),
}

impl Servers {
    /// Starts both under the data folder; what is there already is used again.
    pub async fn start(
        folder: &Path,
        query_replicas: u16,
        lease: Duration,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, ServersError> {
        let connections = OTHER_CONNECTIONS + CONNECTIONS_PER_REPLICA * u32::from(query_replicas);
        let mut postgres = PostgresConfig::new(folder.join("postgres"));
        postgres
            .settings
            .push(("max_connections", connections.to_string()));
        let nats = NatsConfig::new(folder.join("nats"));
        let (postgres, nats) = tokio::join!(
            PostgresServer::init(postgres, clock, entropy),
            NatsServer::init(nats, clock, entropy),
        );
        let postgres = postgres.map_err(ServersError::Postgres)?;
        let nats = nats.map_err(ServersError::Nats)?;
        let urls = prepare(&postgres, lease, clock, entropy).await?;
        Ok(Self {
            postgres,
            nats,
            urls,
        })
    }

    /// Keeps both running until the stage ends; one that ends by itself takes everything down.
    pub fn supervise(self, tasks: &Tasks) {
        let postgres = self.postgres.supervise(tasks.clone());
        tasks.spawn(TaskKind::Critical, "postgres", postgres);
        let nats = self.nats.supervise(tasks.clone());
        tasks.spawn(TaskKind::Critical, "nats", nats);
    }
}

async fn prepare(
    postgres: &PostgresServer,
    lease: Duration,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<DatabaseUrls, ServersError> {
    let mut server = connect(&postgres.url("postgres")).await?;
    event_log::create_database(&mut server, DATABASE)
        .await
        .map_err(ServersError::Prepare)?;
    let operator = postgres.url(DATABASE);
    let mut connection = connect(&operator).await?;
    event_log::migrate(&mut connection, clock)
        .await
        .map_err(ServersError::Migrate)?;
    gate::allow_lease(&mut connection, lease)
        .await
        .map_err(ServersError::Lease)?;
    let mut urls = Vec::with_capacity(3);
    for group in ["tga_command", "tga_query", "tga_projector"] {
        // Logins live as long as the process: each start gives them new passwords.
        let (login, password) = (format!("{group}_login"), hex(&entropy.bytes::<24>()));
        event_log::create_login(&mut connection, group, &login, &password)
            .await
            .map_err(ServersError::Prepare)?;
        let port = postgres.port();
        let url = format!("postgres://{login}:{password}@127.0.0.1:{port}/{DATABASE}");
        urls.push(SecretString::from(url));
    }
    let mut urls = urls.into_iter();
    let mut next = || urls.next().unwrap_or_default();
    Ok(DatabaseUrls {
        operator: operator.into(),
        command: next(),
        query: next(),
        projector: next(),
    })
}

async fn connect(url: &str) -> Result<PgConnection, ServersError> {
    PgConnection::connect(url)
        .await
        .map_err(ServersError::Prepare)
}
