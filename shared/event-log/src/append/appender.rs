//! The task that appends: drain the queue, settle, write, commit, answer.
//!
//! A process that appends alone settles on what it remembers of the log's end, and one statement
//! checks that it is still so, writes and commits: one round trip. While other processes append
//! too, the head's lock comes first and the queue is drained under it: then nothing that was read
//! can go stale, and nobody's work is in vain.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use runtime::clock::{Clock, Monotonic};
use runtime::lifecycle::Tasks;
use runtime::telemetry::chain;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::flight::{Approach, Flight, Landing};
use super::outcome::{Evidence, resolve};
use super::queue::Queued;
use super::session::Session;
use super::settle::settle;
use super::tail::Tail;
use super::{AppendError, BATCH_APPENDS, BATCH_BYTES, Config, NotCommitted, facts};
use crate::metrics as names;
use crate::recent::Recent;

/// How long to wait after a failure before Postgres is asked again.
const BACK_OFF: Duration = Duration::from_millis(20);
/// Transactions that begin with the lock once somebody else was seen to append.
const LOCKED_TURNS: u32 = 64;
/// After so many more events a partition that could not be made ahead is tried again.
const ROOM_AGAIN: u64 = 10_000;

/// The one writer of a process; [`run`](Self::run) it as a critical task.
#[derive(Debug)]
pub struct Appender {
    options: PgConnectOptions,
    clock: Clock,
    config: Config,
    queue: mpsc::Receiver<Queued>,
    recent: Arc<Recent>,
    session: Option<Session>,
    tail: Tail,
    /// Appends that wait for the next transaction, the oldest first.
    waiting: VecDeque<Queued>,
    /// So many of the waiting ones are tried alone: one of them was refused by the database.
    alone: usize,
    /// So many more transactions begin with the lock.
    locked_turns: u32,
    /// Once the log is here, it is seen to that a partition lies ahead.
    look_for_room_at: GlobalPosition,
}

impl Appender {
    pub(crate) fn new(
        options: PgConnectOptions,
        clock: Clock,
        config: Config,
        queue: mpsc::Receiver<Queued>,
        recent: Arc<Recent>,
    ) -> Self {
        Self {
            options,
            clock,
            config,
            queue,
            recent,
            session: None,
            tail: Tail::default(),
            waiting: VecDeque::new(),
            alone: 0,
            locked_turns: 0,
            look_for_room_at: GlobalPosition::ZERO,
        }
    }

    /// Appends until the process stops; what was queued by then is still appended.
    pub async fn run(mut self, tasks: Tasks) {
        while self.wait_for_work(&tasks).await {
            match self.turn().await {
                Ok(()) => self.make_room_ahead().await,
                Err(cause) => self.after_failure(cause).await,
            }
        }
    }

    /// False once the process stops and nothing waits any more.
    async fn wait_for_work(&mut self, tasks: &Tasks) -> bool {
        if tasks.is_stopping() {
            self.queue.close();
        }
        // Callers that were just answered often have more to append. Letting them speak first, for
        // as long as they are ready to run anyway, makes batches of all of them.
        yield_now().await;
        yield_now().await;
        if !self.waiting.is_empty() {
            return true;
        }
        let first = tokio::select! {
            biased;
            first = self.queue.recv() => first,
            () = tasks.stopping(), if !self.queue.is_closed() => {
                self.queue.close();
                self.queue.recv().await
            }
        };
        self.waiting.extend(first);
        !self.waiting.is_empty()
    }

