//! Keeps a denial back until it holds everywhere, or says that it does not yet (revocation.md 5.4).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ids::{GlobalPosition, LogEpoch};
use metrics::{Counter, counter};
use runtime::clock::Clock;
use tokio::sync::{Semaphore, watch};

use crate::core::clocks::WaitPoint;
use crate::core::hold::{RestsOn, Settlements};
use crate::metrics as names;

/// How long a denial waits for its settlement (revocation.md 3).
const HOLD: Duration = Duration::from_millis(25);
/// Denials that may wait at once; beyond, each is told at once that it is not in force yet.
const WAITERS: usize = 4_096;

/// The denial is not known to hold everywhere: nobody may be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InProgress;

/// What is settled, as requests ask and the followers of the log learn.
pub struct Hold {
    known: Mutex<Settlements>,
    news: watch::Sender<()>,
    room: Semaphore,
    clock: Clock,
    told: Counter,
    kept_back: Counter,
}

impl Hold {
    pub fn new(clock: Clock) -> Self {
        let outcome = |name: &'static str| counter!(names::HOLDS, "outcome" => name);
        Self {
            known: Mutex::default(),
            news: watch::Sender::new(()),
            room: Semaphore::new(WAITERS),
            clock,
            told: outcome("told"),
            kept_back: outcome("kept_back"),
        }
    }

    /// The primary showed that its newest auth event is `head`.
    pub fn see(&self, epoch: LogEpoch, head: GlobalPosition, longest_term: Duration) {
        let now = self.now();
        self.known().see(epoch, head, longest_term, now);
    }

    /// Every denial up to `position` of the log `epoch` holds everywhere.
    pub fn settle(&self, epoch: LogEpoch, position: GlobalPosition) {
        if self.known().settle(epoch, position) {
            self.news.send_replace(());
        }
    }

    /// Waits until a denial may be told.
    pub async fn pass(&self, rests_on: RestsOn) -> Result<(), InProgress> {
        if self.holds(rests_on) {
            return Ok(());
        }
        let passed = self.wait(rests_on).await;
        let outcome = if passed.is_ok() {
            &self.told
        } else {
            &self.kept_back
        };
        outcome.increment(1);
        passed
    }

    async fn wait(&self, rests_on: RestsOn) -> Result<(), InProgress> {
        let _room = self.room.try_acquire().map_err(|_| InProgress)?;
        let mut news = self.news.subscribe();
        let settled = async {
            while !self.holds(rests_on) {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = self.clock.timeout(HOLD, settled).await;
        // Time alone may have settled it.
        self.holds(rests_on).then_some(()).ok_or(InProgress)
    }

    fn holds(&self, rests_on: RestsOn) -> bool {
        let now = self.now();
        self.known().cover(rests_on, now)
    }

    fn known(&self) -> MutexGuard<'_, Settlements> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> WaitPoint {
        WaitPoint {
            mono: self.clock.monotonic(),
            raw: self.clock.raw(),
        }
    }
}
