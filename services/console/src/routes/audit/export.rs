//! `/audit/export`: the trail as a file, one event a line, passed on as it comes.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::filled;
use crate::client::Path;
use crate::page::Problem;
use crate::visit::Signed;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    #[serde(rename = "type")]
    types: String,
    stream: String,
    from: String,
    to: String,
    after_position: String,
    to_position: String,
    /// Whether the last line proves that nothing is missing.
    seal: String,
}

pub(super) async fn download(
    Signed(visit): Signed,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let path = Path::v1(&["audit", "export"])
        .with_some("type", filled(&asked.types))
        .with_some("stream", filled(&asked.stream))
        .with_some("from", filled(&asked.from))
        .with_some("to", filled(&asked.to))
        .with_some("after_position", filled(&asked.after_position))
        .with_some("to_position", filled(&asked.to_position))
        .with_some("seal", filled(&asked.seal));
    Ok(visit.download(path).await?.into_response())
}
