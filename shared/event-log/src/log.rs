//! The handle to the log.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use domain::event::{Reading, Stream};
use domain::ids::{GlobalPosition, LogEpoch, OrgId, StreamVersion};
use domain::sealed::SubjectKey;
use domain::time::Timestamp;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::append::{
    AppendError, AppendRequest, Appended, Appender, Config, Prepared, Queue, StoredAnswer,
};
use crate::archive::{Purpose, Shelf};
use crate::error::ReadError;
use crate::readings::{KnownReading, ReadingKey};
use crate::recent::Recent;
use crate::snapshots::Snapshot;
use crate::stored::StoredEvent;
use crate::subject_keys::{Erased, FoundKeys};
use crate::{idempotency, read, readings, snapshots, subject_keys};

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Position of the newest event.
    pub position: GlobalPosition,
    /// Position of the newest event that changes who may call.
    pub auth_position: GlobalPosition,
    /// When the newest event was appended.
    pub recorded_at: Timestamp,
    /// The life of this log: another one after a restore.
    pub epoch: LogEpoch,
}

/// How long Postgres may take to answer a reader, and the pool to give it a connection: far more
/// than any page takes, and an end to a connection whose other side is gone without a word.
const ANSWER: Duration = Duration::from_secs(5);

/// A connection of the pool that is closed unless its answer came: the pool would wait for the
/// rest of it, and lend the connection to nobody meanwhile.
struct Lent {
    connection: PoolConnection<Postgres>,
    answered: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.answered {
            self.connection.close_on_drop();
        }
    }
}

/// Appends to the log and reads it; cheap to clone.
#[derive(Debug, Clone)]
pub struct EventLog {
    pool: PgPool,
    clock: Clock,
    entropy: Entropy,
    queue: Queue,
    recent: Arc<Recent>,
    /// Of questions that are asked at once, where those are bounded.
    places: Option<Arc<Semaphore>>,
    archives: Arc<Shelf>,
}

/// An append that lacks nothing but its place in the log.
#[derive(Debug)]
pub struct PreparedAppend(Prepared);

impl EventLog {
    /// A handle, and the task that appends. A process that only reads drops the task: then every
    /// append is refused as not committed.
    pub fn new(pool: PgPool, clock: Clock, entropy: Entropy, config: Config) -> (Self, Appender) {
        let (queue, receiver) = Queue::new(clock.clone(), &config);
        let recent = Arc::new(Recent::default());
        let appender = Appender::new(
            pool.connect_options().as_ref().clone(),
            clock.clone(),
            config,
            receiver,
            Arc::clone(&recent),
        );
        let log = Self {
            archives: Arc::new(Shelf::new(None, clock.clone())),
            pool,
            clock,
            entropy,
            queue,
            recent,
            places: None,
        };
        (log, appender)
    }

    /// The same log for readers who must not take the pool's connections from others: of it and its
    /// clones so many questions are asked at once, the others wait.
    #[must_use]
    pub fn with_places(&self, places: usize) -> Self {
        Self {
            places: Some(Arc::new(Semaphore::new(places))),
            ..self.clone()
        }
    }

    pub(crate) fn reading_from(self, archives: Arc<Shelf>) -> Self {
        Self { archives, ..self }
    }

