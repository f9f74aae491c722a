//! `POST /videos/{id}/tracking-disable` (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{NoFields, OptionalJson};
use api::input::path::PathId;
use api::v1::Video;
use axum::extract::State;
use domain::event::TrackingDisabledReason;
use domain::ids::VideoId;
use domain::org::Command;

use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// Ends the updates of a video; it keeps counting with its last reading.
#[utoipa::path(
    post,
    path = "/videos/{id}/tracking-disable",
    operation_id = "disable_tracking",
    request_body = Option<api::v1::request::NoFields>,
    responses((status = 200, description = "The video", body = api::openapi::Answer<Video>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(video_id): PathId<VideoId>,
    body: OptionalJson<NoFields>,
) -> Result<Success, ApiError> {
    let command = Command::DisableTracking {
        video_id,
        reason: TrackingDisabledReason::Manual,
    };
    carry::once(app, asked, body.fingerprint, command, async move |done| {
        Answer::ok(&done.video(video_id).await?)
    })
    .await
}
