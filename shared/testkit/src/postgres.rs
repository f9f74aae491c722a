use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::local::{Durability, PostgresConfig, PostgresServer};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;

use crate::{migrations, reachable_folder};

const TEMPLATE: &str = "template_migrated";
/// Enough for a test that does things at once, few enough for all tests that run at once.
const POOL_SIZE: u32 = 16;
/// How long a pool goes on trying to connect to a server that is not there.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(10);

/// A database of its own on the server that the tests of this process share.
#[derive(Debug)]
pub struct TestDatabase {
    options: PgConnectOptions,
    url: String,
    admin_url: String,
    pool: PgPool,
}

/// A server of its own, which a test may stop and kill, with one migrated database.
#[derive(Debug)]
pub struct TestPostgres {
    server: PostgresServer,
    name: String,
}

/// Gives a new, migrated database. The first call in a process starts the server.
pub async fn postgres() -> TestDatabase {
    static SERVER: OnceCell<PostgresServer> = OnceCell::const_new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(start_with_template).await;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    clone_template(server, &name).await;
    let options = options(server, &name);
    TestDatabase {
        pool: lazy_pool(&options),
        options,
        url: server.url(&name),
        admin_url: server.url("postgres"),
    }
}

/// Starts a server with one migrated database.
pub async fn private_postgres() -> TestPostgres {
    let server = start_with_template().await;
    let name = "test".to_owned();
    clone_template(&server, &name).await;
    TestPostgres { server, name }
}

impl TestDatabase {
    /// A URL of the database for the superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A URL of the server's database `postgres` for the superuser.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// How to connect as the superuser.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// A pool of the superuser's connections; tables of the read model are found by plain name.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A pool that acts as `role`, with no more rights than it has.
    pub fn pool_as(&self, role: &'static str) -> PgPool {
        pool_as(&self.options, role)
    }
}

impl TestPostgres {
    /// A URL of the database for the superuser.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// How to connect as the superuser.
    pub fn options(&self) -> PgConnectOptions {
        options(&self.server, &self.name)
    }

    /// A new pool of the superuser's connections; tables of the read model are found by plain name.
    pub fn pool(&self) -> PgPool {
        lazy_pool(&self.options())
    }

    /// A pool that acts as `role`, with no more rights than it has.
    pub fn pool_as(&self, role: &'static str) -> PgPool {
        pool_as(&self.options(), role)
    }

    /// The server's port on 127.0.0.1, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Stops it fast: sessions are cut, nothing is lost.
    pub async fn stop(&mut self) {
        self.server.stop().await.expect("postgres stops");
    }

    /// Kills all its processes.
    pub async fn kill(&mut self) {
        self.server.kill().await.expect("postgres is killed");
    }

    /// Starts it again, on the same port.
    pub async fn start(&mut self) {
        self.server.start().await.expect("postgres starts");
    }

    /// Stops it fast and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Stops all its processes where they stand.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.server.resume();
    }
}

async fn start_with_template() -> PostgresServer {
    let folder = reachable_folder();
    let config = PostgresConfig {
        durability: Durability::None,
        delete: Some(folder.path().to_owned()),
        ..PostgresConfig::new(folder.path().join("postgres"))
    };
    let server = PostgresServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .unwrap_or_else(|error| panic!("{}", runtime::telemetry::chain(&error)));
    // From here on the server deletes it.
    let _ = folder.keep();
    administer(&server, &format!("CREATE DATABASE {TEMPLATE}")).await;
    migrations::run(&options(&server, TEMPLATE)).await;
    server
}

async fn clone_template(server: &PostgresServer, name: &str) {
    administer(
        server,
        &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"),
    )
    .await;
    // What migrations say of the database itself is not copied with it.
    let closed = format!("REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC");
    administer(server, &closed).await;
}

async fn administer(server: &PostgresServer, statement: &str) {
    let options = options(server, "postgres");
    let mut connection = PgConnection::connect_with(&options)
        .await
        .expect("it takes connections");
    connection
        // A name cannot be a parameter; ours are made above.
        .execute(sqlx::AssertSqlSafe(statement))
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    connection.close().await.expect("the server answers");
}

fn options(server: &PostgresServer, name: &str) -> PgConnectOptions {
    PgConnectOptions::from_str(&server.url(name)).expect("the launcher writes URLs")
}

fn lazy_pool(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POOL_SIZE)
        .acquire_timeout(ACQUIRE_WITHIN)
        .connect_lazy_with(migrations::in_read_schema(options.clone()))
}

fn pool_as(options: &PgConnectOptions, role: &'static str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POOL_SIZE)
        .acquire_timeout(ACQUIRE_WITHIN)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                // A role cannot be a parameter; tests name it as a literal.
                let statement = format!("SET SESSION AUTHORIZATION {role}");
                connection
                    .execute(sqlx::AssertSqlSafe(statement))
                    .await
                    .map(drop)
            })
        })
        .connect_lazy_with(migrations::in_read_schema(options.clone()))
}
