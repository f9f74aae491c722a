//! `POST /auth/password` (v1-contract.md 8.4): another password, with which all other sessions end.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::v1::PasswordChanged;
use axum::extract::State;

use super::{Signed, body, guess};
use crate::http::App;
use crate::http::carry::shielded;
use crate::http::people::{Visit, refusal};
use crate::http::show::receipt;
use crate::people::{Password, PasswordChangeError};

/// The password of now, and that of later.
pub(super) struct ChangePassword {
    current: Password,
    new: Password,
}

impl FromBody for ChangePassword {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let current = fields.required("current", body::presented);
        let new = fields.required("new", body::chosen);
        Ok(Self {
            current: current?,
            new: new?,
        })
    }
}

pub(super) async fn handle(
    State(app): State<App>,
    signed: Signed,
    visit: Visit,
    body: StrictJson<ChangePassword>,
) -> Result<Success, ApiError> {
    shielded(&app.clone(), async move {
        let guess = guess(&app, visit.place.ip)?;
        let ChangePassword { current, new } = body.value;
        let (user, kept) = (signed.user_id, signed.session_id);
        let changed = app
            .people()
            .change_password(user, kept, current, new, &visit.request_id)
            .await;
        if matches!(changed, Err(PasswordChangeError::InvalidCredentials)) {
            guess.failed();
        } else {
            guess.passed();
        }
        let denial = changed.map_err(|error| match error {
            PasswordChangeError::InvalidCredentials => ApiError::invalid_credentials(),
            PasswordChangeError::People(error) => refusal(error, app.jitter()),
            error @ PasswordChangeError::Unfinished(_) => {
                ApiError::outcome_unknown(app.jitter()).because(error)
            }
        })?;
        let receipt = denial.map(|denial| receipt(user.as_uuid(), &denial));
        let position = if let Some(receipt) = &receipt {
            receipt.position
        } else {
            let head = app.commander().log().head().await;
            // The password is changed, whatever else cannot be said.
            head.map_err(|error| ApiError::outcome_unknown(app.jitter()).because(error))?
                .position
        };
        Ok(Success::ok(&PasswordChanged { receipt })?.at(position))
    })
    .await
}
