//! `/audit/export`: the trail as a file, one event a line, passed on as it comes.

use axum::response::{IntoResponse, Response};

use crate::client::Path;
use crate::page::Problem;
use crate::routes::address::{Parameters, filled};
use crate::visit::Signed;

/// What of it can be left out; and `seal`, with which the last line proves that nothing is missing.
const PARAMETERS: [&str; 7] = [
    "type",
    "stream",
    "from",
    "to",
    "after_position",
    "to_position",
    "seal",
];

pub(super) async fn download(
    Signed(visit): Signed,
    asked: Parameters,
) -> Result<Response, Problem> {
    let export = Path::v1(&["audit", "export"]);
    let path = PARAMETERS.into_iter().fold(export, |path, name| {
        path.with_some(name, filled(asked.get(name)))
    });
    Ok(visit.download(path).await?.into_response())
}
