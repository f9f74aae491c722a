//! Does a reader that follows the positions see everything? Ours is read while two processes
//! append; the control is a plain `bigserial`, whose numbers are given out before the commit, and
//! there a reader must miss some: else it proves nothing that it misses none of ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runtime::clock::Clock;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use super::contest::{Contest, Run};
use crate::bench::error::BenchError;
use crate::bench::folder;

const CONTROL_TABLE: &str =
    "create table naive_events (position bigserial primary key, data text not null)";
const CONTROL_INSERT: &str = "insert into naive_events (data) values (repeat('x', 200))";
const CONTROL_WRITERS: u32 = 16;
/// How long a reader that saw nothing waits.
const PAUSE: Duration = Duration::from_millis(1);

/// What a tailing reader saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    events: u64,
    /// Positions that it jumped over.
    gaps: u64,
    /// Events that appeared below where it already was.
    missed: u64,
}

#[derive(Clone, Copy)]
enum Table {
    Ours,
    Control,
}

impl Seen {
    pub fn violations(self) -> u64 {
        self.gaps.max(self.missed)
    }

    pub fn to_json(self) -> Value {
        json!({ "events": self.events, "gaps": self.gaps, "missed": self.missed })
    }
}

impl Table {
    const fn page(self) -> &'static str {
        match self {
            Self::Ours => {
                "select position from log.events where position > $1 order by position limit 1000"
            }
            Self::Control => {
                "select position from naive_events where position > $1 order by position limit 1000"
            }
        }
    }

    const fn count(self) -> &'static str {
        match self {
            Self::Ours => "select count(*) from log.events",
            Self::Control => "select count(*) from naive_events",
        }
    }
}

pub async fn ours(contest: &mut Contest<'_>, run: Run, clock: &Clock) -> Result<Seen, BenchError> {
    let url = contest.database.ours().await?;
    let done = Arc::new(AtomicBool::new(false));
    let connection = PgConnection::connect(&url).await?;
    let mut reader = JoinSet::new();
    reader.spawn(tail(
        connection,
        Table::Ours,
        Arc::clone(&done),
        clock.clone(),
    ));
    let appended = contest.ours_in(&url, run).await;
    done.store(true, Ordering::Relaxed);
    let seen = joined(&mut reader).await?;
    appended?;
    contest.database.drop(&url).await?;
    Ok(seen)
}

pub async fn control(
    contest: &mut Contest<'_>,
    length: Duration,
    clock: &Clock,
) -> Result<Seen, BenchError> {
    let url = contest.database.empty().await?;
    let mut connection = PgConnection::connect(&url).await?;
    connection.execute(CONTROL_TABLE).await?;
    let done = Arc::new(AtomicBool::new(false));
    let mut reader = JoinSet::new();
    reader.spawn(tail(
        connection,
        Table::Control,
        Arc::clone(&done),
        clock.clone(),
    ));
    let pool = folder::pool(&url, CONTROL_WRITERS).await?;
    let end = clock.monotonic() + length;
    let mut writers = JoinSet::new();
    for _ in 0..CONTROL_WRITERS {
        let mut connection = pool.acquire().await?.detach();
        let clock = clock.clone();
        writers.spawn(async move {
            while clock.monotonic() < end {
                connection.execute(CONTROL_INSERT).await?;
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    for written in writers.join_all().await {
        written?;
    }
    done.store(true, Ordering::Relaxed);
    let seen = joined(&mut reader).await?;
    contest.database.drop(&url).await?;
    Ok(seen)
}

async fn joined(reader: &mut JoinSet<Result<Seen, BenchError>>) -> Result<Seen, BenchError> {
    match reader.join_next().await {
        Some(Ok(seen)) => seen,
        _ => Err(BenchError::Wrong("the tailing reader is gone".into())),
    }
}

/// Reads what comes after the last position it saw, until all is written and nothing comes.
async fn tail(
    mut connection: PgConnection,
    table: Table,
    done: Arc<AtomicBool>,
    clock: Clock,
) -> Result<Seen, BenchError> {
    let (mut last, mut events, mut gaps) = (0_i64, 0_u64, 0_u64);
    loop {
        let finished = done.load(Ordering::Relaxed);
        let page: Vec<i64> = sqlx::query_scalar(table.page())
            .bind(last)
            .fetch_all(&mut connection)
            .await?;
        for position in &page {
            events += 1;
            gaps += (position - last - 1).unsigned_abs();
            last = *position;
        }
        if page.is_empty() {
            if finished {
                break;
            }
            clock.sleep(PAUSE).await;
        }
    }
    let total: i64 = sqlx::query_scalar(table.count())
        .fetch_one(&mut connection)
        .await?;
    let missed = total.unsigned_abs().saturating_sub(events);
    Ok(Seen {
        events,
        gaps,
        missed,
    })
}
