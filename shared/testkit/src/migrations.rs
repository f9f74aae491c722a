//! Brings an empty database to what a running product has.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

/// Runs `migrations/` and, in the schema `read_2`, `migrations/read/`.
pub(crate) async fn run(database: &PgConnectOptions) {
    let folder = Path::new(FOLDER);
    apply(folder, database).await;
    let mut connection = PgConnection::connect_with(database)
        .await
        .expect("it takes connections");
    connection
        .execute("CREATE SCHEMA IF NOT EXISTS read_2")
        .await
        .expect("a superuser makes schemas");
    connection.close().await.expect("the server answers");
    apply(&folder.join("read"), &in_read_schema(database.clone())).await;
}

/// Makes names of the read model mean those of its first version.
pub(crate) fn in_read_schema(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("search_path", "read_2,public")])
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
