//! How the process starts tasks, notices that one died, and stops in order.
//!
//! Stopping has four steps: *draining* (no longer ready, still serving), then for each stage, the
//! newest first, the *soft* token (finish what was begun), its *hard* token when its grace is over
//! (what is left is dropped), and the exit. A second signal goes to hard at once.

mod task;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;

pub use task::{TaskKind, TaskLost, TaskOutput};

/// How long tasks that were dropped may take to let go, at the very end.
const LET_GO: Duration = Duration::from_secs(1);

/// Owns the stages of one process, and ends them.
#[derive(Debug)]
pub struct Lifecycle {
    shared: Arc<Shared>,
    /// In the order in which they were made; stopped in the reverse order.
    stages: Vec<Arc<Stage>>,
    signals: Option<Signals>,
}

/// Starts tasks in one stage; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    shared: Arc<Shared>,
    stage: Arc<Stage>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    draining: CancellationToken,
    /// Parent of every stage's hard token.
    hard: CancellationToken,
    /// The first failure that takes the process down.
    failure: watch::Sender<Option<Failure>>,
}

#[derive(Debug)]
struct Stage {
    name: &'static str,
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// How patiently to stop.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownPolicy {
    /// How long to go on serving while not ready, so that load balancers notice.
    pub notice: Duration,
    /// How long each stage may take to finish what it began.
    pub grace: Duration,
}

/// Why a process that should go on has to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task {task} ended: {reason}")]
pub struct Failure {
    /// The task's name.
    pub task: &'static str,
    /// What it said, or that it ended or panicked.
    pub reason: String,
}

/// What made the process stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// SIGINT or SIGTERM.
    Signal,
    /// A task that the process cannot do without.
    Failure(Failure),
}

/// How the process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything finished.
    Clean,
    /// So many tasks were dropped unfinished.
    Forced {
        /// How many.
        dropped: usize,
    },
    /// A task failed, before or while stopping.
    Failed(Failure),
}

impl Lifecycle {
    /// A process with one stage, `base`, that does not listen for signals.
    pub fn new(clock: Clock) -> Self {
        let mut lifecycle = Self {
            shared: Arc::new(Shared {
                clock,
                draining: CancellationToken::new(),
                hard: CancellationToken::new(),
                failure: watch::Sender::new(None),
            }),
            stages: Vec::new(),
            signals: None,
        };
        lifecycle.stage("base");
        lifecycle
    }

