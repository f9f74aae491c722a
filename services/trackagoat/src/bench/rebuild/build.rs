//! How fast a projection is built from the log alone, in a database of its own.

use std::str::FromStr;
use std::time::Duration;

use domain::ids::GlobalPosition;
use event_log::{Config, EventLog};
use read_model::{ProjectionVersion, Projector, ProjectorConfig};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use crate::bench::error::BenchError;
use crate::bench::folder;

const DATABASE: &str = "bench_rebuild";
const LOOK: Duration = Duration::from_millis(20);
const BUILT_WITHIN: Duration = Duration::from_mins(10);

/// Seconds until a projection that begins with nothing has everything.
pub async fn run(url: &str, clock: &Clock, entropy: &Entropy) -> Result<f64, BenchError> {
    let mut operator = PgConnection::connect(url).await?;
    recreate(&mut operator).await?;
    let pool = folder::pool(url, 4).await?;
    let (log, _) = EventLog::new(pool, clock.clone(), entropy.clone(), Config::default());
    let head = log.head().await.map_err(BenchError::Read)?.position;
    let database = PgConnectOptions::from_str(url)?.database(DATABASE);
    let config = ProjectorConfig {
        database: database.clone(),
        nats: None,
        version: ProjectionVersion::CURRENT,
    };
    let projector = Projector::new(log, config, clock.clone(), entropy.clone());
    let mut lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.stage("projector");
    let mut connection = database.connect().await?;
    let began = clock.monotonic();
    tasks.spawn(
        TaskKind::Critical,
        "projector",
        projector.run(tasks.clone()),
    );
    let built = clock
        .timeout(BUILT_WITHIN, until_at(&mut connection, head, clock))
        .await;
    let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
    built.map_err(|source| BenchError::Late {
        what: "the rebuilt projection",
        source,
    })??;
    lifecycle.shutdown(ShutdownPolicy::default()).await;
    connection.close().await?;
    drop_database(&mut operator).await?;
    operator.close().await?;
    Ok(seconds)
}

/// Readings in the events of the log.
pub async fn count_readings(url: &str) -> Result<u64, BenchError> {
    let mut connection = PgConnection::connect(url).await?;
    let count: i64 = sqlx::query_scalar(
        "select coalesce(sum(json_array_length(data -> 'readings')), 0)::bigint from log.events
         where type = 'observation.recorded'",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(count.unsigned_abs())
}

async fn recreate(operator: &mut PgConnection) -> Result<(), BenchError> {
    drop_database(operator).await?;
    // Names cannot be bound; this one is a constant.
    operator
        .execute(AssertSqlSafe(format!("create database {DATABASE}")))
        .await?;
    Ok(())
}

async fn drop_database(operator: &mut PgConnection) -> Result<(), BenchError> {
    let statement = format!("drop database if exists {DATABASE} with (force)");
    operator.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

async fn until_at(
    connection: &mut PgConnection,
    head: GlobalPosition,
    clock: &Clock,
) -> Result<(), BenchError> {
    loop {
        // The table is made by the projector.
        let exists: bool = sqlx::query_scalar("select to_regclass('read.versions') is not null")
            .fetch_one(&mut *connection)
            .await?;
        if exists {
            let position: Option<i64> =
                sqlx::query_scalar("select max(position) from read.versions")
                    .fetch_one(&mut *connection)
                    .await?;
            if position >= Some(head.as_i64()) {
                return Ok(());
            }
        }
        clock.sleep(LOOK).await;
    }
}
