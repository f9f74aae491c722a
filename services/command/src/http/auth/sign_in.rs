//! `POST /auth/sessions` (v1-contract.md 8.4).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::node::Node;
use axum::extract::State;
use domain::email::Email;
use domain::ids::OrgId;

use super::{body, guess, session};
use crate::http::App;
use crate::http::carry::shielded;
use crate::http::people::Visit;
use crate::people::{Password, SignInError};

/// Who signs in where.
pub(super) struct SignIn {
    email: Email,
    password: Password,
    org_id: Option<OrgId>,
}

impl FromBody for SignIn {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let email = fields.required("email", |it| it.parse(Email::parse));
        let password = fields.required("password", body::presented);
        let org_id = fields.optional("org_id", Node::from_str);
        Ok(Self {
            email: email?,
            password: password?,
            org_id: org_id?,
        })
    }
}

pub(super) async fn handle(
    State(app): State<App>,
    visit: Visit,
    body: StrictJson<SignIn>,
) -> Result<Success, ApiError> {
    shielded(&app.clone(), async move {
        let guess = guess(&app, visit.place.ip)?;
        let SignIn {
            email,
            password,
            org_id,
        } = body.value;
        let signed = app
            .people()
            .sign_in(&email, password, org_id, visit.place, &visit.request_id)
            .await;
        if matches!(signed, Err(SignInError::InvalidCredentials)) {
            guess.failed();
        } else {
            guess.passed();
        }
        session::signed_in(&app, signed).await
    })
    .await
}
