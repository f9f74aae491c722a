//! Ids in paths.

use axum::extract::{FromRequestParts, Path as Named};
use http::request::Parts;
use uuid::Uuid;

use crate::app::Shared;
use crate::page::Problem;
use crate::visit::Visit;

/// An id in a path. What is no id names nothing, so there is no such page.
pub struct Id(pub Uuid);

impl FromRequestParts<Shared> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        if let Ok(Named(id)) = Named::<Uuid>::from_request_parts(parts, app).await {
            return Ok(Self(id));
        }
        let Ok(visit) = Visit::from_request_parts(parts, app).await;
        Err(Problem::not_found(&visit))
    }
}
