//! `GET /api-keys/self`.

use api::envelope::{Meta, Rendered};
use api::error::{ApiError, Caller};
use api::header::QueryHeaders;
use api::input::query::{NoParams, StrictQuery};
use api::openapi;
use api::v1::{ApiKeySelf, OrgOfKey};
use axum::extract::State;
use axum::response::Response;
use domain::ids::KeyId;
use gate::Principal;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Gets the calling key and its org.
#[utoipa::path(
    get,
    path = "/api-keys/self",
    operation_id = "get_own_api_key",
    responses((status = 200, description = "The calling key", body = openapi::Answer<ApiKeySelf>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    _: StrictQuery<NoParams>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let Principal::Key { id, .. } = *call.principal() else {
        return Err(ApiError::forbidden(Caller::Key));
    };
    app.answer(&call, &asked, OwnKey(id)).await
}

struct OwnKey(KeyId);

impl Question for OwnKey {
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let found = [snapshot.caller(self.0).await?];
        let org = snapshot.org().await?;
        let shown = snapshot.shown(&found).await?;
        let own = ApiKeySelf {
            object: shown.wire(&found[0]),
            org: OrgOfKey {
                id: org.id,
                name: org.profile.name.as_str().to_owned(),
                plan: org.profile.limits.plan,
                timezone: org.profile.timezone,
            },
        };
        let meta = shown.meta(&found, Meta::none());
        Ok(Answer::lasting(Rendered::json(&own, &meta)?))
    }
}
