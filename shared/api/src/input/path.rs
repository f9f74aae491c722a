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

/// The two ids of a path, in their order: `PathIds<WebhookId, DeliveryId>` of
/// `/webhooks/{id}/deliveries/{delivery_id}/resend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathIds<A, B>(pub A, pub B);

impl<S, A, B> FromRequestParts<S> for PathIds<A, B>
where
    S: Send + Sync,
    A: FromStr,
    A::Err: Display,
    B: FromStr,
    B::Err: Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|error| invalid("id", &error.body_text()))?;
        let mut all = params.iter();
        let (Some((first, a)), Some((second, b))) = (all.next(), all.next()) else {
            return Err(ApiError::internal("the route has not two parameters"));
        };
        let a = a.parse();
        let a = a.map_err(|error: A::Err| invalid(first, &error.to_string()))?;
        let b = b.parse();
        let b = b.map_err(|error: B::Err| invalid(second, &error.to_string()))?;
        Ok(Self(a, b))
    }
}

fn invalid(name: &str, message: &str) -> ApiError {
    ApiError::invalid_params(&Issues::one(name, message.to_owned()))
}
