//! What every endpoint shares, and how a question becomes an answer: from the cache, or from one
//! snapshot of the projection.

use std::sync::Arc;
use std::time::Duration;

use api::cursor::Cursors;
use api::envelope::Rendered;
use api::error::{ApiError, Jitter};
use api::header::QueryHeaders;
use axum::response::Response;
use domain::ids::{
    CampaignId, CreatorId, GlobalPosition, KeyId, OrgId, ProjectId, SessionId, VideoId,
};
use domain::time::Timestamp;
use event_log::EventLog;
use gate::Gate;
use read_model::{
    ApiKey, Org, OrgReader, Positions, ReadError, ReadModel, STATEMENT_WITHIN, Session,
};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use runtime::places::Places;
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cache::{Boarding, Entry, Flight, Mark, ResponseCache, Topics};
use crate::call::Call;
use crate::http::Packed;
use crate::hub::Hub;
use crate::metrics::{CacheMetrics, HttpMetrics, POSITION_WAITS};

/// How long a request waits for its position.
const POSITION_WAIT: Duration = Duration::from_secs(2);

/// How long the projection may take over an answer; a statement of it a little less.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const _: () = assert!(STATEMENT_WITHIN.as_millis() < ANSWER_WITHIN.as_millis());

/// How many at once wait for the projection in the middle of a computation, a connection in hand.
pub const MEETINGS: usize = 4;

/// What every endpoint shares; the router's state.
pub type Shared = Arc<App>;

/// See [`Shared`].
pub struct App {
    /// The projection.
    pub reads: ReadModel,
    /// How far it has come.
    pub positions: Positions,
    /// Answers kept.
    pub cache: Arc<ResponseCache>,
    /// Where the use of keys is counted.
    pub primary: PgPool,
    /// Places of those who wait in the middle of a computation.
    pub meetings: Semaphore,
    /// Places in lists.
    pub cursors: Cursors,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
    /// The log, for what is asked of it itself.
    pub log: EventLog,
    /// Who may call, for answers that go on.
    pub gate: Gate,
    /// Where open streams hear of events.
    pub hub: Arc<Hub>,
    /// Places of open streams.
    pub streams: Arc<Places<OrgId>>,
    /// Places of exports.
    pub exports: Arc<Places<OrgId>>,
    /// Tasks that read ahead, and what ends answers that go on.
    pub tasks: Tasks,
    /// What is counted of requests.
    pub http: HttpMetrics,
    /// What is counted of the cache.
    pub lookups: CacheMetrics,
}

/// What an endpoint asks of the projection.
pub trait Question: Send {
    /// What the answer rests on; `None` for one that holds figures which move without an event,
    /// and is not kept.
    const RESTS_ON: Option<Topics>;

    /// Answers from one snapshot.
    fn answer(
        self,
        snapshot: &mut Snapshot<'_>,
    ) -> impl Future<Output = Result<Answer, ApiError>> + Send;
}

/// One org at one position of the log, and one instant.
pub struct Snapshot<'a> {
    /// The rows.
    pub reader: OrgReader,
    /// The instant that the answer is of.
    pub now: Timestamp,
    /// Who asks for what.
    pub call: &'a Call,
    /// What every endpoint shares.
    pub app: &'a App,
}

/// An answer and how long it is one.
pub struct Answer {
    /// The bytes.
    pub rendered: Rendered,
    /// When it can next change by time alone.
    pub valid_until: Option<Timestamp>,
}

impl Answer {
    /// Until an event changes it.
    pub const fn lasting(rendered: Rendered) -> Self {
        Self {
            rendered,
            valid_until: None,
        }
    }
}

