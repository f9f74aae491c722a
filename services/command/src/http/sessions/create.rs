//! `POST /sessions` (v1-contract.md 8.4).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use api::v1::SessionCreated;
use axum::extract::State;
use domain::ids::{OrgId, SessionId};
use domain::org::{Command, SessionCommand};

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry::{self, Done};
use crate::http::people::{Visit, refusal};

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
    let people = app.people().clone();
    let belongs = people.belongs(user_id, org).await;
    if !belongs.map_err(|error| refusal(error, app.jitter()))? {
        return Err(ApiError::not_found());
    }
    let place = visit.place;
    let minted = people.mint_session(org, user_id, &place).await;
    let minted = minted.map_err(|error| refusal(error, app.jitter()))?;
    let command = Command::Session(SessionCommand::Open {
        user_id,
        session: minted.new_session(),
    });
    let (id, secret) = (minted.id, minted.secret);
    let is_opened = Arc::new(AtomicBool::new(false));
    let opened_it = Arc::clone(&is_opened);
    let show = async move |done: Done| {
        opened_it.store(!done.is_replay, Ordering::Relaxed);
        let opened = done.created().map_or(id, SessionId::from_uuid);
        let kept = SessionCreated {
            object: done.session(opened, &place).await?,
            token: None,
        };
        let answer = Answer::created(&kept, "sessions", opened.as_uuid())?;
        if done.is_replay {
            return Ok(answer);
        }
        answer.telling(&SessionCreated {
            token: Some(secret.reveal().to_owned()),
            ..kept
        })
    };
    let created = carry::once_in(app, asked, org, body.fingerprint, command, show).await;
    // Of a refusal or a replay nothing is kept; what may have been opened is.
    let is_settled = created
        .as_ref()
        .map_or_else(|e| e.code().has_no_side_effects(), |_| true);
    if is_opened.load(Ordering::Relaxed) {
        people.note_org(user_id, org).await;
    } else if is_settled {
        people.forget_session(id).await;
    }
    created
}
