//! Brings an empty database to what a running product has.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

/// The schema of the version of the read model that `migrations/read/` makes.
const READ_SCHEMA: &str = "read_4";

/// Runs `migrations/` and, in the read model's schema, `migrations/read/`.
pub(crate) async fn run(database: &PgConnectOptions) {
    let folder = Path::new(FOLDER);
    apply(folder, database).await;
    let mut connection = PgConnection::connect_with(database)
        .await
        .expect("it takes connections");
    let create = format!("CREATE SCHEMA IF NOT EXISTS {READ_SCHEMA}");
    connection
        .execute(sqlx::AssertSqlSafe(create))
        .await
        .expect("a superuser makes schemas");
    connection.close().await.expect("the server answers");
    apply(&folder.join("read"), &in_read_schema(database.clone())).await;
}

/// Makes names of the read model mean those of the version that is built now.
pub(crate) fn in_read_schema(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("search_path", format!("{READ_SCHEMA},public"))])
}

async fn apply(folder: &Path, database: &PgConnectOptions) {
    let migrator = Migrator::new(folder)
        .await
        .expect("the migrations can be read");
    let mut connection = PgConnection::connect_with(database)
        .await
        .expect("it takes connections");
    if let Err(error) = migrator.run(&mut connection).await {
        panic!(
            "{}: {}",
            folder.display(),
            runtime::telemetry::chain(&error)
        );
    }
    connection.close().await.expect("the server answers");
}
