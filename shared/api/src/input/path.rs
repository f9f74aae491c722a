//! Ids in paths.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::issue::Issues;
use crate::error::ApiError;

/// The one id of a path: `PathId<ProjectId>` of `/projects/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId<T>(pub T);

impl<S, T> FromRequestParts<S> for PathId<T>
where
    S: Send + Sync,
    T: FromStr,
    T::Err: Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        // What does not even decode is no id either.
        let params = params.map_err(|error| invalid("id", &error.body_text()))?;
        let (name, text) = params
            .iter()
            .next()
            .ok_or_else(|| ApiError::internal("the route has no parameter"))?;
        text.parse()
            .map(Self)
            .map_err(|error: T::Err| invalid(name, &error.to_string()))
    }
}

fn invalid(name: &str, message: &str) -> ApiError {
    ApiError::invalid_params(&Issues::one(name, message.to_owned()))
}
