//! `POST /sessions` (v1-contract.md 8.4).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::v1::SessionCreated;
use axum::extract::State;
use domain::ids::{OrgId, SessionId, UserId};
use domain::org::{Command, SessionCommand};

use crate::http::App;
use crate::http::answer::{Answer, unanswered};
use crate::http::call::Call;
use crate::http::carry::{self, Beside, Done};
use crate::http::people::{Visit, refusal};
use crate::people::{Minted, Place};

/// Where to be signed in.
#[derive(Debug)]
pub(in crate::http) struct CreateSession {
    org_id: OrgId,
}

impl FromBody for CreateSession {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let org_id = fields.required("org_id", Node::from_str);
        Ok(Self { org_id: org_id? })
    }
}

/// Opens a session of the same person in another org. Its credential is told this once.
#[utoipa::path(
    post,
    path = "/sessions",
    operation_id = "create_session",
    request_body = api::v1::request::CreateSession,
    responses(
        (status = 201, description = "The session, with its credential", body = api::openapi::Answer<SessionCreated>),
    )
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    visit: Visit,
    body: StrictJson<CreateSession>,
) -> Result<Success, ApiError> {
    let (_, user_id) = asked.session()?;
    let org = body.value.org_id;
    let place = visit.place;
    let prepare = prepare(app.clone(), org, user_id, place.clone());
    let show = async move |done: Done, minted: Option<Minted>| {
        let opened = done.created().map(SessionId::from_uuid);
        let opened = opened.ok_or_else(|| unanswered("a session without an id"))?;
        if !done.is_replay {
            done.app.people().note_org(user_id, org).await;
        }
        let kept = SessionCreated {
            object: done.session(opened, &place).await?,
            token: None,
        };
        let answer = Answer::created(&kept, "sessions", opened.as_uuid())?;
        let Some(minted) = minted else {
            return Ok(answer);
        };
        answer.telling(&SessionCreated {
            token: Some(minted.secret.reveal().to_owned()),
            ..kept
        })
    };
    carry::once_beside(app, asked, org, body.fingerprint, prepare, show).await
}

async fn prepare(
    app: App,
    org: OrgId,
    user_id: UserId,
    place: Place,
) -> Result<(Command, Minted), ApiError> {
    let refuse = |error| refusal(error, app.jitter());
    let people = app.people();
    if !people.belongs(user_id, org).await.map_err(refuse)? {
        return Err(ApiError::not_found());
    }
    let minted = people.mint_session(org, user_id, &place).await;
    let minted = minted.map_err(refuse)?;
    let command = Command::Session(SessionCommand::Open {
        user_id,
        session: minted.new_session(),
    });
    Ok((command, minted))
}

impl Beside for Minted {
    async fn forget(self, app: &App) {
        app.people().forget_session(self.id).await;
    }
}