    /// The same, stopped by SIGINT or SIGTERM from now on.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn with_signals(clock: Clock) -> std::io::Result<Self> {
        Ok(Self {
            signals: Some(Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            }),
            ..Self::new(clock)
        })
    }

    /// Adds a stage that is stopped before all those made earlier: first what others rest on, last
    /// what takes requests.
    pub fn stage(&mut self, name: &'static str) -> Tasks {
        let stage = Arc::new(Stage {
            name,
            soft: CancellationToken::new(),
            hard: self.shared.hard.child_token(),
            tracker: TaskTracker::new(),
        });
        self.stages.push(Arc::clone(&stage));
        Tasks {
            shared: Arc::clone(&self.shared),
            stage,
        }
    }

    /// Starts tasks in the stage `base`, the last to be stopped.
    pub fn handle(&self) -> Tasks {
        Tasks {
            shared: Arc::clone(&self.shared),
            stage: Arc::clone(&self.stages[0]),
        }
    }

    /// Waits for a signal or for a task's failure.
    pub async fn stop_cause(&mut self) -> StopCause {
        let mut failures = self.shared.failure.subscribe();
        let failed = async {
            let failure = failures.wait_for(Option::is_some).await;
            failure
                .expect("the sender lives in self")
                .clone()
                .expect("just seen")
        };
        tokio::select! {
            biased;
            failure = failed => StopCause::Failure(failure),
            () = next_signal(self.signals.as_mut()) => StopCause::Signal,
        }
    }

    /// Waits for the reason to stop, then stops.
    pub async fn run(mut self, policy: ShutdownPolicy) -> Outcome {
        let cause = self.stop_cause().await;
        self.stop(&cause, policy).await
    }

    /// Starts, waits for the reason to stop, then stops. A reason that comes before everything has
    /// started drops `start`.
    ///
    /// # Errors
    /// What `start` failed with, after everything it started has stopped.
    pub async fn start_and_run<E>(
        mut self,
        start: impl Future<Output = Result<(), E>>,
        policy: ShutdownPolicy,
    ) -> Result<Outcome, E> {
        let started = tokio::select! {
            started = start => started,
            cause = self.stop_cause() => return Ok(self.stop(&cause, policy).await),
        };
        match started {
            Ok(()) => Ok(self.run(policy).await),
            Err(error) => {
                self.shutdown(policy).await;
                Err(error)
            }
        }
    }

    async fn stop(self, cause: &StopCause, policy: ShutdownPolicy) -> Outcome {
        match cause {
            StopCause::Signal => tracing::info!("signal received, stopping"),
            StopCause::Failure(failure) => {
                tracing::error!(
                    task.name = failure.task,
                    reason = failure.reason,
                    "stopping"
                );
            }
        }
        self.shutdown(policy).await
    }

    /// Stops: drains, then ends each stage, the newest first.
    pub async fn shutdown(mut self, policy: ShutdownPolicy) -> Outcome {
        let mut signals = self.signals.take();
        let forced = self.shared.hard.clone();
        let mut dropped = 0;
        {
            let orderly = self.stop_stages(policy, &mut dropped);
            tokio::pin!(orderly);
            tokio::select! {
                biased;
                () = &mut orderly => {}
                () = next_signal(signals.as_mut()) => {
                    tracing::warn!("second signal, dropping what is unfinished");
                    forced.cancel();
                    orderly.await;
                }
            }
        }
        let failure = self.shared.failure.borrow().clone();
        match failure {
            Some(failure) => Outcome::Failed(failure),
            None if dropped > 0 => Outcome::Forced { dropped },
            None => Outcome::Clean,
        }
    }

    async fn stop_stages(&self, policy: ShutdownPolicy, dropped: &mut usize) {
        let (clock, hard) = (&self.shared.clock, &self.shared.hard);
        self.shared.draining.cancel();
        tokio::select! {
            () = clock.sleep(policy.notice) => {}
            () = hard.cancelled() => {}
        }
        for stage in self.stages.iter().rev() {
            stage.soft.cancel();
            stage.tracker.close();
            tokio::select! {
                biased;
                () = stage.tracker.wait() => continue,
                () = clock.sleep(policy.grace) => {}
                () = hard.cancelled() => {}
            }
            let unfinished = stage.tracker.len();
            *dropped += unfinished;
            tracing::warn!(
                stage.name = stage.name,
                tasks = unfinished,
                "dropping tasks"
            );
            stage.hard.cancel();
            if clock.timeout(LET_GO, stage.tracker.wait()).await.is_err() {
                tracing::error!(stage.name = stage.name, "tasks do not let go, leaving them");
            }
        }
    }
}

impl Tasks {
    /// Fires when the process stops being ready, while it still serves.
    pub fn draining(&self) -> CancellationToken {
        self.shared.draining.clone()
    }

    /// Fires when tasks of this stage should finish what they began and end.
    pub fn soft(&self) -> CancellationToken {
        self.stage.soft.clone()
    }

    /// Fires when tasks of this stage are dropped. Only who owns something outside the process
    /// needs it.
    pub fn hard(&self) -> CancellationToken {
        self.stage.hard.clone()
    }

    /// Waits until tasks of this stage should finish: `soft` as a future.
    pub async fn stopping(&self) {
        self.stage.soft.cancelled().await;
    }

    /// Whether tasks of this stage should finish.
    pub fn is_stopping(&self) -> bool {
        self.stage.soft.is_cancelled()
    }

    /// The clock of the process.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Takes the process down, in order and with a failing exit code. The first failure counts.
    pub fn fail(&self, task: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        self.shared.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(Failure { task, reason });
            }
            is_first
        });
    }
}

impl Outcome {
    /// 0 after a clean stop, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Clean => ExitCode::SUCCESS,
            Self::Forced { .. } | Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl Default for ShutdownPolicy {
    /// No notice, ten seconds for each stage.
    fn default() -> Self {
        Self {
            notice: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }
}

/// The next SIGINT or SIGTERM; never, if nobody listens.
async fn next_signal(signals: Option<&mut Signals>) {
    match signals {
        Some(signals) => {
            tokio::select! {
                _ = signals.interrupt.recv() => {}
                _ = signals.terminate.recv() => {}
            }
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
