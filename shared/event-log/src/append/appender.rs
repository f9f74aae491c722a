//! The task that appends: take the head's lock, drain the queue, settle, write, commit, answer.

use std::collections::{BTreeSet, VecDeque};
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

use super::outcome::{Evidence, resolve};
use super::prepare::Prepared;
use super::queue::Queued;
use super::session::Session;
use super::settle::{Answers, Settlement, Verdict, settle};
use super::tail::{End, Tail};
use super::{AppendError, BATCH_APPENDS, BATCH_BYTES, Config, NotCommitted};
use crate::error::CorruptRow;
use crate::log::Head;
use crate::metrics as names;
use crate::recent::Recent;
use crate::stored::StoredEvent;

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
    session: Option<Session>,
    tail: Tail,
    /// Appends that wait for the next transaction, the oldest first.
    waiting: VecDeque<Queued>,
    /// So many of the waiting ones are tried alone: one of them was refused by the database.
    alone: usize,
    /// So many more transactions begin with the lock, because others append too.
    crowded: u32,
    /// Partitions exist up to this position.
    partitioned: GlobalPosition,
}

/// What became of an attempt to write a batch; an error means that nothing was written.
enum Attempt {
    Committed(Written),
    /// What it rested on is not so any more: somebody else has appended.
    Stale,
    /// The answer is lost.
    InDoubt(Written, Evidence, NotCommitted),
}

/// A batch that was settled and written.
struct Written {
    verdicts: Vec<Verdict>,
    events: Vec<StoredEvent>,
}

/// A write that failed.
struct Failure {
    cause: NotCommitted,
    /// Whether it may have been committed all the same.
    in_doubt: bool,
}

