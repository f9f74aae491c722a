//! Throughput while somebody else holds a snapshot: no dead version of the head's row can be
//! removed meanwhile, and every append leaves one. And, as a control, while nobody does.

use std::time::Duration;

use runtime::clock::Clock;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use super::contest::{Contest, Run};
use crate::bench::aim::rounded;
use crate::bench::error::BenchError;
use crate::bench::stats::float;

const LOOK: Duration = Duration::from_millis(10);

/// Seconds before the snapshot is taken, with it, and after.
#[derive(Clone, Copy, Debug)]
pub struct Phases {
    pub before: usize,
    pub held: usize,
    pub after: usize,
}

/// What somebody else does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Holding {
    Snapshot,
    /// The control.
    Nothing,
}

/// Events a second in each phase.
#[derive(Clone, Debug)]
pub struct Held {
    before: f64,
    /// In the last seconds with the snapshot, as many as those before it.
    at_last: f64,
    throughout: f64,
    after: f64,
    timeline: Vec<u64>,
}

impl Held {
    pub fn kept(&self) -> f64 {
        self.at_last / self.before
    }

    pub fn to_json(&self) -> Value {
        json!({
            "events_per_second_before": rounded(self.before),
            "events_per_second_held": rounded(self.throughout),
            "events_per_second_at_the_end_of_it": rounded(self.at_last),
            "events_per_second_after": rounded(self.after),
            "events_by_second": self.timeline,
        })
    }
}

pub async fn run(
    contest: &mut Contest<'_>,
    run: Run,
    phases: Phases,
    holding: Holding,
    clock: &Clock,
) -> Result<Held, BenchError> {
    let url = contest.database.ours().await?;
    let seconds = (phases.before + phases.held + phases.after) as u64;
    let run = Run {
        length: Duration::from_secs(seconds),
        ..run
    };
    let mut holder = JoinSet::new();
    if holding == Holding::Snapshot {
        let connection = PgConnection::connect(&url).await?;
        holder.spawn(hold(connection, phases, clock.clone()));
    }
    let appends = contest.ours_in(&url, run).await?;
    if let Some(held) = holder.join_next().await {
        held.map_err(|error| BenchError::Wrong(error.to_string()))??;
    }
    contest.database.drop(&url).await?;
    Ok(summary(appends.timeline, phases))
}

/// The first second is left out: connections open, plans are made.
fn summary(timeline: Vec<u64>, phases: Phases) -> Held {
    let mean = |from: usize, to: usize| {
        let counts = timeline
            .get(from..to.min(timeline.len()))
            .unwrap_or_default();
        float(counts.iter().sum()) / float(counts.len() as u64)
    };
    let end = phases.before + phases.held;
    let first = usize::from(phases.before > 1);
    Held {
        before: mean(first, phases.before),
        at_last: mean(end - phases.before.min(phases.held), end),
        throughout: mean(phases.before, end),
        after: mean(end, end + phases.after),
        timeline,
    }
}

/// Takes the snapshot so long after the first event.
async fn hold(
    mut connection: PgConnection,
    phases: Phases,
    clock: Clock,
) -> Result<(), BenchError> {
    while position(&mut connection).await? == 0 {
        clock.sleep(LOOK).await;
    }
    clock.sleep(Duration::from_secs(phases.before as u64)).await;
    connection
        .execute("begin isolation level repeatable read")
        .await?;
    position(&mut connection).await?;
    clock.sleep(Duration::from_secs(phases.held as u64)).await;
    connection.execute("commit").await?;
    connection.close().await?;
    Ok(())
}

async fn position(connection: &mut PgConnection) -> Result<i64, BenchError> {
    Ok(sqlx::query_scalar("select position from log.head")
        .fetch_one(connection)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_held_phase_is_compared_with_what_was_before() {
        let phases = Phases {
            before: 3,
            held: 5,
            after: 2,
        };
        let held = summary(vec![1, 100, 100, 90, 90, 80, 70, 60, 95, 105, 3], phases);
        assert!((held.before - 100.0).abs() < 1e-9);
        assert!((held.kept() - 0.7).abs() < 1e-9);
        assert!((held.throughout - 78.0).abs() < 1e-9);
        assert!((held.after - 100.0).abs() < 1e-9);
    }
}
