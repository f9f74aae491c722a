//! Follows the log and applies it, one projector at a time for each build of a version.
//!
//! Level-triggered: it reads its checkpoint, applies what follows it and moves it in the same
//! transaction. Whatever goes wrong, it begins again at the checkpoint. The connection that applies
//! holds the build's lock too, so a projector that lost one has lost both. It follows the build that
//! answers: once another one does, it goes on with that.

mod beside;
mod erasures;
mod feeder;
mod retention;
mod turns;

use std::time::Duration;

use domain::event::DecodeError;
use domain::ids::{GlobalPosition, LogEpoch};
use domain::time::Timestamp;
use event_log::{EventLog, FeedError, Head};
use runtime::clock::{Clock, Monotonic};
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::retry::Policy;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use thiserror::Error;

pub use self::beside::{Progress, SwitchError};
use self::erasures::Erasures;
use self::feeder::{Batch, Batches, Feeder};
use self::retention::Retention;
pub use self::retention::prune;
use self::turns::Turns;
use crate::builds::{self, BuildError};
use crate::metrics as names;
use crate::position::CHANNEL;
use crate::projection::{
    ApplyError, apply_in_tx, index_in_tx, keyring::SubjectKeyring, roll_in_tx,
};
use crate::schema::{self, Build, Checkpoint, ProjectionVersion, SchemaError};

/// How long to wait before events are looked for again that stand in an archive which is not at hand:
/// only the operator can bring it.
const ARCHIVED_AGAIN: Duration = Duration::from_mins(1);
/// How long another projector's lock is waited for before it is tried again: whoever made another
/// build the one that answers lets go of it at once, and waits for none.
const LOCK_AGAIN: Duration = Duration::from_millis(250);
/// How long the connection may be silent: afterwards the server ends it and frees the lock, so
/// that a stopped process does not stop the projection.
const IDLE_SECONDS: u32 = 30;
/// How often the distance to the head is measured, and looked whether the build still answers.
const MEASURE: Duration = Duration::from_secs(1);
/// How often outlived versions are looked for.
const CLEAN: Duration = Duration::from_hours(1);
/// How long an older version stays once the current one is read: a deployment can be taken back.
const OLD_VERSION_STAYS: chrono::TimeDelta = chrono::TimeDelta::hours(24);
/// So many stored rows, about, move in a transaction that lets roll-ups of campaigns follow: what is
/// recorded meanwhile waits for it.
const ROLL_STEP: usize = 5_000;
/// How long to wait after a failure.
const RETRY: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(10));

/// Where the projection is written, and how the log is followed.
#[derive(Debug, Clone)]
pub struct ProjectorConfig {
    /// The read model's database, which may be another one than the log's. The role must be
    /// allowed to make schemas in it.
    pub database: PgConnectOptions,
    /// For events as they happen; without it the log is polled.
    pub nats: Option<async_nats::Client>,
    /// What is built and kept up: [`ProjectionVersion::CURRENT`].
    pub version: ProjectionVersion,
}

/// Applies the log to the tables of a version.
#[derive(Debug)]
pub struct Projector {
    log: EventLog,
    config: ProjectorConfig,
    clock: Clock,
    entropy: Entropy,
}

