//! `DELETE /analytics/annotations/{id}` (v1-contract.md 14).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Annotation;
use axum::extract::State;
use domain::ids::AnnotationId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Removes a mark of people; those of the system stay.
#[utoipa::path(
    delete,
    path = "/analytics/annotations/{id}",
    operation_id = "remove_annotation",
    responses((status = 200, description = "The mark as it last was", body = api::openapi::Answer<Annotation>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(annotation_id): PathId<AnnotationId>,
) -> Result<Success, ApiError> {
    let command = Command::RemoveAnnotation { annotation_id };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.annotation(annotation_id).await?),
    )
    .await
}
