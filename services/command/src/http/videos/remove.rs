//! `DELETE /videos/{id}` (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::path::PathId;
use api::v1::Video;
use axum::extract::State;
use domain::ids::VideoId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Removes a video. Only adding it by URL brings it back.
#[utoipa::path(
    delete,
    path = "/videos/{id}",
    operation_id = "remove_video",
    responses((status = 200, description = "The video as it last was", body = api::openapi::Answer<Video>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(video_id): PathId<VideoId>,
) -> Result<Success, ApiError> {
    let command = Command::RemoveVideo { video_id };
    carry::each_time(
        app,
        asked.org,
        asked.context(),
        command,
        async move |done| Answer::ok(&done.video(video_id).await?),
    )
    .await
}