impl App {
    /// Answers a question at the position that the caller asks for, or later.
    pub async fn answer<Q: Question>(
        &self,
        call: &Call,
        asked: &QueryHeaders,
        question: Q,
    ) -> Result<Response, ApiError> {
        self.wait_for(asked.min_position).await?;
        let Some(topics) = Q::RESTS_ON else {
            let (answer, position) = self.compute(call, asked.min_position, question).await?;
            return Ok(answer.rendered.respond(position, asked));
        };
        let (org, target) = (call.org(), call.target());
        let (_landing, place) = match self.cache.flights().board(org, target) {
            Boarding::Leads(landing) => (Some(landing), None),
            Boarding::Joins(flight) => (None, Some(self.join(flight).await?)),
        };
        if place.is_some()
            && let Some(kept) = self.kept(call, asked.min_position)
        {
            self.lookups.joined.increment(1);
            return Ok(kept.answer.respond(kept.position, asked));
        }
        self.lookups.miss.increment(1);
        // Before the snapshot is taken: what happens from now on makes the answer old.
        let mark = self.cache.freshness().mark(org);
        let (answer, position) = self.compute(call, asked.min_position, question).await?;
        let response = answer.rendered.respond(position, asked);
        self.keep(call, topics, mark, answer, position);
        Ok(response)
    }

    /// The kept answer, if it is still one and of this position or later.
    pub fn kept(&self, call: &Call, min_position: GlobalPosition) -> Option<Arc<Entry>> {
        let entry = self.cache.get(call.org(), call.target(), || self.now())?;
        (entry.position >= min_position).then_some(entry)
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }

    /// 503: the projection does not answer now.
    pub fn unavailable(&self) -> ApiError {
        ApiError::projection_unavailable(self.jitter())
    }

    /// Randomness of a `Retry-After`.
    pub fn jitter(&self) -> Jitter {
        let [byte] = self.entropy.bytes();
        Jitter::from_random(byte)
    }

    /// Maps what the projection says.
    pub fn read_error(&self, error: ReadError) -> ApiError {
        match error {
            ReadError::NotBuilt | ReadError::Database(_) => self.unavailable().because(error),
            ReadError::Corrupt(_) => ApiError::internal(error),
        }
    }

    /// Waits for the one who computes, then for a place among those whom that left without an answer.
    async fn join(&self, flight: Flight) -> Result<OwnedSemaphorePermit, ApiError> {
        let joined = async {
            flight.done.cancelled().await;
            flight.crowd.acquire_owned().await
        };
        match self.clock.timeout(ANSWER_WITHIN, joined).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(closed)) => Err(self.unavailable().because(closed)),
            Err(late) => Err(self.unavailable().because(late)),
        }
    }

    /// Waits until the projection has the position that the caller asks for.
    pub async fn wait_for(&self, position: GlobalPosition) -> Result<(), ApiError> {
        if position == GlobalPosition::ZERO {
            return Ok(());
        }
        let waited = self
            .positions
            .wait_for(position, &self.clock, POSITION_WAIT)
            .await;
        let outcome = if waited.is_ok() { "reached" } else { "late" };
        metrics::counter!(POSITION_WAITS, "outcome" => outcome).increment(1);
        match waited {
            Ok(_) => Ok(()),
            Err(too_far) => Err(self.unavailable().because(too_far)),
        }
    }

    /// One snapshot of the caller's org.
    pub async fn open(&self, call: &Call) -> Result<OrgReader, ApiError> {
        let reader = self.reads.org(call.org()).await;
        reader.map_err(|error| self.read_error(error))
    }

    async fn compute<Q: Question>(
        &self,
        call: &Call,
        min_position: GlobalPosition,
        question: Q,
    ) -> Result<(Answer, GlobalPosition), ApiError> {
        // Read before the snapshot is taken, so the answer is never of an instant after its rows.
        let now = self.now();
        let reader = self.open(call).await?;
        if reader.position() < min_position {
            // The projection was begun anew meanwhile.
            return Err(self.unavailable());
        }
        let mut snapshot = Snapshot {
            reader,
            now,
            call,
            app: self,
        };
        let answered = question.answer(&mut snapshot);
        let answered = self.clock.timeout(ANSWER_WITHIN, answered).await;
        let position = snapshot.reader.position();
        self.cache.freshness().show(position);
        match answered {
            Ok(Ok(answer)) => Ok((answer, position)),
            Ok(Err(error)) => Err(error.at(position)),
            Err(late) => Err(self.unavailable().because(late)),
        }
    }

    fn keep(
        &self,
        call: &Call,
        topics: Topics,
        mark: Arc<Mark>,
        answer: Answer,
        position: GlobalPosition,
    ) {
        // What everybody may ask for without a scope is answered anew: it is about the caller.
        if call.scope().is_none() {
            return;
        }
        let entry = Entry {
            answer: answer.rendered,
            packed: Packed::default(),
            position,
            valid_until: answer.valid_until,
            route: call.route(),
            topics,
            mark,
            metrics: self.http.of(Some(call.route())).clone(),
        };
        self.cache.insert(call.org(), call.target(), entry);
    }
}

