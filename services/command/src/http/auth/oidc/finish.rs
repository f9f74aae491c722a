//! `POST /auth/oidc/finish`: what came back from the provider becomes a session, as a password does.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use axum::extract::State;
use openidconnect::AuthorizationCode;

use super::refusal;
use crate::http::App;
use crate::http::auth::guess;
use crate::http::auth::session::signed_in;
use crate::http::carry::shielded;
use crate::http::people::Visit;
use crate::oidc::{FLOW_CHARS, OidcError};
use crate::people::SignInError;

/// Most characters of a provider's code; the longest known have about 2,000.
const CODE_CHARS: usize = 4_096;
/// Most characters of a state; ours have 43.
const STATE_CHARS: usize = 256;

/// What the browser brought back.
pub(in crate::http::auth) struct Finish {
    code: AuthorizationCode,
    state: String,
    flow: String,
}

impl FromBody for Finish {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let code = fields.required("code", |it| it.parse(|text| bounded(text, CODE_CHARS)));
        let state = fields.required("state", |it| it.parse(|text| bounded(text, STATE_CHARS)));
        let flow = fields.required("flow", |it| it.parse(|text| bounded(text, FLOW_CHARS)));
        Ok(Self {
            code: AuthorizationCode::new(code?),
            state: state?,
            flow: flow?,
        })
    }
}

fn bounded(text: &str, most: usize) -> Result<String, String> {
    if (1..=most).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {most} characters"))
    }
}

pub(in crate::http::auth) async fn handle(
    State(app): State<App>,
    visit: Visit,
    body: StrictJson<Finish>,
) -> Result<Success, ApiError> {
    let oidc = app.oidc().cloned().ok_or_else(ApiError::not_found)?;
    shielded(&app.clone(), async move {
        let guess = guess(&app, visit.place.ip)?;
        let Finish { code, state, flow } = body.value;
        let verified = match oidc.finish(code, &state, &flow).await {
            Ok(verified) => verified,
            Err(error) => {
                match error {
                    OidcError::Flow | OidcError::Code | OidcError::Claims(_) => guess.failed(),
                    _ => guess.passed(),
                }
                return Err(refusal(&app, error));
            }
        };
        let signed = app
            .people()
            .sign_in_verified(
                &verified.email,
                verified.session,
                visit.place,
                &visit.request_id,
            )
            .await;
        if matches!(signed, Err(SignInError::InvalidCredentials)) {
            guess.failed();
            return Err(ApiError::sign_in_over());
        }
        guess.passed();
        signed_in(&app, signed).await
    })
    .await
}
