//! `trackagoat projections`: builds of the read model. A version that is suspected of being wrong is
//! built again beside itself, and switched to without an unanswered request.

mod show;

use std::time::Duration;

use clap::{Args, Subcommand};
use domain::time::Timestamp;
use event_log::EventLog;
use indicatif::{ProgressBar, ProgressStyle};
use read_model::{
    Build, BuildError, Builds, Progress, ProjectionVersion, Projector, ProjectorConfig, SwitchError,
};
use runtime::clock::Clock;
use runtime::config::SecretError;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::watch;

use crate::arguments::{ProjectorDatabaseUrl, ReadDatabaseUrl, SecretArgument};
use crate::database::connect_options;
use crate::operator::{ConnectError, Target, open_log};
use crate::terminal::say;

/// Between the two looks by which a rate is measured.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// How soon a projector lets go of a build that was switched away from.
const LETS_GO: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(200);

/// Builds of the read model.
#[derive(Debug, Args)]
pub struct Projections {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    projector_database: ProjectorDatabaseUrl,
    #[command(flatten)]
    read_database: ReadDatabaseUrl,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List builds: which answers, how far each is from the log's end, how fast it comes nearer.
    Status,
    /// Build the version that answers once more beside itself, from the whole log. Killed or
    /// stopped, it goes on where it was.
    Rebuild,
    /// Make a build the one that answers, once it has the whole log. No request goes unanswered.
    Switch {
        /// Its name, as `status` shows it, for example `read_4_b2`.
        build: Build,
    },
    /// Drop a build that does not answer, or an older version, with all its tables.
    Drop {
        /// Its name, as `status` shows it, for example `read_4`.
        build: Build,
    },
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the address of the read model's database cannot be read")]
    Url(#[source] sqlx::Error),
    #[error("the read model's database cannot be reached, or refuses this login")]
    Database(#[source] sqlx::Error),
    #[error("the log could not be read")]
    Log(#[from] event_log::ReadError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Switch(#[from] SwitchError),
    #[error("stopped; the same command goes on where it was")]
    Stopped,
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
}

impl Projections {
    /// Does it.
    pub async fn run(self, clock: &Clock, entropy: &Entropy) -> Result<(), Failure> {
        let place = self.target.place()?;
        let projector = self.projector_database.optional()?;
        let named = projector.or(self.read_database.optional()?);
        let url = named.unwrap_or_else(|| place.database.clone());
        let workshop = Workshop {
            log: open_log(&place, clock, entropy).await?,
            database: connect_options(&url).map_err(Failure::Url)?,
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        match self.action {
            Action::Status => workshop.status().await,
            Action::Rebuild => workshop.owning().await?.rebuild().await,
            Action::Switch { build } => workshop.owning().await?.switch(build).await,
            Action::Drop { build } => workshop.owning().await?.drop(build).await,
        }
    }
}

/// What builds are made of.
struct Workshop {
    log: EventLog,
    database: PgConnectOptions,
    clock: Clock,
    entropy: Entropy,
}

impl Workshop {
    async fn connect(&self) -> Result<PgConnection, Failure> {
        self.database.connect().await.map_err(Failure::Database)
    }

    /// The same as the role that owns what answers, so that services can go on with what is made.
    async fn owning(mut self) -> Result<Self, Failure> {
        let mut connection = self.connect().await?;
        let owner = Builds::new(&mut connection).owner().await?;
        let owner = owner.ok_or(BuildError::NotServed(ProjectionVersion::CURRENT))?;
        self.database = self.database.options([("role", owner)]);
        Ok(self)
    }

    async fn status(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let before = Builds::new(&mut connection).list().await?;
        let began = self.clock.monotonic();
        self.clock.sleep(BETWEEN_LOOKS).await;
        let now = Builds::new(&mut connection).list().await?;
        let between = self.clock.monotonic().saturating_since(began);
        let head = self.log.head().await?.position;
        show::builds(&before, &now, between, head);
        Ok(())
    }

    async fn rebuild(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let now = Timestamp::from_datetime(self.clock.now());
        let build = Builds::new(&mut connection).begin(now).await?;
        drop(connection);
        let projector = self.projector();
        self.watched(build, async |tasks, progress| {
            projector.build_beside(build, tasks, progress).await
        })
        .await?;
        say(format_args!(
            "{build} is built: `trackagoat projections switch {build}` makes it the one that answers"
        ));
        Ok(())
    }

    async fn switch(&self, build: Build) -> Result<(), Failure> {
        let projector = self.projector();
        let former = self
            .watched(build, async |tasks, progress| {
                projector.switch_to(build, tasks, progress).await
            })
            .await?;
        say(format_args!(
            "{build} answers now; `trackagoat projections drop {former}` once the former one is not \
             wanted any more"
        ));
        Ok(())
    }

    async fn drop(&self, build: Build) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let give_up = self.clock.monotonic() + LETS_GO;
        loop {
            match Builds::new(&mut connection).drop(build).await {
                // Until a moment ago it may have been the one that answers.
                Err(BuildError::Busy(_)) if self.clock.monotonic() < give_up => {
                    self.clock.sleep(AGAIN).await;
                }
                dropped => {
                    dropped?;
                    say(format_args!("{build} is gone"));
                    return Ok(());
                }
            }
        }
    }

    fn projector(&self) -> Projector {
        let config = ProjectorConfig {
            database: self.database.clone(),
            nats: None,
            version: ProjectionVersion::CURRENT,
        };
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        Projector::new(self.log.clone(), config, clock, entropy)
    }

    /// Does what takes its time, and shows how far it is. A signal ends it between any two steps.
    async fn watched<T>(
        &self,
        build: Build,
        work: impl AsyncFnOnce(
            &runtime::lifecycle::Tasks,
            &watch::Sender<Option<Progress>>,
        ) -> Result<T, SwitchError>,
    ) -> Result<T, Failure> {
        let mut lifecycle =
            Lifecycle::with_signals(self.clock.clone()).map_err(Failure::Signals)?;
        let tasks = lifecycle.handle();
        let (sender, mut progress) = watch::channel(None);
        let bar = progress_bar(build);
        let show = async {
            while progress.changed().await.is_ok() {
                if let Some(Progress { position, head }) = *progress.borrow_and_update() {
                    bar.set_length(head.get());
                    bar.set_position(position.get());
                }
            }
            std::future::pending().await
        };
        let done = tokio::select! {
            biased;
            _ = lifecycle.stop_cause() => Err(Failure::Stopped),
            done = work(&tasks, &sender) => done.map_err(Failure::Switch),
            never = show => never,
        };
        bar.finish_and_clear();
        lifecycle.shutdown(ShutdownPolicy::default()).await;
        done
    }
}

/// Shown on a terminal only.
fn progress_bar(build: Build) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} {elapsed_precise} [{bar:40}] {human_pos}/{human_len} events {per_sec}, {eta} left",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0)
        .with_style(style)
        .with_prefix(build.to_string())
}
