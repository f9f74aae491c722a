use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::Tasks;
use crate::telemetry::{chain, names};

/// What a task's end, failure and cancellation mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskKind {
    /// The process cannot do without it. Ending or failing before the soft token takes the process
    /// down; after it, the task finishes what it began.
    #[default]
    Critical,
    /// Bounded work that may end. Failing takes the process down; stopping waits for it.
    Job,
    /// Serves one caller. Failing harms nobody else and is only logged; stopping waits for it.
    Request,
    /// Nothing is lost if it never runs. Failing is only logged; the soft token drops it.
    Disposable,
}

/// What a task may return.
pub trait TaskOutput {
    /// Why the task failed, if it did.
    fn failure(self) -> Option<String>;
}

/// A shielded task panicked or was dropped while stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task {task} did not finish")]
pub struct TaskLost {
    /// The task's name.
    pub task: &'static str,
}

impl TaskOutput for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Error> TaskOutput for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| chain(&error).to_string())
    }
}

impl Tasks {
    /// Starts a task. `name` goes into logs and metrics.
    pub fn spawn<F>(&self, kind: TaskKind, name: &'static str, future: F)
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        let tasks = self.clone();
        self.stage.tracker.spawn(async move {
            let caught = AssertUnwindSafe(future).catch_unwind();
            let ended = tokio::select! {
                biased;
                () = tasks.stage.hard.cancelled() => return,
                () = tasks.stage.soft.cancelled(), if kind == TaskKind::Disposable => return,
                ended = caught => ended,
            };
            let failure = match ended {
                Ok(output) => output.failure(),
                Err(panic) => Some(panic_text(&*panic)),
            };
            tasks.settle(kind, name, failure);
        });
    }

    /// Runs `future` as a task of its own, so that it goes on when the returned future is dropped:
    /// a client that hangs up must not cut a write in two.
    ///
    /// # Errors
    /// [`TaskLost`] if it panicked, or was dropped while stopping.
    pub fn shield<F>(
        &self,
        name: &'static str,
        future: F,
    ) -> impl Future<Output = Result<F::Output, TaskLost>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (sender, receiver) = oneshot::channel();
        self.spawn(TaskKind::Request, name, async move {
            // The caller may be gone; then nobody wants the output.
            let _ = sender.send(future.await);
        });
        async move { receiver.await.map_err(|_| TaskLost { task: name }) }
    }

    /// Decides what the end of a task means.
    fn settle(&self, kind: TaskKind, name: &'static str, failure: Option<String>) {
        let early = kind == TaskKind::Critical && !self.is_stopping();
        let Some(reason) = failure else {
            if early {
                self.fail(name, "returned before it was told to");
            }
            return;
        };
        metrics::counter!(names::TASK_FAILURES, "task" => name).increment(1);
        tracing::error!(task.name = name, task.kind = ?kind, reason, "task failed");
        if matches!(kind, TaskKind::Critical | TaskKind::Job) {
            self.fail(name, reason);
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a text"))
}