impl Snapshot<'_> {
    /// 404 for a project that is named and not there.
    pub async fn require_project(&mut self, id: Option<ProjectId>) -> Result<(), ApiError> {
        let Some(id) = id else { return Ok(()) };
        match self.reader.project(id).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(ApiError::not_found()),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// 404 for a creator that is named and not there.
    pub async fn require_creator(&mut self, id: Option<CreatorId>) -> Result<(), ApiError> {
        let Some(id) = id else { return Ok(()) };
        match self.reader.creator(id).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(ApiError::not_found()),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// 404 for a video that is not there.
    pub async fn require_video(&mut self, id: VideoId) -> Result<(), ApiError> {
        match self.reader.video(id).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(ApiError::not_found()),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// 404 for a campaign that is not there.
    pub async fn require_campaign(&mut self, id: CampaignId) -> Result<(), ApiError> {
        match self.reader.campaign(id).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(ApiError::not_found()),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// The caller's org.
    pub async fn org(&mut self) -> Result<Org, ApiError> {
        let mut org = self.profile().await?;
        if org.is_none() {
            self.meet_caller().await?;
            org = self.profile().await?;
        }
        org.ok_or_else(|| self.app.unavailable())
    }

    /// The calling key.
    pub async fn caller(&mut self, id: KeyId) -> Result<ApiKey, ApiError> {
        let mut key = self.key(id).await?;
        if key.is_none() {
            self.meet_caller().await?;
            key = self.key(id).await?;
        }
        key.ok_or_else(|| self.app.unavailable())
    }

    /// The calling session. Once it has ended the projection may know it no more.
    pub async fn calling_session(&mut self, id: SessionId) -> Result<Session, ApiError> {
        let mut session = self.session(id).await?;
        if session.is_none() {
            self.meet_caller().await?;
            session = self.session(id).await?;
        }
        session.ok_or_else(|| self.app.unavailable())
    }

    /// Goes on from a newer snapshot, which has what made the caller: the gate hears of new keys
    /// and orgs before the projection does. To be called before anything else was read.
    async fn meet_caller(&mut self) -> Result<(), ApiError> {
        // Who waits here holds a connection.
        let place = self.app.meetings.try_acquire();
        let _place = place.map_err(|_| self.app.unavailable())?;
        self.app.wait_for(self.call.known_at()).await?;
        self.reader = self.app.open(self.call).await?;
        Ok(())
    }

    async fn profile(&mut self) -> Result<Option<Org>, ApiError> {
        let org = self.reader.profile().await;
        org.map_err(|error| self.read_error(error))
    }

    async fn session(&mut self, id: SessionId) -> Result<Option<Session>, ApiError> {
        let session = self.reader.session(id).await;
        session.map_err(|error| self.read_error(error))
    }

    async fn key(&mut self, id: KeyId) -> Result<Option<ApiKey>, ApiError> {
        let key = self.reader.api_key(id).await;
        key.map_err(|error| self.read_error(error))
    }

    /// Maps what the projection says.
    pub fn read_error(&self, error: ReadError) -> ApiError {
        self.app.read_error(error)
    }
}
