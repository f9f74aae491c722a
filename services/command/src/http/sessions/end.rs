//! `DELETE /sessions/{id}` and `DELETE /sessions/self` (v1-contract.md 8.4).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Receipt;
use axum::extract::State;
use domain::ids::SessionId;
use domain::org::{Command, SessionCommand};

use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::{Asked, Call};
use crate::http::carry;

/// Ends a session, and answers once no replica accepts it any more. May be repeated: the answer comes
/// again, just as safe.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    operation_id = "end_session",
    responses((status = 200, description = "In force everywhere", body = api::openapi::Answer<Receipt>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(session_id): PathId<SessionId>,
) -> Result<Success, ApiError> {
    end(app, asked, session_id).await
}

/// Signs the calling person out.
#[utoipa::path(
    delete,
    path = "/sessions/self",
    operation_id = "end_own_session",
    responses((status = 200, description = "In force everywhere", body = api::openapi::Answer<Receipt>))
)]
pub(in crate::http) async fn handle_self(
    State(app): State<App>,
    Call(asked): Call,
) -> Result<Success, ApiError> {
    let (session_id, _) = asked.session()?;
    end(app, asked, session_id).await
}

async fn end(app: App, asked: Asked, session_id: SessionId) -> Result<Success, ApiError> {
    let command = Command::Session(SessionCommand::End { session_id });
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| {
            let receipt = done.receipt(session_id.as_uuid());
            Answer::ok(&receipt.ok_or_else(|| unanswered("an end without its denial"))?)
        },
    )
    .await
}