    /// Appends all events of the request, or none. Dropping the future does not take it back: it
    /// may still be appended.
    ///
    /// # Errors
    /// [`AppendError`]; all but [`AppendError::OutcomeUnknown`] mean that nothing was written.
    pub async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        self.append_prepared(self.prepare(request)?).await
    }

    /// Encodes and hashes what can be without a place in the log: the costly part of an append,
    /// for callers who want it off the executor.
    pub fn prepare(&self, request: AppendRequest) -> Result<PreparedAppend, AppendError> {
        let now = Timestamp::from_datetime(self.clock.now());
        Prepared::try_new(request, now, &self.entropy).map(PreparedAppend)
    }

    /// Appends what was prepared, as [`append`](Self::append) does.
    pub async fn append_prepared(&self, prepared: PreparedAppend) -> Result<Appended, AppendError> {
        self.queue.append(prepared.0).await
    }

    /// The end of the log.
    pub async fn head(&self) -> Result<Head, ReadError> {
        self.ask(async |c| read::head(c).await).await
    }

    /// Up to `limit` (5,000 at most) events after a position, without gaps; archived ones only with
    /// [`with_archive`](Self::with_archive).
    pub async fn read(
        &self,
        after: GlobalPosition,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.read_through(after, limit, Purpose::Walk).await
    }

    /// Up to `limit` (5,000 at most) events after a position that change who may call; each names
    /// the one before it in `auth_prev`.
    pub async fn read_auth(
        &self,
        after: GlobalPosition,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.ask(async |c| read::auth_after(c, after, limit).await)
            .await
    }

    /// The events at these positions, in order of position; unknown positions are left out.
    pub async fn read_at(
        &self,
        positions: &[GlobalPosition],
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let positions: Vec<_> = positions.iter().map(|position| position.as_i64()).collect();
        self.read_scattered(&positions).await
    }

    /// The same as far as they are online, whatever is archived.
    pub async fn read_online_at(
        &self,
        positions: &[GlobalPosition],
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let positions: Vec<_> = positions.iter().map(|position| position.as_i64()).collect();
        self.ask(async |c| read::at_positions(c, &positions).await)
            .await
    }

    /// Every org, the oldest first. For a command service's connection: no other may read that.
    pub async fn orgs(&self) -> Result<Vec<OrgId>, ReadError> {
        self.ask(async |c| read::orgs(c).await).await
    }

    /// Up to `limit` (5,000 at most) events of one stream after a version, as far as they are online
    /// without gaps: where it ends early, an event may be archived or missing.
    pub async fn read_stream(
        &self,
        org: OrgId,
        stream: Stream,
        after: StreamVersion,
        limit: u16,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        self.ask(async |c| read::stream(c, org, stream, after, limit).await)
            .await
    }

    /// The answer that is remembered under an org's `Idempotency-Key`.
    pub async fn idempotent_answer(
        &self,
        org: OrgId,
        key: &str,
    ) -> Result<Option<StoredAnswer>, ReadError> {
        self.ask(async |c| idempotency::find(c, org, key, self.clock.now()).await)
            .await
    }

    /// Puts the finished answer in place of what an append recorded for it, for answers that tell
    /// where and when the events stand.
    pub async fn finish_answer(
        &self,
        org: OrgId,
        key: &str,
        status: u16,
        answer: &[u8],
    ) -> Result<(), ReadError> {
        self.ask(async |c| idempotency::finish(c, org, key, status, answer).await)
            .await
    }

    /// The newest snapshot of an org in this format, if there is one that unpacks.
    pub async fn load_snapshot(
        &self,
        org: OrgId,
        format: i16,
    ) -> Result<Option<Snapshot>, ReadError> {
        self.ask(async |c| snapshots::load(c, org, format).await)
            .await
    }

    /// Keeps a snapshot of an org, unless a newer one of this format is kept.
    pub async fn store_snapshot(
        &self,
        org: OrgId,
        format: i16,
        snapshot: Snapshot,
    ) -> Result<(), ReadError> {
        self.ask(async |c| snapshots::store(c, org, format, snapshot).await)
            .await
    }

    /// Those of the keys under which the log holds a reading.
    pub async fn known_readings(
        &self,
        org: OrgId,
        keys: &[ReadingKey],
    ) -> Result<Vec<KnownReading>, ReadError> {
        self.ask(async |c| readings::known(c, org, keys).await)
            .await
    }

    /// By subject the newest known value of every field of this kind of reading
    /// ([`Reading::kind_number`]), as one reading dated by the newest, even if that carries none; nothing
    /// of a subject whose newest reading is not there.
    pub async fn latest_readings(
        &self,
        org: OrgId,
        kind: i16,
        subjects: &[Uuid],
    ) -> Result<HashMap<Uuid, Reading>, ReadError> {
        self.ask(async |c| readings::latest(c, org, kind, subjects).await)
            .await
    }

    /// The keys of these subjects' personal data; who has none and was not erased gets one,
    /// committed before this returns.
    pub async fn subject_keys(
        &self,
        org: OrgId,
        subjects: &[Uuid],
    ) -> Result<FoundKeys, ReadError> {
        self.ask(async |c| subject_keys::find_or_make(c, &self.entropy, org, subjects).await)
            .await
    }

    /// The keys of those subjects that have one: who was erased has none.
    pub async fn find_subject_keys(
        &self,
        org: OrgId,
        subjects: &[Uuid],
    ) -> Result<Vec<(Uuid, SubjectKey)>, ReadError> {
        self.ask(async |c| Ok(subject_keys::find(c, org, subjects).await?.keys))
            .await
    }

    /// Those of these subjects that were erased, and get no key any more.
    pub async fn erased_of(&self, org: OrgId, subjects: &[Uuid]) -> Result<Vec<Uuid>, ReadError> {
        self.ask(async |c| Ok(subject_keys::find(c, org, subjects).await?.erased))
            .await
    }

    /// Destroys the keys of these subjects, for good: what was sealed under them cannot be read any
    /// more, and they never get others. How many keys there were.
    pub async fn erase_subjects(&self, org: OrgId, subjects: &[Uuid]) -> Result<u64, ReadError> {
        self.ask(async |c| subject_keys::erase(c, org, subjects).await)
            .await
    }

    /// Up to `limit` subjects that were erased, in the order of [`Erased`] from after one of them.
    /// An erasure under way may come into the order a moment late.
    pub async fn erased_after(
        &self,
        after: Option<Erased>,
        limit: u16,
    ) -> Result<Vec<Erased>, ReadError> {
        self.ask(async |c| subject_keys::erased_after(c, after, limit).await)
            .await
    }

    /// Forgets the answers kept under `Idempotency-Key` in which a text stands, in one org or in all.
    /// How many there were.
    pub async fn forget_answers(
        &self,
        org: Option<OrgId>,
        holding: &str,
    ) -> Result<u64, ReadError> {
        self.ask(async |c| idempotency::forget(c, org, holding).await)
            .await
    }

    /// The newest position that this process has committed; a hint, for waking up.
    pub fn committed(&self) -> watch::Receiver<GlobalPosition> {
        self.recent.committed()
    }

    /// Asks on a connection of the pool, for at most [`ANSWER`]; that long each it may take until there
    /// is a place, and a connection.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let late = |late| ReadError::Database(io::Error::new(io::ErrorKind::TimedOut, late).into());
        let _place = match &self.places {
            Some(places) => {
                let place = self.clock.timeout(ANSWER, places.acquire());
                Some(place.await.map_err(late)?)
            }
            None => None,
        };
        // Boxed: they are large, and part of everything that waits for them.
        let acquire = self.clock.timeout(ANSWER, Box::pin(self.pool.acquire()));
        let mut lent = Lent {
            connection: acquire.await.map_err(late)??,
            answered: false,
        };
        let asking = Box::pin(question(&mut lent.connection));
        let answer = self.clock.timeout(ANSWER, asking).await.map_err(late)?;
        lent.answered = true;
        answer
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    pub(crate) fn shelf(&self) -> &Arc<Shelf> {
        &self.archives
    }
}

impl Head {
    /// The head of an empty log.
    pub(crate) fn before(epoch: LogEpoch) -> Self {
        Self {
            position: GlobalPosition::ZERO,
            auth_position: GlobalPosition::ZERO,
            recorded_at: Timestamp::from_datetime(chrono::DateTime::UNIX_EPOCH),
            epoch,
        }
    }
}
