//! Moves old partitions of the log into files.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use domain::ids::GlobalPosition;
use domain::limits::{IDEMPOTENCY_HOURS, SUBSCRIBER_IDLE_HOURS};
use domain::time::Timestamp;
use event_log::archive::{ArchiveError, Archiver, Before, Next, Step, Stretch};
use indicatif::{ProgressBar, ProgressStyle};
use read_model::passed_by_all;
use runtime::clock::Clock;
use runtime::config::SecretError;
use sqlx::{ConnectOptions, PgConnection};

use super::replay::range::Edge;
use crate::arguments::{ReadDatabaseUrl, SecretArgument};
use crate::database::connect_options;
use crate::operator::connection::Operator;
use crate::terminal::say;

/// How old the last event of a partition must be where nothing else is said.
const OLD_DAYS: i64 = 7;
/// How old it must be whatever is said: an answer that is told again by its `Idempotency-Key` is read
/// from the log for a day, a delivery is tried and a subscriber's durable is kept for three, and after
/// those it is seldom that what happened is asked for by its position, or that the stream lacks it.
const LEAST_DAYS: i64 = 4;
const _: () = {
    assert!(LEAST_DAYS * 24 > IDEMPOTENCY_HOURS);
    assert!(LEAST_DAYS.unsigned_abs() * 24 > SUBSCRIBER_IDLE_HOURS);
    assert!(LEAST_DAYS <= OLD_DAYS);
};

/// Which partitions, and where to.
#[derive(Debug, Args)]
pub struct ArchiveLog {
    /// The folder for files and their manifests, made if it is not there. Keep copies of it: what it
    /// holds is nowhere else.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Only partitions that end before this position, or were recorded before this instant or day; by default
    /// those that are older than 7 days. What is younger than 4 days stays in any case.
    #[arg(long, value_name = "POSITION|INSTANT|DATE")]
    before: Option<Edge>,
    /// Say what would be archived, and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    read_database: ReadDatabaseUrl,
}

/// Why nothing more was archived.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFailure {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(
        "no projection is known: what one may need must stay; name the read model's database with \
         TGA_READ_DATABASE_URL_FILE"
    )]
    NoProjection,
    #[error("how far projections have come could not be read")]
    Projections(#[source] sqlx::Error),
}

impl ArchiveLog {
    /// Archives one partition after the other; may be killed at any point and run again.
    pub async fn run(self, operator: &Operator, clock: &Clock) -> Result<(), ArchiveFailure> {
        let log = operator.commander.log();
        let before = before(self.before, Timestamp::from_datetime(clock.now()));
        let passed = self.passed(operator).await?;
        let mut archiver = Archiver::begin(log, self.to.clone()).await?;
        if self.dry_run {
            let earliest = log.earliest().await.map_err(ArchiveError::Read)?;
            return rehearse(&mut archiver, earliest, before, passed).await;
        }
        loop {
            let after = archiver.resume().await?;
            match archiver.next(after, before, passed).await? {
                Next::Due(stretch) => archive(&mut archiver, stretch).await?,
                next => {
                    say_end(next, before);
                    return Ok(());
                }
            }
        }
    }

    /// How far the projection has come that is farthest behind.
    async fn passed(&self, operator: &Operator) -> Result<GlobalPosition, ArchiveFailure> {
        let passed = match self.read_database.optional()? {
            Some(url) => {
                let options = connect_options(&url).map_err(ArchiveFailure::Projections)?;
                let mut connection: PgConnection = options
                    .connect()
                    .await
                    .map_err(ArchiveFailure::Projections)?;
                passed_by_all(&mut connection).await
            }
            None => match operator.pool.acquire().await {
                Ok(mut connection) => passed_by_all(&mut connection).await,
                Err(error) => Err(error),
            },
        };
        let passed = passed.map_err(ArchiveFailure::Projections)?;
        passed.ok_or(ArchiveFailure::NoProjection)
    }
}

/// What is old enough now.
fn before(edge: Option<Edge>, now: Timestamp) -> Before {
    let (old, least) = (TimeDelta::days(OLD_DAYS), TimeDelta::days(LEAST_DAYS));
    let position = edge.and_then(Edge::position);
    let instant = match edge {
        None => now.minus(old),
        Some(edge) => edge.begin().unwrap_or(now).min(now.minus(least)),
    };
    Before { position, instant }
}

/// Says what would be archived.
async fn rehearse(
    archiver: &mut Archiver,
    earliest: GlobalPosition,
    before: Before,
    passed: GlobalPosition,
) -> Result<(), ArchiveFailure> {
    let mut after = GlobalPosition::new(earliest.get().saturating_sub(1));
    loop {
        match archiver.next(after, before, passed).await? {
            Next::Due(stretch) => {
                let (first, last) = (stretch.first, stretch.last);
                say(format_args!(
                    "would archive {first} to {last}: {}",
                    stretch.file_name()
                ));
                after = last;
            }
            next => {
                say_end(next, before);
                return Ok(());
            }
        }
    }
}

/// One partition, from the database to the folder.
async fn archive(archiver: &mut Archiver, stretch: Stretch) -> Result<(), ArchiveFailure> {
    let (first, last) = (stretch.first, stretch.last);
    let bar = progress_bar(stretch);
    let shown = bar.clone();
    let taken = archiver.archive(stretch, move |step, position| {
        shown.set_message(match step {
            Step::Write => "writing",
            Step::Read => "reading back",
        });
        shown.set_position(position.get() + 1 - first.get());
    });
    let taken = taken.await;
    bar.finish_and_clear();
    let (written, kept) = taken?;
    let manifest = &written.manifest;
    let how = if written.was_there {
        ", written by an earlier run"
    } else {
        ""
    };
    say(format_args!(
        "archived {first} to {last}: {} ({} bytes{how}); {kept} of {} events stay online",
        manifest.file, manifest.bytes, manifest.count
    ));
    Ok(())
}

fn say_end(next: Next, before: Before) {
    match next {
        Next::Young(Stretch { first, last }) => {
            let Before { position, instant } = before;
            let and_position = position.map(|it| format!(", and ends before {it},"));
            let and_position = and_position.unwrap_or_default();
            say(format_args!(
                "{first} to {last} stay: only what was recorded before {instant}{and_position} is archived"
            ));
        }
        Next::Growing(first) => say(format_args!("the partition from {first} on is not full")),
        Next::Due(_) => {}
    }
}

/// Shown on a terminal only.
fn progress_bar(stretch: Stretch) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} events {per_sec}, {eta} left, {msg}",
    );
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(stretch.count()).with_style(style)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::ids::GlobalPosition;
    use domain::time::Timestamp;

    use super::before;

    #[test]
    fn what_is_young_stays_whatever_is_said() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2026-01-20T12:00:00Z");
        for (bound, position, instant) in [
            (None, None, "2026-01-13T12:00:00Z"),
            (Some("17"), Some(17), "2026-01-16T12:00:00Z"),
            (Some("2026-01-20T11:59:59Z"), None, "2026-01-16T12:00:00Z"),
            (Some("2026-01-15T00:00:00Z"), None, "2026-01-15T00:00:00Z"),
            (Some("2026-01-14"), None, "2026-01-14T00:00:00Z"),
        ] {
            let before = before(bound.map(|bound: &str| bound.parse().unwrap()), now);
            let named = before.position.map(GlobalPosition::get);
            assert_eq!(
                (named, before.instant),
                (position, at(instant)),
                "{bound:?}"
            );
        }
    }
}
