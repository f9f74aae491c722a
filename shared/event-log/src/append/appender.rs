//! The task that appends: drain the queue, settle, write, commit, answer.
//!
//! A process that appends alone settles on what it remembers of the log's end; one statement checks
//! that it is still so, writes and commits. While that is under way, the next batch is written on a
//! second connection, so that only moving the head and the commit itself wait for their turn.
//! While other processes append too, the head's lock comes first and the queue is drained under
//! it: then nothing that was read can go stale, and nobody's work is in vain.

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

use super::flight::{Approach, Flight, Landing};
use super::outcome::{Evidence, resolve};
use super::queue::Queued;
use super::session::{Session, Tid};
use super::settle::settle;
use super::tail::Tail;
use super::{AppendError, BATCH_APPENDS, BATCH_BYTES, Config, NotCommitted, facts};
use crate::metrics as names;
use crate::recent::Recent;

/// How long to wait after a failure before Postgres is asked again.
const BACK_OFF: Duration = Duration::from_millis(20);
/// Transactions that begin with the lock once somebody else was seen to append.
const CROWDED_TURNS: u32 = 64;
/// A new partition is made when the log comes so near to its first position.
const PARTITION_AHEAD: u64 = 5_000_000;

/// The one writer of a process; [`run`](Self::run) it as a critical task.
#[derive(Debug)]
pub struct Appender {
    options: PgConnectOptions,
    clock: Clock,
    config: Config,
    queue: mpsc::Receiver<Queued>,
    recent: Arc<Recent>,
    /// Connections that are free, two at most.
    sessions: Vec<Session>,
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

/// A batch whose events are written and which waits for its turn.
struct Ahead {
    flight: Flight,
    session: Session,
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
            sessions: Vec::new(),
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
            let done = if self.locked_turns > 0 || !self.tail.is_known() {
                self.locked_turn().await
            } else {
                self.turns().await
            };
            match done {
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

    /// One transaction under the head's lock.
    async fn locked_turn(&mut self) -> Result<(), NotCommitted> {
        let mut session = self.session().await?;
        let began = self.clock.monotonic();
        let (head, tid) = session.lock_head().await?;
        let others = self.tail.is_known() && self.tail.head != head;
        self.locked_turns = if others {
            CROWDED_TURNS
        } else {
            self.locked_turns.saturating_sub(1)
        };
        self.tail.meet(head, tid.clone());
        let batch = self.drain(began);
        let Some(flight) = self.settle(&mut session, batch, began).await? else {
            return Ok(());
        };
        let landing = flight
            .land(
                &mut session,
                Approach::Locked,
                &tid,
                &self.recent,
                &self.clock,
            )
            .await;
        self.landed(landing, session).await.map(drop)
    }

    /// Transactions without the lock, each prepared while the one before it is being committed, as
    /// long as there is work.
    async fn turns(&mut self) -> Result<(), NotCommitted> {
        let mut session = self.session().await?;
        let Some(mut tid) = self.tail.tid().cloned() else {
            return Ok(());
        };
        let Some(mut flight) = self.board(&mut session).await? else {
            self.sessions.push(session);
            return Ok(());
        };
        let mut approach = Approach::AtOnce;
        loop {
            let (recent, clock) = (Arc::clone(&self.recent), self.clock.clone());
            let half = flight.batch.len() / 2;
            let landing = Box::pin(flight.land(&mut session, approach, &tid, &recent, &clock));
            let (landing, ahead) = self.meanwhile(landing, half).await;
            let landed = self.landed(landing, session).await;
            match (landed, ahead) {
                (Ok(Some(moved)), Some(ahead)) => {
                    tid = moved;
                    Ahead { flight, session } = ahead;
                    approach = Approach::AfterAhead;
                }
                (landed, ahead) => {
                    self.give_up(ahead).await;
                    return landed.map(drop);
                }
            }
        }
    }

    /// Waits for a landing, and prepares the next batch meanwhile if there is work.
    async fn meanwhile(
        &mut self,
        landing: impl Future<Output = Landing> + Send,
        enough: usize,
    ) -> (Landing, Option<Ahead>) {
        let mut landing = std::pin::pin!(landing);
        while self.waiting.len() < enough.max(1) {
            tokio::select! {
                biased;
                landing = &mut landing => return (landing, None),
                next = self.queue.recv() => match next {
                    Some(next) => self.waiting.push_back(next),
                    None => return (landing.await, None),
                },
            }
        }
        tokio::join!(landing, Box::pin(self.prepare_ahead()))
    }

    /// Writes the next batch, up to where it must wait for its turn.
    async fn prepare_ahead(&mut self) -> Option<Ahead> {
        if self.locked_turns > 0 || self.alone > 0 || self.needs_room() {
            return None;
        }
        let mut session = self.session().await.ok()?;
        match self.board(&mut session).await {
            Ok(Some(flight)) => match flight.write_ahead(&mut session).await {
                Ok(()) => return Some(Ahead { flight, session }),
                // Perhaps another process was there first. Under the lock it will show.
                Err(_) => self.take_back(flight.batch),
            },
            Ok(None) => self.sessions.push(session),
            Err(_) => {}
        }
        None
    }

    /// The next batch, settled on what is remembered; none if it must be settled under the lock.
    async fn board(&mut self, session: &mut Session) -> Result<Option<Flight>, NotCommitted> {
        let began = self.clock.monotonic();
        let batch = self.drain(began);
        if batch.is_empty() {
            return Ok(None);
        }
        if !batch.iter().all(|queued| queued.prepared.is_plain()) {
            self.locked_turns = self.locked_turns.max(1);
            self.put_back(batch);
            return Ok(None);
        }
        self.settle(session, batch, began).await
    }

    /// Reads what a batch depends on and settles it.
    async fn settle(
        &mut self,
        session: &mut Session,
        batch: Vec<Queued>,
        began: Monotonic,
    ) -> Result<Option<Flight>, NotCommitted> {
        let before = self.tail.head;
        let now = self.clock.now();
        let taken = match facts::learn(&mut self.tail, session, &batch, now).await {
            Ok(taken) => taken,
            Err(cause) => {
                self.not_written(batch, cause)?;
                return Ok(None);
            }
        };
        let appends = batch.iter().map(|queued| &queued.prepared);
        let now = Timestamp::from_datetime(now);
        let settlement = settle(&mut self.tail, taken, appends, now);
        Ok(Some(Flight {
            settlement,
            batch,
            before,
            after: self.tail.head,
            began,
        }))
    }

    /// Sees to what became of a flight; where the head's row stands if it was committed.
    async fn landed(
        &mut self,
        landing: Landing,
        session: Session,
    ) -> Result<Option<Tid>, NotCommitted> {
        match landing {
            Landing::Committed { tid, later } => {
                self.sessions.push(session);
                self.put_back(later);
                if let Some(tid) = &tid {
                    self.tail.move_to(tid.clone());
                }
                Ok(tid)
            }
            Landing::Stale(flight) => {
                self.locked_turns = CROWDED_TURNS;
                self.tail.forget();
                self.put_back(flight.batch);
                self.roll_back(session).await;
                Ok(None)
            }
            Landing::Failed(flight, cause) => self.not_written(flight.batch, cause).map(|()| None),
            Landing::InDoubt(flight, evidence, cause) => {
                drop(session);
                self.sessions.clear();
                self.resolve(flight, &evidence, &cause).await.map(|()| None)
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

    /// The batch before it did not land: this one rests on nothing.
    async fn give_up(&mut self, ahead: Option<Ahead>) {
        if let Some(Ahead { flight, session }) = ahead {
            self.take_back(flight.batch);
            self.roll_back(session).await;
        }
    }

    /// What was settled is settled anew, under the lock.
    fn take_back(&mut self, batch: Vec<Queued>) {
        self.locked_turns = self.locked_turns.max(1);
        self.tail.forget();
        self.put_back(batch);
    }

    async fn roll_back(&mut self, mut session: Session) {
        if session.rollback().await.is_ok() {
            self.sessions.push(session);
        }
    }

    /// Nothing was written. If the database refuses the content of one append, its neighbours must
    /// not fail with it: from now on each is tried alone, and who is refused alone is told.
    fn not_written(
        &mut self,
        mut batch: Vec<Queued>,
        cause: NotCommitted,
    ) -> Result<(), NotCommitted> {
        self.tail.forget();
        if !cause.is_about_content() {
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
        self.sessions.clear();
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

    /// A free connection, or a new one.
    async fn session(&mut self) -> Result<Session, NotCommitted> {
        match self.sessions.pop() {
            Some(session) => Ok(session),
            None => Session::open(&self.options, &self.clock, self.config.step).await,
        }
    }

    fn needs_room(&self) -> bool {
        self.tail.head.position >= self.look_for_room_at
    }

    /// Makes the next partition long before it is needed.
    async fn make_room_ahead(&mut self) {
        if !self.needs_room() {
            return;
        }
        let here = self.tail.head.position;
        let made = match self.session().await {
            Ok(mut session) => {
                let made = session.ensure_partition(here.plus(PARTITION_AHEAD)).await;
                self.sessions.extend(made.is_ok().then_some(session));
                made
            }
            Err(cause) => Err(cause),
        };
        self.look_for_room_at = match made {
            Ok(()) => here.plus(PARTITION_AHEAD / 2),
            Err(cause) => {
                tracing::error!(error = %chain(&cause), "no partition was made ahead");
                here.plus(PARTITION_AHEAD / 500)
            }
        };
    }
}
