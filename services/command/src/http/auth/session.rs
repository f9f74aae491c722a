//! The answer to somebody who is signed in.

use api::envelope::Success;
use api::error::ApiError;
use api::v1::{OrgChoice, Session, SessionCreated, SignedIn};
use serde::Serialize;

use crate::http::App;
use crate::http::carry::Done;
use crate::http::error::refusal;
use crate::http::people;
use crate::people::{self as signing, Opened, SignInError};

/// 201 with what `shape` makes of the session and its credential.
pub(super) async fn created<T: Serialize>(
    app: &App,
    opened: Opened,
    shape: impl FnOnce(SessionCreated) -> T,
) -> Result<Success, ApiError> {
    let position = opened.executed.position;
    let done = Done {
        app: app.clone(),
        org: opened.org,
        executed: opened.executed,
        is_replay: false,
    };
    let session = done.session(opened.session_id, &opened.place).await;
    let session = session.map_err(|error| refusal(error, app.jitter()))?;
    let answer = shape(SessionCreated {
        object: Session {
            // The caller has no other.
            current: true,
            ..session
        },
        token: Some(opened.secret.reveal().to_owned()),
    });
    let created = Success::created(&answer, &format!("sessions/{}", opened.session_id))?;
    Ok(created.at(position).secret())
}

/// 201 with a session and all orgs of its person, however they showed who they are.
pub(super) async fn signed_in(
    app: &App,
    signed: Result<signing::SignedIn, SignInError>,
) -> Result<Success, ApiError> {
    let signed = signed.map_err(|error| match error {
        SignInError::InvalidCredentials => ApiError::invalid_credentials(),
        SignInError::NoMembership => ApiError::no_membership(),
        SignInError::People(error) => people::refusal(error, app.jitter()),
    })?;
    let orgs = signed.orgs.into_iter().map(|org| OrgChoice {
        id: org.id,
        name: org.name,
        role: org.role,
    });
    let orgs = orgs.collect();
    created(app, signed.opened, |session| SignedIn { session, orgs }).await
}
