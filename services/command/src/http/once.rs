//! Carrying a request out once: `Idempotency-Key` (v1-contract.md 1.4).

use std::collections::HashSet;
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

/// Requests with an `Idempotency-Key` that run in this process. Two in different processes are
/// told apart by their appends: the later one finds the first one's answer.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashSet<(OrgId, String)>>>);

/// A request that the caller named; the name is in use while this lives.
pub(super) struct Named {
    running: Running,
    org: OrgId,
    key: String,
    route: String,
    fingerprint: Fingerprint,
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
    /// None: the first request of this name still runs.
    fn enter(&self, asked: &Asked, key: &str, fingerprint: Fingerprint) -> Option<Named> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert((asked.org, key.to_owned())).then(|| Named {
            running: self.clone(),
            org: asked.org,
            key: key.to_owned(),
            route: asked.route.clone(),
            fingerprint,
        })
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let keys = self.running.0.lock();
        let name = (self.org, std::mem::take(&mut self.key));
        keys.unwrap_or_else(PoisonError::into_inner).remove(&name);
    }
}

/// The request by the caller's name for it, if it has one; 409 while another of that name runs.
pub(super) fn enter(
    app: &App,
    asked: &Asked,
    fingerprint: Fingerprint,
) -> Result<Option<Named>, ApiError> {
    let Some(key) = &asked.idempotency_key else {
        return Ok(None);
    };
    let named = app.running().enter(asked, key.as_str(), fingerprint);
    named
        .map(Some)
        .ok_or_else(ApiError::idempotency_in_progress)
}

impl Named {
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
        if record.route != self.route {
            return Err(ApiError::idempotency_key_reused());
        }
        if record.fingerprint != self.fingerprint {
            return Err(ApiError::idempotency_mismatch());
        }
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
            key: self.key.clone(),
            route: self.route.clone(),
            fingerprint: self.fingerprint,
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
            Outcome::Changed => KeptOutcome::Changed,
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
