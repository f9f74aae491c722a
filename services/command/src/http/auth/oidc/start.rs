//! `POST /auth/oidc/start`: where the browser goes, and what it keeps until it is back.

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{NoFields, OptionalJson};
use api::v1::SignInStarted;
use axum::extract::State;

use super::refusal;
use crate::http::App;
use crate::http::auth::guess;
use crate::http::carry::shielded;
use crate::http::people::Visit;

pub(in crate::http::auth) async fn handle(
    State(app): State<App>,
    visit: Visit,
    _: OptionalJson<NoFields>,
) -> Result<Success, ApiError> {
    let oidc = app.oidc().cloned().ok_or_else(ApiError::not_found)?;
    shielded(&app.clone(), async move {
        // Nothing is guessed here, but who guessed too often is not heard, and keeps no other waiting.
        let guess = guess(&app, visit.place.ip)?;
        let begun = oidc.begin().await;
        guess.passed();
        let begun = begun.map_err(|error| refusal(&app, error))?;
        let started = SignInStarted {
            authorization_url: begun.authorization_url,
            flow: begun.flow,
        };
        Ok(Success::ok(&started)?.secret())
    })
    .await
}
