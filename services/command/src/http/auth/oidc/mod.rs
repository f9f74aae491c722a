//! `/auth/oidc`: signing in with the provider that the operator named; 404 if none is.

pub(super) mod finish;
pub(super) mod start;

use api::error::ApiError;

use crate::http::App;
use crate::oidc::OidcError;

/// The answer where the provider told nothing of anybody.
fn refusal(app: &App, error: OidcError) -> ApiError {
    let answer = match error {
        OidcError::Flow | OidcError::Code | OidcError::Claims(_) => ApiError::sign_in_over(),
        OidcError::NoAddress => ApiError::no_membership(),
        OidcError::Busy | OidcError::Late | OidcError::Call(_) | OidcError::Provider(_) => {
            ApiError::verification_unavailable(app.jitter())
        }
    };
    if answer.status().is_client_error() {
        // The caller is told nothing of it, but an operator who sets this up has to know.
        tracing::info!(%error, "a sign-in with the provider is refused");
    }
    answer.because(error)
}
