//! Observations: lines become discoveries and readings, appended together (v1-contract.md 12).

mod judged;
mod lines;
mod places;
mod sifted;

use std::sync::Arc;

use api::v1::IngestAnswer;
use bytes::Bytes;
use domain::ids::{GlobalPosition, OrgId, ProjectId};
use domain::org::{Caller, Context, Rejection, SubjectKeys};
use domain::time::Timestamp;
use event_log::{AppendError, AppendRequest, Guard, KnownReading};
use runtime::entropy::Entropy;
use tokio::sync::OwnedRwLockReadGuard;

use self::judged::Judged;
use self::lines::Lines;
use self::places::{Place, Visit};
use self::sifted::Sifted;
use super::commander::{Attempts, Commander, Inner};
use super::context::{CommandContext, Remember};
use super::error::CommandError;
use super::orgs::{Folded, Org};
use crate::metrics;

pub use self::lines::Unreadable;
pub(super) use self::places::Places;

/// An ingest that was carried out.
#[derive(Debug)]
pub struct Ingested {
    /// What became of the lines.
    pub answer: IngestAnswer,
    /// The position of its last event, or of the log's head if it made none.
    pub position: GlobalPosition,
}

impl Commander {
    /// Takes lines in; `project` restricts everything to one project.
    ///
    /// Readings are appended whatever the org decides meanwhile, as long as the calling key may
    /// act; lines that discover videos are decisions, and go on the version they were judged at.
    ///
    /// # Errors
    /// As [`execute`](Commander::execute).
    pub async fn ingest(
        &self,
        org: OrgId,
        project: Option<ProjectId>,
        body: Bytes,
        context: &CommandContext,
        remember: Option<&Remember<IngestAnswer>>,
    ) -> Result<Ingested, CommandError> {
        let inner = self.inner();
        let now = inner.now();
        let visit = inner.places.enter(body.len())?;
        let read = inner.compute(&visit, false, move || lines::read(&body, now));
        let request = Request {
            project,
            lines: Arc::new(read.await??),
            visit,
        };
        let mut draws = Draws::new(now, inner.entropy.clone());
        let org = inner.org(org);
        // Another process may have added or removed what the lines name.
        inner.catch_up(&org).await?;
        let mut keys = Arc::new(SubjectKeys::default());
        let mut attempts = Attempts::default();
        let mut turn = None;
        loop {
            let judged = inner
                .judge(&org, &request, turn.is_some(), context.caller, &keys, draws)
                .await?;
            draws = judged.1;
            let judged = match judged.0 {
                Err(Rejection::SubjectKeysNeeded(subjects)) => {
                    let keys =
                        Arc::get_mut(&mut keys).ok_or(CommandError::Died("judging lines"))?;
                    inner.add_keys(&org, &subjects, keys).await?;
                    continue;
                }
                Err(rejection) => return Err(inner.rejected(rejection, remember).await),
                Ok(judged) => judged,
            };
            if !judged.discoveries.is_empty() && turn.is_none() {
                turn = Some(inner.turn(&org).await?);
                // Who had the turn before may have decided what makes these lines other ones.
                if org.state.read().await.state.events != judged.version.get() {
                    continue;
                }
            }
            let has_turn = turn.is_some();
            let taken = inner.take_in(&org, judged, &request, has_turn, context, remember);
            match taken.await {
                Err(CommandError::Conflict) => {
                    attempts.conflict()?;
                    inner.catch_up(&org).await?;
                }
                taken => {
                    if let Ok(ingested) = &taken {
                        metrics::count_lines(&ingested.answer);
                    }
                    return taken;
                }
            }
        }
    }
}

/// One request, as long as it is under way.
struct Request<'a> {
    project: Option<ProjectId>,
    lines: Arc<Lines>,
    visit: Visit<'a>,
}

/// Time and chance of one request. Judged again, the same lines discover videos of the same ids:
/// the keys of comments under them, which were asked for the first time, fit the second time.
struct Draws {
    now: Timestamp,
    entropy: Entropy,
    drawn: Vec<[u8; 10]>,
    used: usize,
}