    /// One transaction, from the queue to the answers.
    async fn turn(&mut self) -> Result<(), NotCommitted> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.options, &self.clock, self.config.step).await?,
        };
        let began = self.clock.monotonic();
        self.tail.bound();
        let mut locked = self.locked_turns > 0 || !self.tail.is_known();
        if locked {
            self.lock(&mut session).await?;
        }
        let batch = self.drain(began);
        if !locked && !batch.iter().all(|queued| queued.prepared.is_plain()) {
            locked = true;
            if let Err(cause) = self.lock(&mut session).await {
                return self.not_written(batch, cause);
            }
        }
        let flight = match self.settle(&mut session, batch, began).await {
            Ok(flight) => flight,
            Err((batch, cause)) => return self.not_written(batch, cause),
        };
        let approach = if locked {
            Approach::Locked
        } else {
            Approach::AtOnce
        };
        let landing = flight
            .land(&mut session, approach, &self.recent, &self.clock)
            .await;
        self.landed(landing, session).await
    }

    /// Begins a transaction with the right to append.
    async fn lock(&mut self, session: &mut Session) -> Result<(), NotCommitted> {
        // While others append too, the row is not where this process left it.
        let known = self.tail.tid().filter(|_| self.locked_turns == 0);
        let (head, tid) = session.lock_head(known).await?;
        let others = self.tail.is_known() && self.tail.head != head;
        self.locked_turns = if others {
            LOCKED_TURNS
        } else {
            self.locked_turns.saturating_sub(1)
        };
        self.tail.meet(head, tid);
        Ok(())
    }

    /// What goes into this transaction, the oldest first; what waited too long is answered.
    fn drain(&mut self, now: Monotonic) -> Vec<Queued> {
        let (most, bytes) = match self.alone {
            0 => (BATCH_APPENDS, BATCH_BYTES),
            _ => (1, 0),
        };
        let mut batch = Vec::new();
        let mut size = 0;
        while batch.len() < most && (size < bytes || batch.is_empty()) {
            let next = self.waiting.pop_front();
            let Some(next) = next.or_else(|| self.queue.try_recv().ok()) else {
                break;
            };
            if next.deadline < now {
                next.answer(Err(NotCommitted::Overloaded.into()));
                continue;
            }
            size += next.prepared.bytes;
            batch.push(next);
        }
        self.alone = self.alone.saturating_sub(1);
        names::record_queue(self.waiting.len() + self.queue.len());
        batch
    }

    /// Reads what a batch depends on and settles it.
    async fn settle(
        &mut self,
        session: &mut Session,
        batch: Vec<Queued>,
        began: Monotonic,
    ) -> Result<Flight, (Vec<Queued>, NotCommitted)> {
        let (before, tid) = (self.tail.head, self.tail.tid().cloned());
        let now = self.clock.now();
        let taken = match facts::learn(&mut self.tail, session, &batch, now).await {
            Ok(taken) => taken,
            Err(cause) => return Err((batch, cause)),
        };
        let appends = batch.iter().map(|queued| &queued.prepared);
        let now = Timestamp::from_datetime(now);
        let settlement = settle(&mut self.tail, taken, appends, now);
        Ok(Flight {
            settlement,
            batch,
            before,
            tid,
            after: self.tail.head,
            began,
        })
    }

    /// Sees to what became of a batch.
    async fn landed(&mut self, landing: Landing, session: Session) -> Result<(), NotCommitted> {
        match landing {
            Landing::Committed { tid, later } => {
                self.session = Some(session);
                self.put_back(later);
                if let Some(tid) = tid {
                    self.tail.move_to(tid);
                }
                Ok(())
            }
            Landing::Stale(flight) => {
                self.session = Some(session);
                self.locked_turns = LOCKED_TURNS;
                self.tail.forget();
                self.put_back(flight.batch);
                Ok(())
            }
            Landing::Failed(flight, cause) => self.not_written(flight.batch, cause),
            Landing::InDoubt(flight, evidence, cause) => {
                drop(session);
                self.resolve(flight, &evidence, &cause).await
            }
        }
    }

    /// Finds out what became of a batch whose answer is lost.
    async fn resolve(
        &mut self,
        flight: Flight,
        evidence: &Evidence,
        cause: &NotCommitted,
    ) -> Result<(), NotCommitted> {
        tracing::warn!(error = %chain(cause), "the answer to a commit is lost, looking for it");
        let found = resolve(evidence, &self.options, &self.clock, &self.config).await;
        names::record_lost_answer(found);
        self.tail.forget();
        let later = match found {
            Some(true) => flight.committed(&self.recent, &self.clock),
            Some(false) => {
                self.put_back(flight.batch);
                return Err(NotCommitted::Lost);
            }
            None => flight.unknown(),
        };
        self.put_back(later);
        Ok(())
    }

    /// Nothing was written. If the database refuses the content of one append, or cannot write it
    /// in time, its neighbours must not fail with it: from now on each is tried alone, and who is
    /// refused alone is told.
    fn not_written(
        &mut self,
        mut batch: Vec<Queued>,
        cause: NotCommitted,
    ) -> Result<(), NotCommitted> {
        self.tail.forget();
        if !cause.is_about_content() {
            if cause.is_slow_write() && batch.len() == 1 {
                // Behind its neighbours, until its own deadline.
                self.waiting.extend(batch);
                return Err(cause);
            }
            if cause.is_slow_write() {
                self.alone = batch.len();
            }
            self.put_back(batch);
            return Err(cause);
        }
        if batch.len() > 1 {
            self.alone = batch.len();
            self.put_back(batch);
            return Ok(());
        }
        tracing::error!(error = %chain(&cause), "the database refuses an append");
        if let Some(refused) = batch.pop() {
            refused.answer(Err(cause.into()));
        }
        Ok(())
    }

    /// To the front of what waits, in order.
    fn put_back(&mut self, batch: Vec<Queued>) {
        for queued in batch.into_iter().rev() {
            self.waiting.push_front(queued);
        }
    }

    /// Waits a little, and answers those whose time is over.
    async fn after_failure(&mut self, cause: NotCommitted) {
        tracing::warn!(error = %chain(&cause), "the log could not be written, trying again");
        names::record_failure(&cause);
        self.clock.sleep(BACK_OFF).await;
        while let Ok(queued) = self.queue.try_recv() {
            self.waiting.push_back(queued);
        }
        let cause = Arc::new(cause);
        let now = self.clock.monotonic();
        for queued in mem::take(&mut self.waiting) {
            if queued.deadline < now {
                queued.answer(Err(AppendError::NotCommitted(Arc::clone(&cause))));
            } else {
                self.waiting.push_back(queued);
            }
        }
    }

    /// Makes the next partition long before it is needed.
    async fn make_room_ahead(&mut self) {
        let here = self.tail.head.position;
        if here < self.look_for_room_at {
            return;
        }
        let Some(mut session) = self.session.take() else {
            return;
        };
        self.look_for_room_at = match session.make_room(here.next()).await {
            Ok(look_again_at) => {
                self.session = Some(session);
                look_again_at
            }
            Err(cause) => {
                tracing::error!(error = %chain(&cause), "no partition was made ahead");
                here.plus(ROOM_AGAIN)
            }
        };
    }
}
