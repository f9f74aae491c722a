//! A build beside the one that answers: brought up to the log, and made the one that answers.

use std::time::Duration;

use domain::ids::GlobalPosition;
use runtime::lifecycle::Tasks;
use thiserror::Error;
use tokio::sync::watch;

use super::feeder::Batches;
use super::{Projector, ProjectorError, Session, Step};
use crate::builds::{BuildError, Held};
use crate::schema::{self, Build};

/// How long the build that answers is kept where it is while the other one takes the last step; and
/// how long its projector is waited for to finish its batch.
const HELD: Duration = Duration::from_secs(10);

/// How far a build beside has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Every event up to here is applied.
    pub position: GlobalPosition,
    /// The end of the log.
    pub head: GlobalPosition,
}

/// Why a build was not brought up to the log, or not switched to.
#[derive(Debug, Error)]
pub enum SwitchError {
    /// It may not be, as things are.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It was not built.
    #[error(transparent)]
    Projector(#[from] ProjectorError),
    /// Stopped from outside; what was done stays.
    #[error("stopped: the same command goes on where it ended")]
    Stopped,
    /// The build that answers could not be kept where it is for so long.
    #[error("the last step took longer than {} s: try again", HELD.as_secs())]
    Late,
}

impl From<sqlx::Error> for SwitchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Projector(error.into())
    }
}

impl From<event_log::ReadError> for SwitchError {
    fn from(error: event_log::ReadError) -> Self {
        Self::Projector(error.into())
    }
}

impl Projector {
    /// Brings a build that does not answer up to the end of the log, from wherever it is. It may be
    /// ended at any point; what is done is done.
    ///
    /// # Errors
    /// [`SwitchError`]; [`BuildError::Busy`] while another process writes to it.
    pub async fn build_beside(
        &self,
        build: Build,
        tasks: &Tasks,
        progress: &watch::Sender<Option<Progress>>,
    ) -> Result<(), SwitchError> {
        self.beside(build, async |mut session, mut batches| {
            session.catch_up(&mut batches, tasks, progress).await
        })
        .await
    }

    /// Brings a build that was built before up to the end of the log once more, and makes it the one
    /// that answers. No answer is missed, and none is of an older position than one before. Returns
    /// the build that answered until then.
    ///
    /// # Errors
    /// [`SwitchError`]; [`BuildError::Unfinished`] if it was never built to its end.
    pub async fn switch_to(
        &self,
        build: Build,
        tasks: &Tasks,
        progress: &watch::Sender<Option<Progress>>,
    ) -> Result<Build, SwitchError> {
        self.beside(build, async |mut session, mut batches| {
            if !session.checkpoint.is_caught_up {
                return Err(BuildError::Unfinished(build).into());
            }
            session.catch_up(&mut batches, tasks, progress).await?;
            let holding = self.clock.timeout(HELD, self.hold());
            let held = holding.await.map_err(|_| SwitchError::Late)??;
            let wanted = held.position;
            let last_step = session.apply_up_to(wanted, &mut batches, tasks);
            let stepped = self.clock.timeout(HELD, last_step).await;
            stepped.map_err(|_| SwitchError::Late)??;
            // Who was erased since the last look is let go of by whoever projects next: here that would
            // wait for what is held.
            if held.log_epoch != session.checkpoint.log_epoch {
                return Err(BuildError::Unfinished(build).into());
            }
            Ok(held.switch_to(build).await?)
        })
        .await
    }

    /// Does something with a build that does not answer, holding its lock.
    async fn beside<T>(
        &self,
        build: Build,
        work: impl AsyncFnOnce(Session<'_>, Batches) -> Result<T, SwitchError>,
    ) -> Result<T, SwitchError> {
        let version = self.config.version;
        if build.version() != version {
            return Err(BuildError::OtherVersion { build, version }.into());
        }
        let mut connection = self.connect().await?;
        if schema::serving(&mut connection, version).await? == build {
            return Err(BuildError::Serves(build).into());
        }
        if !schema::exists(&mut connection, build).await? {
            return Err(BuildError::Unknown(build).into());
        }
        if !schema::try_lock(&mut connection, build).await? {
            return Err(BuildError::Busy(build).into());
        }
        let (session, feeder, batches) = self.begin(connection, build).await?;
        if session.checkpoint.serves {
            return Err(BuildError::Serves(build).into());
        }
        tokio::select! {
            biased;
            done = work(session, batches) => done,
            error = feeder.run() => Err(error.into()),
        }
    }

    /// Keeps the build that answers where it is.
    async fn hold(&self) -> Result<Held, SwitchError> {
        let options = self.config.database.clone().options([
            (
                "idle_in_transaction_session_timeout",
                format!("{}s", HELD.as_secs()),
            ),
            ("lock_timeout", format!("{}s", HELD.as_secs())),
        ]);
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options);
        Ok(Held::begin(pool.begin().await?, self.config.version).await?)
    }
}

impl Session<'_> {
    /// Applies everything up to the end of the log, roll-ups too.
    async fn catch_up(
        &mut self,
        batches: &mut Batches,
        tasks: &Tasks,
        progress: &watch::Sender<Option<Progress>>,
    ) -> Result<(), SwitchError> {
        loop {
            let head = self.projector.log.head().await?.position;
            let position = self.checkpoint.position;
            progress.send_replace(Some(Progress { position, head }));
            if position >= head && !self.turns.has_work() {
                self.let_go_of_erased().await?;
                self.note_if_caught_up(head).await?;
                return Ok(());
            }
            if let Step::Stopped = self.step(batches, tasks).await? {
                return Err(SwitchError::Stopped);
            }
        }
    }

    /// Applies what is missing to be where the other build is.
    async fn apply_up_to(
        &mut self,
        wanted: GlobalPosition,
        batches: &mut Batches,
        tasks: &Tasks,
    ) -> Result<(), SwitchError> {
        while self.checkpoint.position < wanted {
            if let Step::Stopped = self.step(batches, tasks).await? {
                return Err(SwitchError::Stopped);
            }
        }
        Ok(())
    }
}
