//! `POST /invitations/{id}/accept` and `POST /invitations/{id}/decline` (v1-contract.md 8.3): what a
//! person who has an account answers, whatever org they are signed in to.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{NoFields, OptionalJson};
use api::input::path::PathId;
use api::v1::{Invitation, InvitationAccepted};
use axum::extract::State;
use domain::ids::InvitationId;
use domain::org::{Command, InvitationCommand};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};
use crate::http::people::not_invited;

/// Lets the invited person join; it counts at once.
#[utoipa::path(
    post,
    path = "/invitations/{id}/accept",
    operation_id = "accept_invitation",
    request_body = Option<api::v1::request::NoFields>,
    responses(
        (status = 200, description = "The org that the person belongs to now", body = api::openapi::Answer<InvitationAccepted>),
    )
)]
pub(in crate::http) async fn accept(
    State(app): State<App>,
    Call(asked): Call,
    PathId(invitation_id): PathId<InvitationId>,
    body: OptionalJson<NoFields>,
) -> Result<Success, ApiError> {
    let (_, user_id) = asked.session()?;
    let org_id = app.people().org_of_invitation(invitation_id, user_id).await;
    let org_id = org_id.map_err(|error| not_invited(error, app.jitter()))?;
    let command = Command::Invitation(InvitationCommand::Accept {
        invitation_id,
        user_id,
        session: None,
    });
    let show = async move |done: Done| {
        let role = done.invitation(invitation_id).await?.role;
        Answer::ok(&InvitationAccepted { org_id, role })
    };
    carry::once_in(app, asked, org_id, body.fingerprint, command, show).await
}

/// Says that the invited person does not want to join.
#[utoipa::path(
    post,
    path = "/invitations/{id}/decline",
    operation_id = "decline_invitation",
    request_body = Option<api::v1::request::NoFields>,
    responses((status = 200, description = "The invitation", body = api::openapi::Answer<Invitation>))
)]
pub(in crate::http) async fn decline(
    State(app): State<App>,
    Call(asked): Call,
    PathId(invitation_id): PathId<InvitationId>,
    body: OptionalJson<NoFields>,
) -> Result<Success, ApiError> {
    let (_, user_id) = asked.session()?;
    let org_id = app.people().org_of_invitation(invitation_id, user_id).await;
    let org_id = org_id.map_err(|error| not_invited(error, app.jitter()))?;
    let command = Command::Invitation(InvitationCommand::Decline {
        invitation_id,
        user_id,
    });
    let show = async move |done: Done| Answer::ok(&done.invitation(invitation_id).await?);
    carry::once_in(app, asked, org_id, body.fingerprint, command, show).await
}
