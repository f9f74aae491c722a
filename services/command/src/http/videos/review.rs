//! `POST /videos/{id}/review` (v1-contract.md 11.2).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::{Fields, FromBody, StrictJson};
use api::input::issue::Invalid;
use api::input::path::PathId;
use api::v1::Video;
use axum::extract::State;
use domain::ids::VideoId;
use domain::org::{Command, ReviewDecision};

use super::body;
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::carry;

/// What was decided on a found video.
#[derive(Debug)]
pub(in crate::http) struct Review(ReviewDecision);

impl FromBody for Review {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        body::decision(fields).map(Self)
    }
}

/// Decides on a found video.
#[utoipa::path(
    post,
    path = "/videos/{id}/review",
    operation_id = "review_video",
    request_body = api::v1::request::ReviewVideo,
    responses((status = 200, description = "The video", body = api::openapi::Answer<Video>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    Call(asked): Call,
    PathId(video_id): PathId<VideoId>,
    body: StrictJson<Review>,
) -> Result<Success, ApiError> {
    let Review(decision) = body.value;
    let command = Command::ReviewVideo { video_id, decision };
    carry::once(app, asked, body.fingerprint, command, async move |done| {
        Answer::ok(&done.video(video_id).await?)
    })
    .await
}