impl Draws {
    const fn new(now: Timestamp, entropy: Entropy) -> Self {
        Self {
            now,
            entropy,
            drawn: Vec::new(),
            used: 0,
        }
    }

    const fn begin(&mut self) {
        self.used = 0;
    }

    fn next(&mut self) -> [u8; 10] {
        if self.used == self.drawn.len() {
            self.drawn.push(self.entropy.bytes());
        }
        self.used += 1;
        self.drawn[self.used - 1]
    }
}

impl Inner {
    async fn judge(
        &self,
        org: &Org,
        request: &Request<'_>,
        has_turn: bool,
        caller: Caller,
        keys: &Arc<SubjectKeys>,
        mut draws: Draws,
    ) -> Result<(Result<Judged, Rejection>, Draws), CommandError> {
        let place = self.places.place(&request.visit, has_turn).await?;
        // Only with the place: whoever waits for one must not keep the org's state from being
        // folded, or a revocation would wait for the ingests before it.
        let folded: OwnedRwLockReadGuard<Folded> = Arc::clone(&org.state).read_owned().await;
        let (project, lines) = (request.project, Arc::clone(&request.lines));
        let keys = Arc::clone(keys);
        compute_in(place, move || {
            let context = Context {
                now: draws.now,
                caller,
                subject_keys: &keys,
            };
            draws.begin();
            let mut random = || draws.next();
            let judged = Judged::new(&folded.state, project, &lines, &context, &mut random);
            (judged, draws)
        })
        .await
    }

    async fn take_in(
        &self,
        org: &Org,
        judged: Judged,
        request: &Request<'_>,
        has_turn: bool,
        context: &CommandContext,
        remember: Option<&Remember<IngestAnswer>>,
    ) -> Result<Ingested, CommandError> {
        let version = judged.version;
        let known = self.log.known_readings(org.id, &judged.keys()).await;
        let known: Vec<KnownReading> = known.map_err(CommandError::Unread)?;
        let lines = Arc::clone(&request.lines);
        let (log, org_id) = (self.log.clone(), org.id);
        let (context_copy, remember) = (context.clone(), remember.cloned());
        let (answer, decisions, prepared) = self
            .compute(&request.visit, has_turn, move || {
                let sifted = Sifted::new(judged, &lines.numbers, &known);
                let decisions = sifted.events[..sifted.discoveries].to_vec();
                let record = remember.map(|remember| remember.record(&sifted.answer));
                if sifted.events.is_empty() && record.is_none() {
                    return Ok((sifted.answer, decisions, None));
                }
                let request = AppendRequest {
                    org_id,
                    expected: (sifted.discoveries > 0).then_some(version),
                    events: sifted.events,
                    actor: context_copy.caller.actor(),
                    correlation_id: context_copy.correlation_id,
                    idempotency: record,
                    guard: guard(context_copy.caller),
                };
                let prepared = log.prepare(request)?;
                Ok::<_, AppendError>((sifted.answer, decisions, Some(prepared)))
            })
            .await??;
        let Some(prepared) = prepared else {
            let head = self.log.head().await.map_err(CommandError::Unread)?;
            return Ok(Ingested {
                answer,
                position: head.position,
            });
        };
        let appended = self.log.append_prepared(prepared).await?;
        self.fold(org, context.caller, version, &decisions, &appended)
            .await;
        Ok(Ingested {
            answer,
            position: appended.last,
        })
    }

    /// Runs what takes long off the executor, as many at once as there is room for.
    async fn compute<T: Send + 'static>(
        &self,
        visit: &Visit<'_>,
        has_turn: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        compute_in(self.places.place(visit, has_turn).await?, work).await
    }
}

async fn compute_in<T: Send + 'static>(
    _place: Place<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| CommandError::Died("reading lines"))
}

