//! The ceiling: multi-row inserts of rows such as ours into a table with a primary key. No order,
//! no versions, no conflicts, no chain.

use domain::ids::OrgId;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgConnection, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::job::{AppendJob, Appends, Writer, collect};
use super::ours::{CORRELATION_ID, Template};
use crate::bench::error::BenchError;
use crate::bench::worker::Parent;
use crate::bench::zipf::Random;

/// Made in a database of ours, so that the columns are the log's own.
pub const TABLE: &str =
    "create table plain_events (like log.events including storage, primary key (position))";

const INSERT: &str = "insert into plain_events (position, version, auth_prev, recorded_at, stream,
        schema_version, event_id, org_id, type, subject, actor, correlation_id, prev_hash, hash,
        metadata, data)
    select r.position, r.version, null, now(), r.stream, r.schema_version, r.event_id, r.org_id,
        r.type, r.subject, r.actor, r.correlation_id, r.prev_hash, r.hash, null, r.data::json
    from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::uuid[], $6::uuid[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[], $13::text[])
        as r (position, version, stream, schema_version, event_id, org_id, type, subject, actor,
            correlation_id, prev_hash, hash, data)";

/// What differs from row to row of one insert.
struct Rows {
    positions: Vec<i64>,
    event_ids: Vec<Uuid>,
    org_ids: Vec<Uuid>,
    subjects: Vec<String>,
    hashes: Vec<Vec<u8>>,
    data: Vec<String>,
}

pub async fn run(
    job: &AppendJob,
    connections: u32,
    parent: &mut Parent,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Appends, BenchError> {
    let pool = open(&job.database_url, connections).await?;
    let rows = job.writers / connections as usize;
    parent.ready().await?;
    let start = clock.monotonic();
    let mut writers = JoinSet::new();
    for number in 0..connections {
        let writer = Writer::new(clock, start, job.length);
        let random = Random::new(entropy.u64());
        let template = Template::new(job.payload_bytes)?;
        let connection = pool.acquire().await?.detach();
        // Each has positions of its own.
        let first = i64::from(number) << 40;
        writers.spawn(insert(
            writer,
            connection,
            template,
            random,
            rows.max(1),
            first,
        ));
    }
    collect(writers).await
}

/// Plans are made once, as ours are: they depend on no number of rows.
async fn open(url: &str, connections: u32) -> Result<PgPool, BenchError> {
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection
                    .execute("set plan_cache_mode = force_generic_plan")
                    .await
                    .map(drop)
            })
        })
        .connect(url)
        .await?;
    Ok(pool)
}

async fn insert(
    mut writer: Writer,
    mut connection: PgConnection,
    template: Template,
    mut random: Random,
    rows: usize,
    mut last: i64,
) -> Result<Writer, BenchError> {
    while let Some(begun) = writer.next() {
        let batch = Rows::new(rows, &mut last, &template, &mut random);
        let inserted = sqlx::query(INSERT)
            .bind(batch.positions)
            .bind(vec![1_i64; rows])
            .bind(vec![0_i16; rows])
            .bind(vec![1_i16; rows])
            .bind(batch.event_ids)
            .bind(batch.org_ids)
            .bind(vec!["project.added"; rows])
            .bind(batch.subjects)
            .bind(vec!["system"; rows])
            .bind(vec![CORRELATION_ID; rows])
            .bind(vec![vec![0_u8; 32]; rows])
            .bind(batch.hashes)
            .bind(batch.data)
            .execute(&mut connection)
            .await?;
        writer.succeeded(begun, inserted.rows_affected());
    }
    Ok(writer)
}

impl Rows {
    fn new(count: usize, last: &mut i64, template: &Template, random: &mut Random) -> Self {
        let mut rows = Self {
            positions: Vec::with_capacity(count),
            event_ids: Vec::with_capacity(count),
            org_ids: Vec::with_capacity(count),
            subjects: Vec::with_capacity(count),
            hashes: Vec::with_capacity(count),
            data: Vec::with_capacity(count),
        };
        for _ in 0..count {
            *last += 1;
            let org = Uuid::from_u64_pair(random.u64(), random.u64());
            let event = template.event(random.bytes());
            rows.positions.push(*last);
            rows.event_ids
                .push(Uuid::from_u64_pair(random.u64(), random.u64()));
            rows.org_ids.push(org);
            rows.subjects.push(event.subject(OrgId::from_uuid(org)));
            rows.hashes
                .push((0..4).flat_map(|_| random.u64().to_le_bytes()).collect());
            rows.data.push(event.data());
        }
        rows
    }
}
