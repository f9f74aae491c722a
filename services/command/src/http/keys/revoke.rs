//! `DELETE /api-keys/{id}` and `DELETE /api-keys/self` (v1-contract.md 7.2).

use api::envelope::Success;
use api::error::{ApiError, Caller};
use api::input::path::PathId;
use api::v1::Receipt;
use axum::extract::State;
use domain::ids::KeyId;
use domain::org::Command;

use crate::app::CommandContext;
use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::{Asked, Call};
use crate::http::carry;

/// Ends a key, and answers once no replica accepts it any more. May be repeated: the answer comes
/// again, just as safe.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    operation_id = "revoke_api_key",
    responses(
        (status = 200, description = "In force everywhere", body = api::openapi::Answer<Receipt>),
        (status = 202, description = "Recorded; in force everywhere within moments", body = api::openapi::Answer<Receipt>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(key_id): PathId<KeyId>,
) -> Result<Success, ApiError> {
    revoke(app, asked, key_id).await
}

/// Ends the calling key, whatever its scopes.
#[utoipa::path(
    delete,
    path = "/api-keys/self",
    operation_id = "revoke_own_api_key",
    responses(
        (status = 200, description = "In force everywhere", body = api::openapi::Answer<Receipt>),
        (status = 202, description = "Recorded; in force everywhere within moments", body = api::openapi::Answer<Receipt>),
    )
)]
pub(in crate::http) async fn handle_self(
    State(app): State<App>,
    Call(asked): Call,
) -> Result<Success, ApiError> {
    let key_id = asked.key_id();
    let key_id = key_id.ok_or_else(|| ApiError::forbidden(Caller::Key))?;
    revoke(app, asked, key_id).await
}

async fn revoke(app: App, asked: Asked, key_id: KeyId) -> Result<Success, ApiError> {
    let context = CommandContext {
        wait: !asked.respond_async,
        ..asked.context()
    };
    let waits = context.wait;
    let command = Command::RevokeKey { key_id };
    carry::each_time(app, asked.org, context, command, async move |done| {
        let receipt = done.receipt(key_id.as_uuid());
        let receipt = receipt.ok_or_else(|| unanswered("a revocation without its denial"))?;
        if waits {
            Answer::ok(&receipt)
        } else {
            Answer::accepted(&receipt)
        }
    })
    .await
}
