//! `GET /limits` (v1-contract.md 6).

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::LimitsAnswer;
use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use domain::plan::{self, LimitKey, LimitUnit};
use read_model::LimitCounts;
use read_model::analytics::next_day_start;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;
use crate::routes::FIGURES_LATE;

/// Lists every limit of the org, and how far it is used.
#[utoipa::path(
    get,
    path = "/limits",
    operation_id = "list_limits",
    responses((status = 200, description = "The limits", body = openapi::Answer<LimitsAnswer>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, Limits).await
}

struct Limits;

impl Question for Limits {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let (app, now, org) = (snapshot.app, snapshot.now, snapshot.org().await?);
        let counts = snapshot.reader.limit_counts(now).await;
        let counts = counts.map_err(|error| snapshot.read_error(error))?;
        let requests = gate::used_by_org(&app.primary, org.id, now.date()).await;
        let requests = requests.map_err(|error| app.unavailable().because(error))?;
        let midnight = next_day_start(Tz::UTC, now);
        let wire = LimitsAnswer::new(&org.profile.limits, midnight, |key| {
            current(key, &org.profile.limits, &counts, requests)
        });
        let valid_until = midnight.min(now.plus(FIGURES_LATE));
        let meta = Meta::none().valid_until(Some(valid_until));
        Ok(Answer::lasting(Rendered::json(&wire, &meta)?))
    }
}

/// How far a limit is used; of a floor between updates, the hours that are kept to: nothing else
/// can be configured yet. What v1 does not make yet is counted as none.
fn current(
    key: LimitKey,
    limits: &plan::Limits,
    counts: &LimitCounts,
    requests: u64,
) -> Option<u64> {
    match (key, key.unit()) {
        (LimitKey::MaxApiRequestsPerDay, _) => Some(requests),
        (_, LimitUnit::Count | LimitUnit::PerDay) => Some(counts.current(key).unwrap_or(0)),
        (_, LimitUnit::Hours) => limits.max(key),
        (_, LimitUnit::PerMinute | LimitUnit::Days) => None,
    }
}
