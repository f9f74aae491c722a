use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Failure, Lifecycle, Outcome, ShutdownPolicy, StopCause, TaskKind, Tasks};
use crate::clock::Clock;

const PATIENT: ShutdownPolicy = ShutdownPolicy {
    notice: Duration::ZERO,
    grace: Duration::from_secs(30),
};
const HASTY: ShutdownPolicy = ShutdownPolicy {
    notice: Duration::ZERO,
    grace: Duration::from_millis(20),
};

fn lifecycle() -> Lifecycle {
    Lifecycle::new(Clock::system())
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("inner")]
struct Inner;

async fn cause_of<F>(kind: TaskKind, future: F) -> StopCause
where
    F: Future + Send + 'static,
    F::Output: super::TaskOutput,
{
    let mut lifecycle = lifecycle();
    lifecycle.handle().spawn(kind, "it", future);
    lifecycle.stop_cause().await
}

async fn panics() {
    tokio::task::yield_now().await;
    panic!("no {}", "way");
}

fn failed(reason: &str) -> StopCause {
    StopCause::Failure(Failure {
        task: "it",
        reason: reason.to_owned(),
    })
}

#[tokio::test]
async fn a_critical_task_that_ends_takes_the_process_down() {
    let cause = cause_of(TaskKind::Critical, async {}).await;
    assert_eq!(cause, failed("returned before it was told to"));
}

#[tokio::test]
async fn a_failure_is_told_with_its_sources() {
    let error = async { Err::<(), _>(Outer(Inner)) };
    assert_eq!(
        cause_of(TaskKind::Critical, error).await,
        failed("outer: inner")
    );
    let error = async { Err::<(), _>(Outer(Inner)) };
    assert_eq!(cause_of(TaskKind::Job, error).await, failed("outer: inner"));
}

#[tokio::test]
async fn a_panic_is_a_failure() {
    let cause = cause_of(TaskKind::Job, panics()).await;
    assert_eq!(cause, failed("panicked: no way"));
}

#[tokio::test]
async fn a_failing_request_harms_nobody_else() {
    let lifecycle = lifecycle();
    let tasks = lifecycle.handle();
    tasks.spawn(TaskKind::Request, "request", panics());
    tasks.spawn(TaskKind::Job, "job", async {});
    assert_eq!(lifecycle.shutdown(PATIENT).await, Outcome::Clean);
}

#[tokio::test]
async fn stopping_waits_for_what_was_begun_and_drops_what_is_disposable() {
    let lifecycle = lifecycle();
    let tasks = lifecycle.handle();
    let finished = Arc::new(AtomicBool::new(false));
    let (told, mark) = (tasks.clone(), Arc::clone(&finished));
    tasks.spawn(TaskKind::Critical, "worker", async move {
        told.stopping().await;
        tokio::task::yield_now().await;
        mark.store(true, Ordering::SeqCst);
    });
    tasks.spawn(
        TaskKind::Disposable,
        "endless",
        std::future::pending::<()>(),
    );
    assert_eq!(lifecycle.shutdown(PATIENT).await, Outcome::Clean);
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_outlives_its_grace_is_dropped() {
    let lifecycle = lifecycle();
    let endless = std::future::pending::<()>();
    lifecycle
        .handle()
        .spawn(TaskKind::Critical, "stuck", endless);
    assert_eq!(
        lifecycle.shutdown(HASTY).await,
        Outcome::Forced { dropped: 1 }
    );
}

#[tokio::test]
async fn stages_stop_newest_first() {
    let mut lifecycle = lifecycle();
    let order = Arc::new(Mutex::new(Vec::new()));
    let record = |tasks: Tasks, name: &'static str| {
        let (order, told) = (Arc::clone(&order), tasks.clone());
        tasks.spawn(TaskKind::Critical, name, async move {
            told.stopping().await;
            order.lock().expect("not poisoned").push(name);
        });
    };
    record(lifecycle.handle(), "log");
    record(lifecycle.stage("workers"), "workers");
    record(lifecycle.stage("edge"), "edge");
    assert_eq!(lifecycle.shutdown(PATIENT).await, Outcome::Clean);
    assert_eq!(
        *order.lock().expect("not poisoned"),
        ["edge", "workers", "log"]
    );
}

#[tokio::test]
async fn draining_comes_before_soft_by_the_notice() {
    let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
    let lifecycle = Lifecycle::new(clock);
    let tasks = lifecycle.handle();
    let notice = Duration::from_secs(3);
    let stopping = lifecycle.shutdown(ShutdownPolicy { notice, ..PATIENT });
    let watching = async {
        tasks.draining().cancelled().await;
        assert!(!tasks.is_stopping());
        while hand.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        hand.advance(notice);
        tasks.stopping().await;
    };
    let (outcome, ()) = tokio::join!(stopping, watching);
    assert_eq!(outcome, Outcome::Clean);
}

#[tokio::test]
async fn a_shielded_task_outlives_its_caller() {
    let lifecycle = lifecycle();
    let tasks = lifecycle.handle();
    let done = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&done);
    drop(tasks.shield("write", async move {
        tokio::task::yield_now().await;
        mark.store(true, Ordering::SeqCst);
    }));
    assert_eq!(tasks.shield("answer", async { 7 }).await, Ok(7));
    assert!(tasks.shield("panic", panics()).await.is_err());
    assert_eq!(lifecycle.shutdown(PATIENT).await, Outcome::Clean);
    assert!(done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_failure_while_stopping_still_fails_the_process() {
    let lifecycle = lifecycle();
    let tasks = lifecycle.handle();
    let told = tasks.clone();
    tasks.spawn(TaskKind::Critical, "flush", async move {
        told.stopping().await;
        Err(Inner)
    });
    let outcome = lifecycle.shutdown(PATIENT).await;
    assert_eq!(
        outcome,
        Outcome::Failed(Failure {
            task: "flush",
            reason: "inner".to_owned()
        })
    );
}
