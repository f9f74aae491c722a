//! Carrying a request out once: `Idempotency-Key` (v1-contract.md 1.4).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::Fingerprint;
use api::v1::{ApiKeyRotated, BulkAnswer};
use domain::ids::{GlobalPosition, OrgId};
use domain::org::{ItemOutcome, Outcome};
use event_log::StoredAnswer;
use http::StatusCode;
use runtime::telemetry::chain;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::App;
use super::answer::{Answer, unanswered};
use super::call::Asked;
use super::error::refusal;
use super::show;
use crate::app::{CommandError, Remember};

/// Requests with an `Idempotency-Key` that run in this process, by org and key, and what each of
/// them asks for. Two in different processes are told apart by their appends: the later one finds
/// the first one's answer.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<(OrgId, String), Request>>>);

/// What tells requests of one name apart.
#[derive(Clone, PartialEq, Eq)]
struct Request {
    route: String,
    fingerprint: Fingerprint,
}

/// A request and the caller's name for it.
pub(super) struct Name {
    org: OrgId,
    key: String,
    request: Request,
}

/// A request that has its name for itself: no other of that name runs here while this lives.
pub(super) struct Named {
    running: Running,
    name: Name,
}

/// What a request may do under its name.
pub(super) enum Entered {
    /// It has none.
    Unnamed,
    /// It runs, unless something is kept under its name.
    Named(Named),
    /// It is answered already, and another replay is under way.
    Answered(Answer, Box<StoredAnswer>),
}

/// What is kept under a key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    /// What the command came to. It stands in for the answer from the append on, which does not
    /// know yet where and when its events will stand, until the answer is there; and for ever if
    /// the process dies in between.
    Outcome(KeptOutcome),
    /// The answer, without its secret.
    Answer(Answer),
}

/// [`Outcome`] as it is stored; stable.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeptOutcome {
    Unchanged,
    Changed,
    Created(Uuid),
    Reactivated(Uuid),
}

/// What an earlier request with the same name and content left.
pub(super) enum Replay {
    /// Its answer.
    Answer(Answer, Box<StoredAnswer>),
    /// What it came to: the process died before the answer was kept.
    Outcome(Outcome, Box<StoredAnswer>),
}

impl Running {
    /// Takes the name; if another request of that name runs, says which.
    fn enter(&self, name: &Name) -> Result<(), Request> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.entry((name.org, name.key.clone())) {
            Entry::Occupied(other) => Err(other.get().clone()),
            Entry::Vacant(free) => {
                free.insert(name.request.clone());
                Ok(())
            }
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let all = self.running.0.lock();
        let name = (self.name.org, std::mem::take(&mut self.name.key));
        all.unwrap_or_else(PoisonError::into_inner).remove(&name);
    }
}

impl Deref for Named {
    type Target = Name;

    fn deref(&self) -> &Name {
        &self.name
    }
}

/// Takes the caller's name for a request. While another of that name runs: 409, or 422.
pub(super) async fn enter(
    app: &App,
    asked: &Asked,
    fingerprint: Fingerprint,
) -> Result<Entered, ApiError> {
    let Some(key) = &asked.idempotency_key else {
        return Ok(Entered::Unnamed);
    };
    let name = Name {
        org: asked.org,
        key: key.as_str().to_owned(),
        request: Request {
            route: asked.route.clone(),
            fingerprint,
        },
    };
    let running = app.running();
    match running.enter(&name) {
        Ok(()) => Ok(Entered::Named(Named {
            running: running.clone(),
            name,
        })),
        Err(other) => name.beside(app, &other).await,
    }
}

impl Request {
    /// 409 or 422 for a request that comes under the name of this one and is another.
    fn check(&self, other: &Self) -> Result<(), ApiError> {
        if self.route != other.route {
            Err(ApiError::idempotency_key_reused())
        } else if self.fingerprint != other.fingerprint {
            Err(ApiError::idempotency_mismatch())
        } else {
            Ok(())
        }
    }
}

impl Name {
    /// What is left to do while another request of this name runs: that may be a replay as well.
    async fn beside(&self, app: &App, other: &Request) -> Result<Entered, ApiError> {
        match self.earlier(app).await? {
            Some(Replay::Answer(answer, stored)) => Ok(Entered::Answered(answer, stored)),
            // The other one is about to put the answer in its place.
            Some(Replay::Outcome(..)) => Err(ApiError::idempotency_in_progress()),
            None => {
                other.check(&self.request)?;
                Err(ApiError::idempotency_in_progress())
            }
        }
    }

