//! `DELETE /invitations/{id}` (v1-contract.md 8.3).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Invitation;
use axum::extract::State;
use domain::ids::InvitationId;
use domain::org::{Command, InvitationCommand};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};

/// Takes an invitation back.
#[utoipa::path(
    delete,
    path = "/invitations/{id}",
    operation_id = "revoke_invitation",
    responses((status = 200, description = "The invitation", body = api::openapi::Answer<Invitation>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(invitation_id): PathId<InvitationId>,
) -> Result<Success, ApiError> {
    let command = Command::Invitation(InvitationCommand::Revoke { invitation_id });
    let show = async move |done: Done| Answer::ok(&done.invitation(invitation_id).await?);
    carry::each_time(app, asked.org, asked.context(), command, show).await
}
