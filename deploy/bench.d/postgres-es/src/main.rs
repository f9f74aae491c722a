//! Appends events through the repository of postgres-es, or reads all that it holds; prints one JSON object. The database is
//! that of `BENCH_DATABASE_URL`.

use std::time::{Duration, Instant};

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pinned in Cargo.toml.
const POSTGRES_ES_VERSION: &str = "0.5.0";
/// As many as its own `default_postgress_pool` opens.
const CONNECTIONS: u32 = 10;
const EVENTS_EACH: u64 = 1_000;
/// As its own scripts make it.
const TABLE: &str = "create table if not exists events (
        aggregate_type text not null, aggregate_id text not null,
        sequence bigint check (sequence >= 0) not null, event_type text not null, event_version text not null,
        payload json not null, metadata json not null, primary key (aggregate_type, aggregate_id, sequence))";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Filled {
    filler: String,
}

impl DomainEvent for Filled {
    fn event_type(&self) -> String {
        "measured".into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Aggregate for Measured {
    const TYPE: &'static str = "measured";
    type Command = ();
    type Event = Filled;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn apply(&mut self, _: Filled) {}
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Not an argument: everyone on the machine can read those.
    let url = std::env::var("BENCH_DATABASE_URL")?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
    pool.execute(TABLE).await?;
    let mut measured = if std::env::args().any(|it| it == "--replay") {
        replay(pool).await?
    } else if let Ok(events) = argument("--fill") {
        fill(&pool, events, argument("--payload-bytes")?).await?
    } else {
        append(&pool).await?
    };
    measured["peer"] = "postgres-es".into();
    measured["version"] = POSTGRES_ES_VERSION.into();
    println!("{measured}");
    Ok(())
}

async fn append(pool: &PgPool) -> Result<Value, Failure> {
    let writers: usize = argument("--writers")?;
    let seconds: f64 = argument("--seconds")?;
    let payload_bytes: usize = argument("--payload-bytes")?;
    let repository = PostgresEventRepository::new(pool.clone());
    repository.persist::<Measured>(&new_stream(1, payload_bytes), None).await?;

    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let repository = PostgresEventRepository::new(pool.clone());
            tokio::spawn(async move {
                let mut micros = Vec::new();
                loop {
                    let begun = Instant::now();
                    if begun >= end {
                        return Ok::<_, Failure>(micros);
                    }
                    // The primary key makes it fail if the stream is there.
                    repository.persist::<Measured>(&new_stream(1, payload_bytes), None).await?;
                    micros.push(begun.elapsed().as_micros());
                }
            })
        })
        .collect();
    let mut micros = Vec::new();
    for task in tasks {
        micros.extend(task.await??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    micros.sort_unstable();
    let quantile = |q: usize| micros.get(micros.len() * q / 100).copied().unwrap_or(0) as f64 / 1e3;
    Ok(json!({
        "writers": writers,
        "payload_bytes": payload_bytes,
        "events": micros.len(),
        "seconds": elapsed,
        "events_per_second": micros.len() as f64 / elapsed,
        "p50_ms": quantile(50),
        "p99_ms": quantile(99),
    }))
}

async fn fill(pool: &PgPool, events: u64, payload_bytes: usize) -> Result<Value, Failure> {
    let repository = PostgresEventRepository::new(pool.clone());
    let mut missing = events;
    while missing > 0 {
        let count = missing.min(EVENTS_EACH);
        repository.persist::<Measured>(&new_stream(count, payload_bytes), None).await?;
        missing -= count;
    }
    Ok(json!({ "events": events }))
}

/// As its own replay of everything does it. It gives no order across streams: it has none.
async fn replay(pool: PgPool) -> Result<Value, Failure> {
    let repository = PostgresEventRepository::new(pool);
    let start = Instant::now();
    let mut stream = repository.stream_all_events::<Measured>().await?;
    let mut events = 0_u64;
    while let Some(event) = stream.next::<Measured>(&[]).await {
        event?;
        events += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(json!({ "events": events, "seconds": seconds, "events_per_second": events as f64 / seconds }))
}

fn new_stream(events: u64, payload_bytes: usize) -> Vec<SerializedEvent> {
    let stream = Uuid::new_v4().to_string();
    let payload = json!(Filled { filler: "x".repeat(payload_bytes) });
    (1..=events)
        .map(|sequence| SerializedEvent {
            aggregate_id: stream.clone(),
            sequence: sequence as usize,
            aggregate_type: Measured::TYPE.into(),
            event_type: "measured".into(),
            event_version: "1.0".into(),
            payload: payload.clone(),
            metadata: json!({}),
        })
        .collect()
}

fn argument<T: std::str::FromStr>(name: &str) -> Result<T, Failure> {
    let mut arguments = std::env::args().skip_while(|it| it != name).skip(1);
    arguments.next().and_then(|it| it.parse().ok()).ok_or_else(|| format!("{name} is missing or wrong").into())
}