impl From<NotCommitted> for Failure {
    fn from(cause: NotCommitted) -> Self {
        Self {
            cause,
            in_doubt: false,
        }
    }
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
            crowded: 0,
            partitioned: GlobalPosition::ZERO,
        }
    }

    /// Appends until the process stops; what was queued by then is still appended.
    pub async fn run(mut self, tasks: Tasks) {
        while self.wait_for_work(&tasks).await {
            if let Err(cause) = self.turn().await {
                self.after_failure(cause).await;
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

    /// One transaction, up to the answers.
    ///
    /// While other processes append too, the head's lock comes first and the queue is drained
    /// under it: nothing that was read can go stale, and nobody's work is in vain. A process that
    /// is alone settles on what it remembers, and one statement checks that and does it all.
    async fn turn(&mut self) -> Result<(), NotCommitted> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.options, &self.clock, self.config.step).await?,
        };
        let began = self.clock.monotonic();
        let crowded = self.crowded > 0;
        if crowded {
            self.lock(&mut session).await?;
        }
        let batch = self.drain(began);
        let plain = batch.iter().all(|queued| queued.prepared.is_plain());
        let locked = crowded || !plain || !self.tail.is_known();
        if locked
            && !crowded
            && let Err(cause) = self.lock(&mut session).await
        {
            return self.not_written(batch, cause);
        }
        match self.attempt(&mut session, &batch, locked).await {
            Ok(Attempt::Committed(written)) => {
                self.session = Some(session);
                let took = self.clock.monotonic().saturating_since(began);
                self.finish(batch, written, took).await;
                Ok(())
            }
            Ok(Attempt::Stale) => {
                self.session = Some(session);
                self.tail.forget();
                self.put_back(batch);
                self.crowded = CROWDED_TURNS;
                Ok(())
            }
            Ok(Attempt::InDoubt(written, evidence, cause)) => {
                drop(session);
                self.resolve(batch, written, &evidence, &cause, began).await
            }
            Err(cause) => self.not_written(batch, cause),
        }
    }

    /// Begins a transaction with the right to append.
    async fn lock(&mut self, session: &mut Session) -> Result<(), NotCommitted> {
        let (head, tid) = session.lock_head().await?;
        let others = self.tail.is_known() && self.tail.head != head;
        self.crowded = if others {
            CROWDED_TURNS
        } else {
            self.crowded.saturating_sub(1)
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

    /// Reads what the batch depends on, settles it, writes it and commits.
    async fn attempt(
        &mut self,
        session: &mut Session,
        batch: &[Queued],
        locked: bool,
    ) -> Result<Attempt, NotCommitted> {
        let taken = self.learn(session, batch).await?;
        let before = self.tail.head;
        let now = Timestamp::from_datetime(self.clock.now());
        let appends = batch.iter().map(|queued| &queued.prepared);
        let settlement = settle(&mut self.tail, taken, appends, now);
        let evidence = Evidence::of(&settlement);
        let done = if locked {
            self.write_in_tx(session, &settlement, &before).await
        } else {
            self.write_at_once(session, &settlement, &before).await
        };
        let written = Written {
            verdicts: settlement.verdicts,
            events: settlement.events,
        };
        match (done, evidence) {
            (Ok(true), _) => Ok(Attempt::Committed(written)),
            (Ok(false), _) => Ok(Attempt::Stale),
            (Err(failure), Some(evidence)) if failure.in_doubt => {
                Ok(Attempt::InDoubt(written, evidence, failure.cause))
            }
            (Err(failure), _) => Err(failure.cause),
        }
    }

    /// Writes and commits in the transaction that holds the head's lock.
    async fn write_in_tx(
        &mut self,
        session: &mut Session,
        settlement: &Settlement<'_>,
        before: &Head,
    ) -> Result<bool, Failure> {
        if settlement.is_empty() {
            session.rollback().await?;
            return Ok(true);
        }
        if !settlement.events.is_empty() {
            let tid = session
                .write_events(settlement, before, self.tail.tid(), &self.tail.head)
                .await?;
            let moved =
                || CorruptRow::new("log.head", "position", "the row", "moved under its lock");
            self.tail
                .move_to(tid.ok_or_else(moved).map_err(NotCommitted::from)?);
        }
        session.write_companions(settlement).await?;
        session.commit().await.map_err(|cause| Failure {
            cause,
            in_doubt: true,
        })?;
        Ok(true)
    }

    /// Writes and commits with one statement, if the head stands where it is remembered.
    async fn write_at_once(
        &mut self,
        session: &mut Session,
        settlement: &Settlement<'_>,
        before: &Head,
    ) -> Result<bool, Failure> {
        if settlement.is_empty() {
            // Nothing would check the refusals: they are to be given under the lock.
            return Ok(false);
        }
        let written = session
            .write_events(settlement, before, self.tail.tid(), &self.tail.head)
            .await;
        match written {
            Ok(Some(tid)) => {
                self.tail.move_to(tid);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(cause) => Err(Failure {
                in_doubt: !cause.is_about_content(),
                cause,
            }),
        }
    }

    /// Reads the facts that the tail lacks; returns the answers that exist for the batch's keys.
    async fn learn(
        &mut self,
        session: &mut Session,
        batch: &[Queued],
    ) -> Result<Answers, NotCommitted> {
        let appends = || batch.iter().map(|queued| &queued.prepared);
        let streams: BTreeSet<_> = appends()
            .flat_map(Prepared::streams)
            .filter(|stream| !self.tail.knows_stream(stream))
            .collect();
        if !streams.is_empty() {
            let streams: Vec<_> = streams.into_iter().collect();
            let ends = session.streams(&streams, self.tail.head.position).await?;
            for stream in streams {
                self.tail.learn_stream(stream, End::EMPTY);
            }
            for (stream, end) in ends {
                self.tail.learn_stream(stream, end);
            }
        }
        let callers: BTreeSet<_> = appends()
            .filter_map(|append| append.guard)
            .filter(|key| !self.tail.knows_caller(*key))
            .collect();
        if !callers.is_empty() {
            let callers: Vec<_> = callers.into_iter().collect();
            let known = session.callers(&callers).await?;
            for key in callers {
                self.tail.learn_caller(key, None);
            }
            for (key, caller) in known {
                self.tail.learn_caller(key, Some(caller));
            }
        }
        let keys: Vec<_> = appends()
            .filter_map(|append| Some((append.org_id, append.idempotency.as_ref()?.key.as_str())))
            .collect();
        if keys.is_empty() {
            return Ok(Answers::new());
        }
        session.answers(&keys, self.clock.now()).await
    }

    /// The batch is committed: tells everybody.
    async fn finish(&mut self, batch: Vec<Queued>, written: Written, took: Duration) {
        names::record_commit(batch.len(), written.events.len(), took);
        self.recent.push(written.events);
        self.answer(batch, written.verdicts);
        self.make_room_ahead().await;
    }

    /// Finds out what became of a batch whose answer is lost.
    async fn resolve(
        &mut self,
        batch: Vec<Queued>,
        written: Written,
        evidence: &Evidence,
        cause: &NotCommitted,
        began: Monotonic,
    ) -> Result<(), NotCommitted> {
        tracing::warn!(error = %chain(cause), "the answer to a commit is lost, looking for it");
        let found = resolve(evidence, &self.options, &self.clock, &self.config).await;
        names::record_lost_answer(found);
        self.tail.forget();
        match found {
            Some(true) => {
                let took = self.clock.monotonic().saturating_since(began);
                self.finish(batch, written, took).await;
                Ok(())
            }
            Some(false) => {
                self.put_back(batch);
                Err(NotCommitted::Lost)
            }
            None => {
                self.answer(batch, written.verdicts.into_iter().map(Verdict::unknown));
                Ok(())
            }
        }
    }

    /// Tells every caller, and keeps what belongs into the next transaction.
    fn answer(&mut self, batch: Vec<Queued>, verdicts: impl IntoIterator<Item = Verdict>) {
        let mut later = Vec::new();
        for (queued, verdict) in batch.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Appended(appended) => queued.answer(Ok(appended)),
                Verdict::Refused(error) => {
                    names::record_refusal(&error);
                    queued.answer(Err(error));
                }
                Verdict::Later => later.push(queued),
            }
        }
        self.put_back(later);
    }

    /// To the front of what waits, in order.
    fn put_back(&mut self, batch: Vec<Queued>) {
        for queued in batch.into_iter().rev() {
            self.waiting.push_front(queued);
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
        let ahead = self.tail.head.position.plus(PARTITION_AHEAD);
        if ahead <= self.partitioned {
            return;
        }
        let Some(mut session) = self.session.take() else {
            return;
        };
        match session.ensure_partition(ahead).await {
            Ok(()) => {
                // Not at every event: half of what lies ahead may be used up before the next look.
                self.partitioned = ahead.plus(PARTITION_AHEAD / 2);
                self.session = Some(session);
            }
            Err(error) => tracing::error!(error = %chain(&error), "no partition was made ahead"),
        }
    }
}
