//! `GET /audit/checkpoint` (v1-contract.md 19.2).

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::Checkpoint;
use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use domain::limits::CHECKPOINT_SECONDS;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// By how much the clock of whoever signed may be off ours: each by as much as `doctor` lets pass.
const CLOCKS_APART_SECONDS: i64 = 2;
/// So old a head may look and be told.
const OLDEST: TimeDelta = TimeDelta::seconds(CHECKPOINT_SECONDS + CLOCKS_APART_SECONDS);

/// Gets the newest signed head of the log.
///
/// It covers the events of all orgs by their hashes alone. Whoever keeps what this answered can have it
/// proven later that nothing before was changed (`/audit/proof` with `from_size` and `to_size`).
#[utoipa::path(
    get,
    path = "/audit/checkpoint",
    operation_id = "get_checkpoint",
    responses((status = 200, description = "The head", body = openapi::Answer<Checkpoint>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, Newest).await
}

struct Newest;

impl Question for Newest {
    /// It is signed anew without any event.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let app = snapshot.app;
        let newest = app.newest_checkpoint().await?;
        let age = app.clock.now() - newest.signed_at.datetime();
        if age > OLDEST {
            return Err(ApiError::not_signed(app.jitter()));
        }
        // The row stands beside its note; what is told is what was signed.
        let signed = newest.open(&[]).map_err(ApiError::internal)?;
        let wire = Checkpoint {
            origin: signed.origin.to_string(),
            tree_size: signed.size.get(),
            root_hash: signed.root.to_string(),
            signed_at: signed.at,
            key_name: signed.origin.to_string(),
            public_key: newest.public_key,
            note: newest.note,
        };
        Ok(Answer::lasting(Rendered::json(&wire, &Meta::none())?))
    }
}
