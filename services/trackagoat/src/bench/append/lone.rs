//! What one append costs when nothing else goes on, beside the least that a durable write can
//! cost: a transaction that changes no table, committed in one round trip.

use std::time::Duration;

use domain::ids::{OrgId, StreamVersion};
use domain::time::Timestamp;
use event_log::{Config, EventLog};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use sqlx::{Connection, PgConnection};

use super::ours::Template;
use crate::bench::error::BenchError;
use crate::bench::folder;
use crate::bench::stats::Histogram;
use crate::bench::zipf::Random;

/// Without a record of its own a transaction's commit would not wait for the disk.
pub const EMPTY_COMMIT: &str = "select pg_logical_emit_message(true, 'trackagoat bench', '')";
const PAIRS: u32 = 2_000;
/// Of each kind, not counted: connections open, plans are made.
const WARM_UP: u32 = 50;

pub struct Lone {
    pub append: Histogram,
    pub commit: Histogram,
}

/// Measures one of each in turn, so that both meet the same disk.
pub async fn run(
    url: &str,
    limit: Duration,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Lone, BenchError> {
    let mut lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.stage("log");
    let pool = folder::pool(url, 1).await?;
    let (log, appender) = EventLog::new(pool, clock.clone(), entropy.clone(), Config::default());
    tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
    let mut connection = PgConnection::connect(url).await?;
    let template = Template::new(200)?;
    let mut random = Random::new(entropy.u64());
    let mut lone = Lone {
        append: Histogram::default(),
        commit: Histogram::default(),
    };
    let end = clock.monotonic() + limit;
    for pair in 0..PAIRS + WARM_UP {
        let org = OrgId::generate(Timestamp::from_datetime(clock.now()), random.bytes());
        let request = template.request(org, StreamVersion::ZERO, &mut random);
        let begun = clock.monotonic();
        if begun >= end {
            break;
        }
        log.append(request).await.map_err(BenchError::Append)?;
        let between = clock.monotonic();
        sqlx::query(EMPTY_COMMIT).execute(&mut connection).await?;
        let done = clock.monotonic();
        if pair >= WARM_UP {
            lone.append.record(between.as_nanos() - begun.as_nanos());
            lone.commit.record(done.as_nanos() - between.as_nanos());
        }
    }
    connection.close().await?;
    lifecycle.shutdown(ShutdownPolicy::default()).await;
    Ok(lone)
}
