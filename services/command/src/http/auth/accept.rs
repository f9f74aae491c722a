//! `POST /auth/invitations/accept` (v1-contract.md 8.4): who is invited makes their account and joins.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use axum::extract::State;
use domain::text::Name;

use super::{body, guess, session};
use crate::http::App;
use crate::http::carry::shielded;
use crate::http::people::{Visit, refusal};
use crate::people::{AcceptError, OneTimeToken, Password};

/// Who joins.
pub(super) struct Accept {
    token: OneTimeToken,
    name: Name,
    password: Password,
}

impl FromBody for Accept {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let token = fields.required("token", body::token);
        let name = fields.required("name", |it| it.parse(Name::parse));
        let password = fields.required("password", body::chosen);
        Ok(Self {
            token: token?,
            name: name?,
            password: password?,
        })
    }
}

pub(super) async fn handle(
    State(app): State<App>,
    visit: Visit,
    body: StrictJson<Accept>,
) -> Result<Success, ApiError> {
    shielded(&app.clone(), async move {
        let guess = guess(&app, visit.place.ip)?;
        let Accept {
            token,
            name,
            password,
        } = body.value;
        let opened = app
            .people()
            .accept_by_link(&token, &name, password, visit.place, &visit.request_id)
            .await;
        if matches!(
            opened,
            Err(AcceptError::Unknown | AcceptError::InvalidCredentials)
        ) {
            guess.failed();
        } else {
            guess.passed();
        }
        let opened = opened.map_err(|error| match error {
            AcceptError::Unknown => ApiError::not_found(),
            AcceptError::HasAccount => ApiError::state_conflict(
                "The invited person has an account: sign in, and accept the invitation there",
            ),
            AcceptError::InvalidCredentials => ApiError::invalid_credentials(),
            AcceptError::People(error) => refusal(error, app.jitter()),
        })?;
        session::created(&app, opened, |created| created).await
    })
    .await
}
