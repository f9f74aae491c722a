//! Appends to message-db, which is SQL alone: its function, called over as many connections as do
//! it good.

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::job::{AppendJob, Appends, Writer, collect};
use crate::bench::error::BenchError;
use crate::bench::worker::Parent;
use crate::bench::zipf::Random;

/// It locks a category for each append; with more writers than this it becomes slower.
const CONNECTIONS_MAX: usize = 16;

pub async fn run(
    job: &AppendJob,
    parent: &mut Parent,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Appends, BenchError> {
    let connections = job.writers.min(CONNECTIONS_MAX);
    let options: PgConnectOptions = job.database_url.parse()?;
    let count = u32::try_from(connections).unwrap_or(1);
    let pool = PgPoolOptions::new()
        .min_connections(count)
        .max_connections(count)
        .connect_with(options.options([("search_path", "message_store,public")]))
        .await?;
    parent.ready().await?;
    let start = clock.monotonic();
    let mut writers = JoinSet::new();
    for number in 0..connections {
        let connection = pool.acquire().await?.detach();
        let writer = Writer::new(clock, start, job.length);
        let random = Random::new(entropy.u64());
        writers.spawn(write(writer, connection, random, number, job.payload_bytes));
    }
    collect(writers).await
}

/// Each connection has a category of its own, so that none waits for another's lock.
async fn write(
    mut writer: Writer,
    mut connection: PgConnection,
    mut random: Random,
    number: usize,
    payload_bytes: usize,
) -> Result<Writer, BenchError> {
    let data = json!({ "filler": "x".repeat(payload_bytes) });
    while let Some(begun) = writer.next() {
        let id = Uuid::from_u64_pair(random.u64(), random.u64());
        let stream = format!("measured{number}-{id}");
        sqlx::query("select write_message($1, $2, 'measured', $3, null, -1)")
            .bind(id.to_string())
            .bind(stream)
            .bind(&data)
            .execute(&mut connection)
            .await?;
        writer.succeeded(begun, 1);
    }
    Ok(writer)
}
