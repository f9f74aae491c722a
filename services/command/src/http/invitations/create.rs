//! `POST /invitations` (v1-contract.md 8.3).

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
use crate::http::answer::{Answer, unanswered};
use crate::http::call::Call;
use crate::http::carry::{self, Beside, Done};
use crate::http::people::refusal;
use crate::people::Invited;

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
    let org = asked.org;
    let people = app.people().clone();
    let (jitter, public) = (app.jitter(), app.clone());
    let prepare = Box::pin(async move {
        let invited = people.invite(org, &email, role).await;
        let Invited { new, token } = invited.map_err(|error| refusal(error, jitter))?;
        let link = Link {
            of: new.invitation_id,
            accept_url: public.accept_url(&token),
        };
        let command = Command::Invitation(InvitationCommand::Create(new));
        Ok((command, link))
    });
    let show = async move |done: Done, link: Option<Link>| {
        let made = done.created().map(InvitationId::from_uuid);
        let made = made.ok_or_else(|| unanswered("an invitation without an id"))?;
        let told = InvitationCreated {
            object: done.invitation(made).await?,
            accept_url: link.map(|link| link.accept_url),
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
    carry::once_beside(app, asked, org, body.fingerprint, prepare, show).await
}

/// To whom an invitation is, kept outside the log, and the link that is told once.
struct Link {
    of: InvitationId,
    accept_url: String,
}

impl Beside for Link {
    async fn forget(self, app: &App) {
        app.people().forget_invitation(self.of).await;
    }
}