/// Why a projector had to begin anew.
#[derive(Debug, Error)]
pub enum ProjectorError {
    /// The tables could not be made.
    #[error("the tables could not be prepared")]
    Schema(#[from] SchemaError),
    /// A batch could not be applied.
    #[error("events after position {after} could not be applied")]
    Apply {
        /// The last event applied before.
        after: GlobalPosition,
        /// Why.
        #[source]
        source: ApplyError,
    },
    /// Builds could not be looked after.
    #[error("outlived builds could not be dropped")]
    Builds(#[from] BuildError),
    /// Another projector has moved the checkpoint.
    #[error("the checkpoint is not at position {expected} any more")]
    Overtaken {
        /// Where it should be.
        expected: GlobalPosition,
    },
    /// The log cannot be followed.
    #[error("the log could not be followed")]
    Feed(#[from] FeedError),
    /// The log cannot be read.
    #[error("the log could not be read")]
    Log(#[from] event_log::ReadError),
    /// An event that this build should know cannot be read: a newer build wrote it, or it is
    /// damaged. Leaving it out would make answers wrong.
    #[error("the event at position {position} cannot be read")]
    Undecodable {
        /// Its position.
        position: GlobalPosition,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// The read model's database did not answer.
    #[error("the read model's database did not answer")]
    Database(#[from] sqlx::Error),
}

impl Projector {
    /// Projects `log` into the configured database.
    pub const fn new(
        log: EventLog,
        config: ProjectorConfig,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Self {
            log,
            config,
            clock,
            entropy,
        }
    }

    /// Projects until told to stop; a batch that was begun is finished. Waits while another
    /// projector of this version is at work. A critical task.
    pub async fn run(self, tasks: Tasks) {
        let mut waits = RETRY.waits(&self.entropy);
        while !tasks.is_stopping() {
            let mut has_moved = false;
            let error = match self.session(&tasks, &mut has_moved).await {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Switched) => continue,
                Err(error) => error,
            };
            metrics::counter!(names::RESTARTS, "reason" => error.reason()).increment(1);
            let chain = runtime::telemetry::chain(&error).to_string();
            if error.is_archived() {
                tracing::error!(
                    error = chain,
                    "the projector waits for the archive of the log"
                );
            } else {
                tracing::error!(error = chain, "the projector begins anew");
            }
            if has_moved {
                waits = RETRY.waits(&self.entropy);
            }
            let wait = if error.is_archived() {
                ARCHIVED_AGAIN
            } else {
                waits.next().unwrap_or(LOCK_AGAIN)
            };
            tokio::select! {
                () = tasks.stopping() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Projects with one connection until told to stop, until another build answers, or until
    /// something fails.
    async fn session(&self, tasks: &Tasks, has_moved: &mut bool) -> Result<Ended, ProjectorError> {
        let mut connection = self.connect().await?;
        let build = loop {
            let build = schema::serving(&mut connection, self.config.version).await?;
            if schema::try_lock(&mut connection, build).await? {
                break build;
            }
            tokio::select! {
                () = tasks.stopping() => return Ok(Ended::Stopped),
                () = self.clock.sleep(self.entropy.jitter(LOCK_AGAIN, 0.2)) => {}
            }
        };
        let (session, feeder, batches) = self.begin(connection, build).await?;
        if !session.checkpoint.serves {
            return Ok(Ended::Switched);
        }
        tokio::select! {
            biased;
            ended = session.apply_all(batches, tasks, has_moved) => ended,
            error = feeder.run() => Err(error),
        }
    }

    /// Begins where the build is. A log that was restored to another past leaves a projection of a
    /// future that never was: it is built anew. The connection must hold the build's lock.
    async fn begin(
        &self,
        mut connection: PgConnection,
        build: Build,
    ) -> Result<(Session<'_>, Feeder, Batches), ProjectorError> {
        let head = self.log.head().await?;
        let mut checkpoint = schema::prepare(&mut connection, build, self.now()).await?;
        if !self.is_of_this_log(&checkpoint, &head).await? {
            tracing::warn!(position = %checkpoint.position, "another log was projected: building anew");
            metrics::counter!(names::RESTARTS, "reason" => "another_log").increment(1);
            schema::empty(&mut connection, build, self.now()).await?;
            checkpoint = schema::prepare(&mut connection, build, self.now()).await?;
        }
        let nats = self.config.nats.clone();
        let (feeder, batches) = Feeder::new(&self.log, nats, checkpoint.position, head.epoch);
        let session = Session {
            projector: self,
            connection,
            build,
            checkpoint,
            epoch: head.epoch,
            turns: Turns::default(),
            erasures: Erasures::default(),
            retention: Retention::default(),
            measure_at: self.clock.monotonic(),
            clean_at: self.clock.monotonic(),
        };
        Ok((session, feeder, batches))
    }

    async fn is_of_this_log(
        &self,
        checkpoint: &Checkpoint,
        head: &Head,
    ) -> Result<bool, ProjectorError> {
        let Some(hash) = checkpoint.hash else {
            return Ok(true);
        };
        if checkpoint.log_epoch != Some(head.epoch) || checkpoint.position > head.position {
            return Ok(false);
        }
        let events = self.log.read_at(&[checkpoint.position]).await?;
        Ok(events.first().is_some_and(|event| event.hash == hash))
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options = self
            .config
            .database
            .clone()
            .application_name("tga-projector");
        let options = options.options([
            // What was lost in a crash is applied again from the checkpoint that was lost with it.
            ("synchronous_commit", "off".to_owned()),
            // Rows are looked up by lists of ids: by index, however long the list of the day is.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            ("idle_session_timeout", format!("{IDLE_SECONDS}s")),
            (
                "idle_in_transaction_session_timeout",
                format!("{IDLE_SECONDS}s"),
            ),
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]);
        options.connect().await
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }
}

/// Why a session ended without an error.
enum Ended {
    Stopped,
    /// Another build answers now.
    Switched,
}

/// One connection's life: it holds the lock of the build.
struct Session<'a> {
    projector: &'a Projector,
    connection: PgConnection,
    build: Build,
    checkpoint: Checkpoint,
    epoch: LogEpoch,
    turns: Turns,
    erasures: Erasures,
    retention: Retention,
    measure_at: Monotonic,
    clean_at: Monotonic,
}

impl Session<'_> {
    async fn apply_all(
        mut self,
        mut batches: Batches,
        tasks: &Tasks,
        has_moved: &mut bool,
    ) -> Result<Ended, ProjectorError> {
        loop {
            if !self.settle().await? {
                return Ok(Ended::Switched);
            }
            match self.step(&mut batches, tasks).await {
                Ok(Step::Applied) => *has_moved = true,
                Ok(Step::Nothing) => {}
                Ok(Step::Stopped) => return Ok(Ended::Stopped),
                Err(ProjectorError::Overtaken { .. }) if !self.serves().await? => {
                    return Ok(Ended::Switched);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Applies what has come, or lets roll-ups follow; waits a second at most if there is neither.
    async fn step(&mut self, batches: &mut Batches, tasks: &Tasks) -> Result<Step, ProjectorError> {
        if self.turns.is_due() {
            self.roll().await?;
        }
        let wait = if self.turns.has_work() {
            Duration::ZERO
        } else {
            MEASURE
        };
        let next = tokio::select! {
            biased;
            () = tasks.stopping() => return Ok(Step::Stopped),
            next = self.projector.clock.timeout(wait, batches.next()) => next,
        };
        match next {
            Ok(Some(batch)) => {
                self.apply(batch).await?;
                return Ok(Step::Applied);
            }
            // The feeder has failed, and says why itself.
            Ok(None) => std::future::pending().await,
            Err(_) if self.turns.has_work() => self.roll().await?,
            Err(_) => {}
        }
        Ok(Step::Nothing)
    }

    /// Whether it is the build that answers, or will.
    async fn serves(&mut self) -> Result<bool, sqlx::Error> {
        let serving = schema::serving(&mut self.connection, self.build.version()).await?;
        Ok(serving == self.build)
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), ProjectorError> {
        let clock = &self.projector.clock;
        let began = clock.monotonic();
        let after = self.checkpoint.position;
        let keys = SubjectKeyring::load(&self.projector.log, &batch.events).await?;
        let mut tx = self.connection.begin().await?;
        let applied = apply_in_tx(&mut tx, &batch.events, &keys)
            .await
            .map_err(|source| ProjectorError::Apply { after, source })?;
        index_in_tx(&mut tx, &batch.indexed)
            .await
            .map_err(|source| ProjectorError::Apply { after, source })?;
        let reached = Checkpoint {
            position: batch.position,
            hash: Some(batch.hash),
            log_epoch: Some(self.epoch),
            ..self.checkpoint
        };
        if !schema::advance_in_tx(&mut tx, self.build, after, reached).await? {
            return Err(ProjectorError::Overtaken { expected: after });
        }
        sqlx::query!("SELECT pg_notify($1, '')", CHANNEL)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.checkpoint = reached;
        self.turns.applied(applied.is_rolled);
        names::applied(
            reached.position,
            applied,
            clock.monotonic().saturating_since(began),
        );
        Ok(())
    }

    /// Lets roll-ups of campaigns follow a step.
    async fn roll(&mut self) -> Result<(), ProjectorError> {
        let after = self.checkpoint.position;
        let mut tx = self.connection.begin().await?;
        let has_rolled = roll_in_tx(&mut tx, ROLL_STEP)
            .await
            .map_err(|source| ProjectorError::Apply { after, source })?;
        tx.commit().await?;
        self.turns.rolled(!has_rolled);
        Ok(())
    }

    /// Notes when the head is reached for the first time; once a second measures how far it is, looks
    /// whether this build still answers (false if not), lets go of who was erased and of a little of
    /// what is too old; now and then drops outlived versions.
    async fn settle(&mut self) -> Result<bool, ProjectorError> {
        let now = self.projector.clock.monotonic();
        if !self.checkpoint.is_caught_up || now >= self.measure_at {
            if now >= self.measure_at && !self.serves().await? {
                return Ok(false);
            }
            self.measure_at = now + MEASURE;
            let head = self.projector.log.head().await?.position;
            let position = self.checkpoint.position;
            names::lag(head.get().saturating_sub(position.get()));
            self.let_go_of_erased().await?;
            self.note_if_caught_up(head).await?;
            if self.checkpoint.is_caught_up {
                let now = self.projector.now();
                self.retention.step(&mut self.connection, now).await?;
            }
        }
        if self.checkpoint.is_caught_up && now >= self.clean_at {
            self.clean_at = now + CLEAN;
            let before = self.projector.now().minus(OLD_VERSION_STAYS);
            let version = self.build.version();
            let dropped = builds::drop_outlived(&mut self.connection, version, before).await?;
            for build in dropped {
                tracing::info!(%build, "an outlived projection was dropped");
            }
        }
        Ok(true)
    }

    /// Lets go of what is opened of those who were erased meanwhile. Batches load their keys when
    /// they are applied, one after another on this connection: what comes later finds none.
    async fn let_go_of_erased(&mut self) -> Result<(), ProjectorError> {
        let log = &self.projector.log;
        self.erasures
            .follow(log, &mut self.connection, self.build)
            .await
    }

    async fn note_if_caught_up(&mut self, head: GlobalPosition) -> Result<(), ProjectorError> {
        let (build, position) = (self.build, self.checkpoint.position);
        if head <= position && !self.checkpoint.is_caught_up {
            let now = self.projector.now();
            schema::mark_caught_up(&mut self.connection, build, now).await?;
            self.checkpoint.is_caught_up = true;
            tracing::info!(%build, %position, "the projection is current");
        }
        Ok(())
    }
}

/// What a session did last.
enum Step {
    Applied,
    Nothing,
    Stopped,
}

impl ProjectorError {
    /// Whether what comes next is archived, and the archive not at hand.
    const fn is_archived(&self) -> bool {
        let (Self::Feed(FeedError::Log(error)) | Self::Log(error)) = self else {
            return matches!(self, Self::Feed(FeedError::Archived { .. }));
        };
        error.is_archived()
    }

    const fn reason(&self) -> &'static str {
        if self.is_archived() {
            return "archived";
        }
        match self {
            Self::Schema(_) | Self::Builds(_) => "schema",
            Self::Apply { .. } => "apply",
            Self::Overtaken { .. } => "overtaken",
            Self::Feed(_) | Self::Log(_) => "log",
            Self::Undecodable { .. } => "undecodable",
            Self::Database(_) => "database",
        }
    }
}
