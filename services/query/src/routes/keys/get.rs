//! `GET /api-keys/{id}`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::path::PathId;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::ApiKey;
use axum::extract::State;
use axum::response::Response;
use domain::ids::KeyId;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets an API key of any status; never its secret.
#[utoipa::path(
    get,
    path = "/api-keys/{id}",
    operation_id = "get_api_key",
    responses((status = 200, description = "The key", body = openapi::Answer<ApiKey>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<KeyId>,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, OneKey(id)).await
}

struct OneKey(KeyId);

impl Question for OneKey {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = snapshot.reader.api_key(self.0).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = [found.ok_or_else(ApiError::not_found)?];
        let shown = snapshot.shown(&found).await?;
        let meta = shown.meta(&found, Meta::none());
        Ok(Answer::lasting(Rendered::json(
            &shown.wire(&found[0]),
            &meta,
        )?))
    }
}
