//! Endpoints that are gone (v1-contract.md 18.3): 410 whatever the id, with what to use instead.

use api::error::ApiError;
use api::route::{ROUTES, Route};
use utoipa::openapi::path::{OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::{HttpMethod, OpenApi, OpenApiBuilder, ResponsesBuilder};

use crate::call::Call;

/// The removed endpoints.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.replacement.is_some())
}

/// Answers for each of them.
pub async fn handle(call: Call) -> ApiError {
    match call.route().replacement {
        Some(replacement) => ApiError::gone(replacement),
        None => ApiError::internal("a route was not removed and has no endpoint"),
    }
}

/// Their description.
pub fn describe() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for route in routes() {
        let words = route
            .path
            .split(['/', '{', '}'])
            .filter(|word| !word.is_empty());
        let name: Vec<_> = words.filter(|word| *word != "id").collect();
        let replacement = route.replacement.unwrap_or_default();
        let operation = OperationBuilder::new()
            .operation_id(Some(format!("removed_{}", name.join("_"))))
            .summary(Some(format!("Was removed: use {replacement}.")))
            .responses(ResponsesBuilder::new().build())
            .build();
        paths = paths.path(route.path, PathItem::new(HttpMethod::Get, operation));
    }
    OpenApiBuilder::new().paths(paths).build()
}