const fn guard(caller: Caller) -> Option<Guard> {
    match caller {
        Caller::Key(id) => Some(Guard::Key(id)),
        Caller::Session { id, .. } => Some(Guard::Session(id)),
        Caller::Operator | Caller::Person { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::ids::OrgId;
    use domain::limits::INGEST_BODY_BYTES;
    use event_log::{EventLog, NotCommitted};
    use futures_util::future::join_all;
    use futures_util::{FutureExt, poll};
    use gate::{Coordinator, CoordinatorConfig, CoordinatorParts, Hold};
    use runtime::clock::Clock;
    use runtime::lifecycle::Lifecycle;
    use sqlx::PgPool;

    use super::*;
    use crate::app::Parts;

    /// A clock that stands still: nobody has waited too long.
    fn still() -> Clock {
        Clock::manual(chrono::DateTime::UNIX_EPOCH).0
    }

    /// With one place. Nothing here asks the database.
    fn commander(lifecycle: &Lifecycle) -> Commander {
        let pool = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap();
        let (clock, entropy) = (lifecycle.handle().clock().clone(), Entropy::os());
        let config = event_log::Config::default();
        let (log, _) = EventLog::new(pool.clone(), clock.clone(), entropy.clone(), config);
        let tasks = lifecycle.handle();
        let parts = Parts {
            log: log.clone(),
            coordinator: Coordinator::start(
                CoordinatorParts {
                    primary: pool,
                    log: log.clone(),
                    nats: None,
                    ledger: None,
                    hold: Arc::new(Hold::new(clock.clone())),
                    clock: clock.clone(),
                },
                CoordinatorConfig::default(),
                &tasks,
            ),
            clock,
            entropy,
            tasks,
            org_cache_bytes: 1 << 20,
            ingest_places: 1,
        };
        Commander::new(parts).0
    }

    #[tokio::test]
    async fn lines_that_wait_for_a_place_keep_no_decision_from_being_folded() {
        let lifecycle = Lifecycle::new(still());
        let commander = commander(&lifecycle);
        let inner = commander.inner();
        let now = inner.now();
        let org = inner.org(OrgId::generate(now, [7; 10]));
        let request = Request {
            project: None,
            lines: Arc::new(lines::read(b"{}", now).unwrap()),
            visit: inner.places.enter(2).unwrap(),
        };
        let keys = Arc::new(SubjectKeys::default());
        let draws = Draws::new(now, Entropy::os());

        let taken = inner.places.place(&request.visit, false).await.unwrap();
        let judging = inner.judge(&org, &request, false, Caller::Operator, &keys, draws);
        let mut judging = std::pin::pin!(judging);
        assert!(poll!(judging.as_mut()).is_pending());
        assert!(org.state.try_write().is_ok(), "a revocation would wait");

        drop(taken);
        assert!(judging.await.is_ok());
    }

    #[tokio::test]
    async fn bodies_that_wait_for_a_place_are_bounded_and_the_next_is_refused_at_once() {
        let lifecycle = Lifecycle::new(still());
        let commander = commander(&lifecycle);
        let inner = commander.inner();
        let visit = inner.places.enter(0).unwrap();
        let taken = inner.places.place(&visit, false).await.unwrap();
        let org = OrgId::generate(inner.now(), [7; 10]);
        let context = CommandContext::operator("test");
        let body = Bytes::from(vec![b'\n'; INGEST_BODY_BYTES]);
        let ingest = || commander.ingest(org, None, body.clone(), &context, None);

        let mut waiting = std::pin::pin!(join_all((0..7).map(|_| ingest())));
        assert!(poll!(waiting.as_mut()).is_pending());
        let refused = ingest().now_or_never();
        assert!(
            matches!(&refused, Some(Err(CommandError::NotCommitted(cause)))
                if matches!(**cause, NotCommitted::Overloaded)),
            "{refused:?}"
        );

        drop(taken);
        let answers = waiting.await;
        let is_read = |answer| matches!(answer, &Err(CommandError::Unreadable(Unreadable::NoLine)));
        assert!(answers.iter().all(is_read), "{answers:?}");
        // They have left their room.
        assert!(inner.places.enter(INGEST_BODY_BYTES).is_ok());
    }
}
