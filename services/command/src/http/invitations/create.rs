//! `POST /invitations` (v1-contract.md 8.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::v1::InvitationCreated;
use axum::extract::State;
use domain::email::Email;
use domain::event::Role;
use domain::ids::InvitationId;
use domain::org::{Command, InvitationCommand};

use super::role;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};
use crate::http::people::refusal;

/// Whom to invite.
#[derive(Debug)]
pub(in crate::http) struct CreateInvitation {
    email: Email,
    role: Role,
}

impl FromBody for CreateInvitation {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let email = fields.required("email", |it| it.parse(Email::parse));
        let role = fields.optional("role", role);
        Ok(Self {
            email: email?,
            role: role?.unwrap_or(Role::Member),
        })
    }
}

/// Invites a person by their address. Its link is told this once; who has an account also finds the
/// invitation when signed in.
#[utoipa::path(
    post,
    path = "/invitations",
    operation_id = "create_invitation",
    request_body = api::v1::request::CreateInvitation,
    responses(
        (status = 201, description = "The invitation, with its link", body = api::openapi::Answer<InvitationCreated>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    body: StrictJson<CreateInvitation>,
) -> Result<Success, ApiError> {
    let CreateInvitation { email, role } = body.value;
    let invited = app.people().invite(asked.org, &email, role).await;
    let invited = invited.map_err(|error| refusal(error, app.jitter()))?;
    let (new, token) = (invited.new, invited.token);
    let command = Command::Invitation(InvitationCommand::Create(new));
    let accept_url = app.accept_url(&token);
    let people = app.people().clone();
    let is_made = Arc::new(AtomicBool::new(false));
    let made_it = Arc::clone(&is_made);
    let show = async move |done: Done| {
        made_it.store(!done.is_replay, Ordering::Relaxed);
        let made = done
            .created()
            .map_or(new.invitation_id, InvitationId::from_uuid);
        let object = done.invitation(made).await?;
        let told = InvitationCreated {
            object,
            accept_url: Some(accept_url),
        };
        let kept = InvitationCreated {
            accept_url: None,
            ..told.clone()
        };
        let answer = Answer::created(&kept, "invitations", made.as_uuid())?;
        if done.is_replay {
            return Ok(answer);
        }
        answer.telling(&told)
    };
    let created = carry::once(app, asked, body.fingerprint, command, show).await;
    // Of a refusal or a replay nothing is kept; what may have been made is.
    let is_settled = created
        .as_ref()
        .map_or_else(|e| e.code().has_no_side_effects(), |_| true);
    if is_settled && !is_made.load(Ordering::Relaxed) {
        people.forget_invitation(new.invitation_id).await;
    }
    created
}
