//! `/auth/oidc`: signing in with the provider that the operator named; 404 if none is.

pub(super) mod finish;
pub(super) mod start;

use api::error::ApiError;

use crate::http::App;
use crate::oidc::OidcError;

/// The answer where the provider told nothing of anybody.
fn refusal(app: &App, error: OidcError) -> ApiError {
    match error {
        OidcError::Flow | OidcError::Code | OidcError::Claims(_) => {
            ApiError::invalid_credentials().because(error)
        }
        OidcError::NoAddress => ApiError::no_membership().because(error),
        OidcError::Busy | OidcError::Late | OidcError::Call(_) | OidcError::Provider(_) => {
            ApiError::verification_unavailable(app.jitter()).because(error)
        }
    }
}
