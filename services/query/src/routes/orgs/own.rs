//! `GET /orgs/self`.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::Org;
use axum::extract::State;
use axum::response::Response;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets the caller's org.
#[utoipa::path(
    get,
    path = "/orgs/self",
    operation_id = "get_own_org",
    responses((status = 200, description = "The org", body = openapi::Answer<Org>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, OwnOrg).await
}

struct OwnOrg;

impl Question for OwnOrg {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let org = snapshot.org().await?;
        let wire = Org::new(org.id, &org.profile);
        Ok(Answer::lasting(Rendered::json(&wire, &Meta::none())?))
    }
}
