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

use super::outcome::{Evidence, OutcomeUnknown, resolve};
use super::prepare::Prepared;
use super::queue::Queued;
use super::session::Session;
use super::settle::{Answers, Verdict, settle};
use super::tail::{End, Tail};
use super::{AppendError, BATCH_APPENDS, BATCH_BYTES, Config, NotCommitted};
use crate::metrics as names;
use crate::recent::Recent;
use crate::stored::StoredEvent;

/// How long to wait after a failure before Postgres is asked again.
const BACK_OFF: Duration = Duration::from_millis(20);
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
    /// Partitions exist up to this position.
    partitioned: GlobalPosition,
}

/// A batch that was written in the open transaction.
struct Written {
    verdicts: Vec<Verdict>,
    events: Vec<StoredEvent>,
    /// None: there was nothing to write.
    evidence: Option<Evidence>,
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

    /// One transaction, from the lock to the answers.
    async fn turn(&mut self) -> Result<(), NotCommitted> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.options, &self.clock, self.config.step).await?,
        };
        let head = session.lock_head().await?;
        let locked_at = self.clock.monotonic();
        self.tail.meet(head);
        let batch = self.drain(locked_at);
        let written = match self.write(&mut session, &batch).await {
            Ok(written) => written,
            Err(cause) => return self.not_written(batch, cause),
        };
        match self.commit(session, written.evidence.as_ref()).await {
            Ok(true) => {}
            Ok(false) => {
                self.tail.forget();
                self.put_back(batch);
                return Err(NotCommitted::Lost);
            }
            Err(OutcomeUnknown) => {
                self.tail.forget();
                self.answer(batch, written.verdicts.into_iter().map(Verdict::unknown));
                return Ok(());
            }
        }
        let took = self.clock.monotonic().saturating_since(locked_at);
        names::record_commit(batch.len(), written.events.len(), took);
        self.recent.push(written.events);
        self.answer(batch, written.verdicts);
        self.make_room_ahead().await;
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

    /// Reads what the batch depends on, settles it, and writes it.
    async fn write(
        &mut self,
        session: &mut Session,
        batch: &[Queued],
    ) -> Result<Written, NotCommitted> {
        let taken = self.learn(session, batch).await?;
        let now = Timestamp::from_datetime(self.clock.now());
        let appends = batch.iter().map(|queued| &queued.prepared);
        let settlement = settle(&mut self.tail, taken, appends, now);
        if !settlement.is_empty() {
            session.write(&settlement, &self.tail.head).await?;
        }
        Ok(Written {
            evidence: Evidence::of(&settlement),
            verdicts: settlement.verdicts,
            events: settlement.events,
        })
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
            let ends = session.streams(&streams).await?;
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

    /// Commits, and finds out whether it did if the answer is lost.
    async fn commit(
        &mut self,
        mut session: Session,
        evidence: Option<&Evidence>,
    ) -> Result<bool, OutcomeUnknown> {
        let Some(evidence) = evidence else {
            // Every verdict is a refusal, and stays one if this fails.
            if session.rollback().await.is_ok() {
                self.session = Some(session);
            }
            return Ok(true);
        };
        let Err(cause) = session.commit().await else {
            self.session = Some(session);
            return Ok(true);
        };
        drop(session);
        tracing::warn!(error = %chain(&cause), "the answer to a commit is lost, looking for it");
        let found = resolve(evidence, &self.options, &self.clock, &self.config).await;
        names::record_lost_answer(found);
        found.ok_or(OutcomeUnknown)
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