    /// What an earlier request of this name left; 409 or 422 if it was another request.
    pub(super) async fn earlier(&self, app: &App) -> Result<Option<Replay>, ApiError> {
        let stored = app.commander().log().idempotent_answer(self.org, &self.key);
        let stored = stored.await.map_err(CommandError::Unread);
        let stored = stored.map_err(|error| refusal(error, app.jitter()))?;
        stored.map(|stored| self.open(Box::new(stored))).transpose()
    }

    /// The same of an answer that an append met.
    pub(super) fn open(&self, stored: Box<StoredAnswer>) -> Result<Replay, ApiError> {
        let record = &stored.record;
        let first = Request {
            route: record.route.clone(),
            fingerprint: record.fingerprint,
        };
        first.check(&self.request)?;
        let status = StatusCode::from_u16(record.status).map_err(ApiError::internal)?;
        match serde_json::from_slice(&record.answer).map_err(ApiError::internal)? {
            Kept::Outcome(outcome) => Ok(Replay::Outcome(outcome.into(), stored)),
            Kept::Answer(answer) => Ok(Replay::Answer(answer.with_status(status), stored)),
        }
    }

    /// What an append is to keep.
    pub(super) fn remember<T>(
        &self,
        keep: impl Fn(&T) -> Result<Kept, CommandError> + Send + Sync + 'static,
    ) -> Remember<T> {
        Remember {
            org_id: self.org,
            key: self.key.clone(),
            route: self.request.route.clone(),
            fingerprint: self.request.fingerprint,
            // What does not serialise is an error again when it is asked for.
            answer: Arc::new(move |outcome| {
                keep(outcome).map_or((200, Vec::new()), |kept| kept.write())
            }),
        }
    }

    /// Puts the answer in place of what stood in for it. If that fails a replay makes it again.
    pub(super) async fn keep(&self, app: &App, answer: Answer) -> Answer {
        let kept = Kept::Answer(answer);
        let (status, bytes) = kept.write();
        let log = app.commander().log();
        if let Err(error) = log.finish_answer(self.org, &self.key, status, &bytes).await {
            tracing::warn!(error = %chain(&error), "an answer was not kept for replays");
        }
        match kept {
            Kept::Answer(answer) => answer,
            Kept::Outcome(_) => unreachable!("made of an answer three lines above"),
        }
    }
}

impl Kept {
    /// What stands for a command's answer in its append.
    pub(super) fn of(outcome: &Outcome) -> Result<Self, CommandError> {
        Ok(Self::Outcome(match outcome {
            Outcome::Unchanged => KeptOutcome::Unchanged,
            Outcome::Changed | Outcome::ItemRemoved { .. } => KeptOutcome::Changed,
            Outcome::Created(id) => KeptOutcome::Created(*id),
            Outcome::Reactivated(id) => KeptOutcome::Reactivated(*id),
            // The answer to a list tells nothing that is not known yet.
            Outcome::Items(items) => return bulk(items).map(Self::Answer),
        }))
    }

    fn write(&self) -> (u16, Vec<u8>) {
        let status = match self {
            Self::Outcome(_) => StatusCode::OK,
            Self::Answer(answer) => answer.status(),
        };
        (
            status.as_u16(),
            serde_json::to_vec(self).unwrap_or_default(),
        )
    }
}

impl From<KeptOutcome> for Outcome {
    fn from(kept: KeptOutcome) -> Self {
        match kept {
            KeptOutcome::Unchanged => Self::Unchanged,
            KeptOutcome::Changed => Self::Changed,
            KeptOutcome::Created(id) => Self::Created(id),
            KeptOutcome::Reactivated(id) => Self::Reactivated(id),
        }
    }
}

/// The answer to a list.
pub(super) fn bulk(items: &[ItemOutcome]) -> Result<Answer, CommandError> {
    let answer: BulkAnswer = items
        .iter()
        .map(|item| (item.id, item.result.clone().map_err(ApiError::from)))
        .collect();
    Answer::ok(&answer)
}

/// An answer that was kept, given again. If it told of a denial, the barrier runs again and the
/// receipt is of this call.
pub(super) async fn again(
    app: &App,
    answer: Answer,
    stored: &StoredAnswer,
) -> Result<Success, ApiError> {
    let position: GlobalPosition = stored.last;
    if !answer.is_denial() {
        return answer.into_success(position, true);
    }
    let denial = app.commander().recall_denial(stored).await;
    let denial = denial.map_err(|error| refusal(error, app.jitter()))?;
    // Of the requests that can be named, a rotation alone ends something.
    let mut data: ApiKeyRotated =
        serde_json::from_str(answer.data().get()).map_err(ApiError::internal)?;
    data.receipt = denial.map(|denial| show::receipt(data.old.id.as_uuid(), &denial));
    let answer = answer.with_data(&data);
    answer
        .map_err(|error| refusal(unanswered(error), app.jitter()))?
        .into_success(position, true)
}
