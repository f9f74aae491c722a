//! Following how far the projection has come, for whoever must wait for a position.

use std::time::Duration;

use domain::ids::GlobalPosition;
use runtime::clock::Clock;
use runtime::lifecycle::Tasks;
use sqlx::postgres::PgListener;
use thiserror::Error;
use tokio::sync::watch;

use crate::error::ReadError;
use crate::reader::{ReadModel, Standing, Tables};

/// What the projector notifies after each batch. A notice is a hint; the table is the truth.
pub(crate) const CHANNEL: &str = "tga_read";
/// How long to believe that nothing moved when no notice came.
const POLL: Duration = Duration::from_millis(250);
/// How long to wait before the database is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How far the projection has come, as this process last saw it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Positions(watch::Receiver<Option<Standing>>);

/// The projection did not reach a position in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the projection is not at position {wanted} yet")]
pub struct TooFar {
    /// What was waited for.
    pub wanted: GlobalPosition,
    /// Where it stands, if it is known.
    pub reached: Option<GlobalPosition>,
}

/// The task that keeps [`Positions`] up to date. Level-triggered: a lost notice costs 250 ms.
#[derive(Debug)]
pub struct PositionFollower {
    model: ReadModel,
    clock: Clock,
    sender: watch::Sender<Option<Standing>>,
}

impl Positions {
    /// The newest position seen; `None` before the projection was ever seen built.
    pub fn newest(&self) -> Option<GlobalPosition> {
        self.0.borrow().map(|standing| standing.position)
    }

    /// Waits until other tables answer than these, and says which. The first ones are others than
    /// none; it waits for ever if nobody follows any more.
    pub async fn other_tables(&self, than: Option<Tables>) -> Tables {
        let mut receiver = self.0.clone();
        let other = |standing: &Option<Standing>| {
            standing.is_some_and(|standing| Some(standing.tables) != than)
        };
        let found = receiver.wait_for(other).await;
        let found = found.ok().and_then(|standing| *standing);
        match found {
            Some(standing) => standing.tables,
            None => std::future::pending().await,
        }
    }

    /// Waits until the projection has every event up to `wanted`.
    ///
    /// # Errors
    /// [`TooFar`] after `limit`.
    pub async fn wait_for(
        &self,
        wanted: GlobalPosition,
        clock: &Clock,
        limit: Duration,
    ) -> Result<GlobalPosition, TooFar> {
        let mut receiver = self.0.clone();
        let reached =
            |standing: &Option<Standing>| standing.is_some_and(|it| it.position >= wanted);
        let standing = match clock.timeout(limit, receiver.wait_for(reached)).await {
            Ok(Ok(standing)) => *standing,
            Ok(Err(_)) | Err(_) => None,
        };
        let position = standing.map(|standing| standing.position);
        position.ok_or_else(|| TooFar {
            wanted,
            reached: self.newest(),
        })
    }
}

impl PositionFollower {
    /// A follower and what it keeps up to date.
    pub fn new(model: ReadModel, clock: Clock) -> (Self, Positions) {
        let (sender, receiver) = watch::channel(None);
        let follower = Self {
            model,
            clock,
            sender,
        };
        (follower, Positions(receiver))
    }

    /// Follows until told to stop. A critical task.
    pub async fn run(self, tasks: Tasks) {
        let follow = async {
            loop {
                if let Err(error) = self.follow().await {
                    let text = runtime::telemetry::chain(&error);
                    // The first projector makes the schema; until then nothing is there to see.
                    if self.sender.borrow().is_none() && is_not_made(&error) {
                        tracing::debug!(error = %text, "the projection is not made yet");
                    } else {
                        tracing::warn!(
                            error = %text,
                            "the projection's position cannot be followed"
                        );
                    }
                }
                self.clock.sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = tasks.stopping() => {}
            () = follow => {}
        }
    }

    async fn follow(&self) -> Result<(), ReadError> {
        let mut listener = PgListener::connect_with(self.model.pool()).await?;
        listener.listen(CHANNEL).await?;
        loop {
            match self.model.standing().await {
                Ok(standing) => {
                    self.sender.send_if_modified(|newest| {
                        let moved = *newest != Some(standing);
                        *newest = Some(standing);
                        moved
                    });
                }
                // It is being built; what an older build of it had reached says nothing.
                Err(ReadError::NotBuilt) => {
                    self.sender
                        .send_if_modified(|newest| newest.take().is_some());
                }
                Err(error) => return Err(error),
            }
            match self.clock.timeout(POLL, listener.try_recv()).await {
                // Without a notice the connection was lost, and is being made again.
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// Whether what is asked for is missing, or belongs to nobody yet: no schema, no table, no grant.
fn is_not_made(error: &ReadError) -> bool {
    match error {
        ReadError::NotBuilt => true,
        ReadError::Database(sqlx::Error::Database(error)) => error
            .code()
            .is_some_and(|code| ["3F000", "42P01", "42501"].contains(&&*code)),
        ReadError::Database(_) | ReadError::Corrupt(_) => false,
    }
}
