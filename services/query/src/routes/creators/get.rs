//! `GET /creators/{id}`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::path::PathId;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::Creator;
use axum::extract::State;
use axum::response::Response;
use domain::ids::CreatorId;

use super::{RESTS_ON, wire};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets a creator.
#[utoipa::path(
    get,
    path = "/creators/{id}",
    operation_id = "get_creator",
    responses((status = 200, description = "The creator", body = openapi::Answer<Creator>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    PathId(id): PathId<CreatorId>,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, OneCreator(id)).await
}

struct OneCreator(CreatorId);

impl Question for OneCreator {
    const RESTS_ON: Option<Topics> = Some(RESTS_ON);

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = snapshot.reader.creator(self.0).await;
        let found = found.map_err(|error| snapshot.read_error(error))?;
        let found = found.ok_or_else(ApiError::not_found)?;
        Ok(Answer::lasting(Rendered::json(
            &wire(&found),
            &Meta::none(),
        )?))
    }
}
